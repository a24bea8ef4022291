"""What can be wrong with a data file: every code with its severity, why it matters, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


@dataclass(frozen=True, slots=True)
class Code:
    """One kind of finding. An error leaves the row out of training; a warning makes it bad; a note informs."""

    severity: Severity
    title: str
    why: str
    hint: str


@dataclass(frozen=True, slots=True)
class RowFinding:
    """One finding in one row. `field` is the place inside the row, `column` a 1-based character of the line."""

    code: str
    message: str
    detail: str = ""
    field: str = ""
    column: int | None = None
    level: Severity | None = None

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        return self.level or CODES[self.code].severity


def grouped(number: int) -> str:
    """A number with its thousands apart: 1 204."""
    return f"{number:,}".replace(",", " ")


_FIX_ROW = "Mend the row, or drop it: it is left out of training."

CODES: dict[str, Code] = {
    "empty_file": Code(
        "error",
        "the file holds no rows",
        "There is nothing to train on.",
        "Write one JSON object a line, or name another file.",
    ),
    "not_found": Code(
        "error", "there is no such file", "There is nothing to read.", "Check the name and the folder."
    ),
    "permission_denied": Code(
        "error",
        "reading is not allowed",
        "There is nothing to read.",
        "chmod u+r FILE, or ask its owner.",
    ),
    "symlink_loop": Code(
        "error", "links that lead back to themselves", "There is no file at their end.", "Make the link anew: ln -sf"
    ),
    "is_directory": Code(
        "error",
        "a folder, not a file",
        "Its files are no shards of one data set, so that nobody can tell which to read.",
        "Name one data file, or put the shards of one data set into a folder of their own.",
    ),
    "not_regular_file": Code(
        "error",
        "a pipe, socket or device",
        "Rows are read by position, which only files allow.",
        "Pipe it in instead: COMMAND | diapason data check -",
    ),
    "binary_file": Code("error", "no text", "There are no rows in it.", "Name a data file."),
    "html_not_data": Code(
        "error",
        "a web page",
        "The page about the data was saved, not the data.",
        "Download the raw file again.",
    ),
    "lfs_pointer": Code(
        "error", "a Git LFS pointer", "It names the data and does not hold it.", "Fetch the data: git lfs pull"
    ),
    "bad_parquet": Code(
        "error",
        "a table that cannot be read",
        "The file is cut off or damaged.",
        "Copy or download the file again, and compare its size.",
    ),
    "truncated_gzip": Code(
        "error",
        "a packed file that is cut off or damaged",
        "Rows behind the damage are lost.",
        "Copy or download the file again; gzip -t FILE tests it.",
    ),
    "compressed": Code(
        "note", "packed", "It is unpacked each time it is opened.", "Unpack it where you open it often."
    ),
    "columnar": Code(
        "note",
        "kept by column, not by row",
        "Rows are put together first; lines are the numbers of rows.",
        "Nothing to do; write JSON Lines to look at it elsewhere.",
    ),
    "parts": Code(
        "note",
        "several files or parts",
        "One part is read; the others only when they are named.",
        "Name a part behind a #: FILE#test",
    ),
    "extension_mismatch": Code(
        "note",
        "the name says another layout",
        "Tools that go by the name read it wrongly or refuse it.",
        "Rename the file.",
    ),
    "terminal_escape_in_name": Code(
        "warning",
        "control characters in the file's name",
        "They act on a terminal that lists the folder.",
        "Rename the file.",
    ),
    "cr_only": Code(
        "warning",
        "lines end with a carriage return alone",
        "Other tools take the whole file for one line.",
        "tr '\\r' '\\n' < FILE > NEW",
    ),
    "huge_line": Code(
        "warning",
        "a row of more than ten megabytes",
        "Readers that go chunk by chunk give up on it, and no model reads it whole.",
        "Part it into several rows.",
    ),
    "unknown_format": Code(
        "error",
        "the columns are of no known format",
        "Nobody can tell the prompt from the answer.",
        "Say which is which: --map prompt=FIELD,completion=FIELD. Or name the layout with --format.",
    ),
    "bad_json": Code(
        "error",
        "not JSON",
        "The row cannot be read.",
        "Mend the line at the column given; a JSON encoder writes it right.",
    ),
    "nonfinite_number": Code(
        "error",
        "NaN, Infinity or a number that is too large",
        "Strict readers refuse the row.",
        "Write null or leave the field out.",
    ),
    "lone_surrogate": Code(
        "error",
        "half of a surrogate pair",
        "The text cannot be written as UTF-8 or tokenised.",
        "Write the whole character; the text was cut in the middle of one.",
    ),
    "too_deep": Code("error", "nested too deep", "Readers give up on it.", "Flatten the row."),
    "big_int": Code("error", "a number too long to read", "Readers refuse it.", "Write it as a string."),
    "not_object": Code("error", "JSON, but not an object", "A row is an object with named fields.", _FIX_ROW),
    "duplicate_key": Code(
        "warning",
        "a key is given twice",
        "The last one counts; what the first one says is lost.",
        "Keep one of them.",
    ),
    "invalid_utf8": Code(
        "error",
        "bytes that are not UTF-8",
        "The text is damaged or of another encoding.",
        "Save the file as UTF-8, or mend the line.",
    ),
    "encoding": Code(
        "warning",
        "not UTF-8",
        "Other tools will read it wrongly or not at all.",
        "Save the file as UTF-8: iconv -f ENCODING -t UTF-8 FILE > NEW",
    ),
    "bom": Code(
        "note",
        "a byte-order mark at the start",
        "Some readers take it for part of the first key.",
        "Save the file as UTF-8 without a mark.",
    ),
    "crlf": Code(
        "note",
        "Windows line ends",
        "Harmless here; some tools keep the carriage return.",
        "sed -i 's/\\r$//' FILE takes them out.",
    ),
    "no_final_newline": Code(
        "note",
        "the last line has no line end",
        "It may have been cut off; appending will join lines.",
        "Check the last row, then end it with a line feed.",
    ),
    "blank_lines": Code("note", "blank lines", "They are passed over; strict readers stop at them.", "Remove them."),
    "pretty_printed_jsonl": Code(
        "note",
        "objects over several lines",
        "JSON Lines wants one object a line.",
        "jq -c . FILE > NEW writes one a line.",
    ),
    "wrapped_list": Code(
        "note", "the rows are a list inside an object", "Other tools may not look into it.", "Save the list alone."
    ),
    "bad_csv": Code(
        "error",
        "not CSV",
        "The record cannot be told from its neighbours.",
        "Close the quote; double quotes inside a quoted field.",
    ),
    "ragged_row": Code(
        "error",
        "another number of fields than the header has",
        "Fields may sit in the wrong column.",
        "Quote fields that hold the delimiter.",
    ),
    "no_header": Code(
        "warning",
        "no header line",
        "The columns are guessed from what is in them.",
        "Put a first line with names, for example text,label.",
    ),
    "duplicate_column": Code(
        "warning",
        "columns of the same name",
        "Readers keep one of them, not all the same one.",
        "Give each column a name of its own.",
    ),
    "delimiter": Code(
        "note",
        "fields parted by another sign than a comma",
        "Tools that expect commas see one column.",
        "Name the delimiter where a tool asks, or save it with commas.",
    ),
    "text_rows": Code(
        "note",
        "plain text",
        "A row is what is trained on as one piece.",
        "Part the text by blank lines to make each paragraph a row.",
    ),
    "mixed_formats": Code(
        "warning",
        "rows of another format than most",
        "Other tools refuse such a file.",
        "Convert the rows, or keep them in a file of their own.",
    ),
    "missing_field": Code("error", "a field is missing", "Without it there is nothing to learn.", _FIX_ROW),
    "extra_field": Code(
        "note",
        "a field that training does not read",
        "It is left out; a misspelt name looks just so.",
        "Nothing to do, unless a field that you want has another name: --map.",
    ),
    "key_case": Code(
        "warning",
        "a field's name in other letters",
        "It is read as the usual one; other tools will not find it.",
        "Write the name in lower case.",
    ),
    "key_space": Code(
        "warning",
        "spaces around a field's name",
        "It is read as if they were not there; other tools will not find it.",
        "Take the spaces out of the name.",
    ),
    "wrong_type": Code("error", "a field of the wrong type", "Text is needed there.", _FIX_ROW),
    "bad_role": Code(
        "error",
        "an unknown role",
        "The model's template has no place for it.",
        "Use system, user, assistant or tool.",
    ),
    "role_alias": Code(
        "warning",
        "a role under another name",
        "It is read as the usual one; other tools may refuse it.",
        "Write system, user, assistant or tool.",
    ),
    "role_order": Code(
        "error",
        "roles out of order",
        "Templates refuse it, or the model learns a dialogue nobody has.",
        "system first if at all, then user and assistant in turn; tool after a tool call.",
    ),
    "no_assistant": Code("error", "no assistant message", "There is no answer to learn.", _FIX_ROW),
    "last_not_assistant": Code(
        "warning",
        "does not end with the assistant",
        "What comes after the last answer is not used.",
        "Add the answer or cut the end.",
    ),
    "content_parts": Code(
        "note",
        "content given as a list of parts",
        "The text parts are joined.",
        "Nothing to do unless parts are named that are left out.",
    ),
    "multimodal": Code("error", "a part that is not text", "Only text is trained here.", _FIX_ROW),
    "tool_args_not_json": Code(
        "warning",
        "a tool call whose JSON cannot be read",
        "The model learns broken calls.",
        "Write the call as JSON with name and arguments.",
    ),
    "bad_weight": Code(
        "error",
        "a weight that is neither 0 nor 1",
        "It says whether a turn carries loss.",
        "Use 0 or 1, or leave it out.",
    ),
    "weight_all_zero": Code(
        "error",
        "every answer has the weight 0",
        "No token carries loss: the row teaches nothing.",
        "Give one answer the weight 1, or drop the row.",
    ),
    "tool_id_mismatch": Code(
        "warning",
        "a tool's result that names no call",
        "Templates that pair results with calls refuse it or lose it.",
        "Give the result the id of its call.",
    ),
    "tools_missing": Code(
        "warning",
        "a call to a tool that the row does not offer",
        "The model learns to call tools that nobody gave it.",
        "List the tools with their schemas in `tools`.",
    ),
    "legacy_function_call": Code(
        "note",
        "calls in the older form",
        "They are read as tool calls; newer tools refuse `function_call` and `functions`.",
        "Write tool_calls and tools.",
    ),
    "prompt_mismatch": Code(
        "error",
        "chosen and rejected answer different prompts",
        "Nobody can tell which answer is better.",
        "Give both the same prompt, or drop the pair.",
    ),
    "chosen_equals_rejected": Code(
        "error", "chosen and rejected are the same", "There is nothing to prefer.", _FIX_ROW
    ),
    "empty_input": Code(
        "warning", "an empty prompt", "The model learns to answer nothing.", "Fill it in or drop the row."
    ),
    "empty_output": Code(
        "error", "an empty answer", "The model learns to say nothing.", "Fill it in or drop the row."
    ),
    "control_chars": Code(
        "warning",
        "control characters in the text",
        "The model learns to write them.",
        "Strip them; they are debris of another format.",
    ),
    "terminal_escape": Code(
        "warning",
        "terminal escape sequences",
        "They act on a terminal that shows them.",
        "Strip them: ESC … sequences are colours and commands, not text.",
    ),
    "bidi_control": Code(
        "warning",
        "bidirectional control characters",
        "Text reads otherwise than it is stored.",
        "Strip them unless you know why they are there.",
    ),
    "zero_width": Code(
        "warning",
        "zero-width characters",
        "Invisible, yet tokens of their own: words no longer match.",
        "Strip them.",
    ),
    "placeholder": Code(
        "warning",
        "a prompt or an answer that is only a placeholder",
        "The model learns to write it, or to answer nothing.",
        "Fill it in, leave the field empty where it may be, or drop the row.",
    ),
    "template_placeholder": Code(
        "warning",
        "a field of a template that was never filled in",
        "The model learns to write the mark in place of the word.",
        "Put the words in, or drop the row.",
    ),
    "special_token": Code(
        "warning",
        "control tokens of a chat template inside the text",
        "A tokenizer takes them for the end of a turn or of the text, not for letters.",
        "Strip them; the model's own template puts them in.",
    ),
    "mojibake": Code(
        "warning",
        "text decoded with the wrong encoding",
        "The model learns Ã© for é, and words no longer match.",
        "Repair it (ftfy does), or decode the source again with the encoding named.",
    ),
    "replacement_char": Code(
        "warning",
        "U+FFFD, which stands for characters lost in decoding",
        "What was there is gone, and the model learns to write the sign.",
        "Decode the source again with its own encoding, or drop the row.",
    ),
    "pii_email": Code(
        "warning",
        "an e-mail address",
        "It identifies a person, and a model can repeat it word for word.",
        "Redact it, or note in the data card why it may stay.",
    ),
    "pii_phone": Code(
        "warning",
        "a telephone number",
        "It reaches a person, and a model can repeat it word for word.",
        "Redact it, or note in the data card why it may stay.",
    ),
    "pii_iban": Code(
        "warning",
        "a bank account number (IBAN)",
        "It is somebody's account, and a model can repeat it word for word.",
        "Redact it, or note in the data card why it may stay.",
    ),
    "pii_card": Code(
        "warning",
        "a payment card number",
        "It can be charged, and a model can repeat it word for word.",
        "Redact it, or note in the data card why it may stay.",
    ),
    "pii_nir": Code(
        "warning",
        "a French social security number (NIR)",
        "The law guards it above all others, and a model can repeat it.",
        "Redact it, or note in the data card why it may stay.",
    ),
    "pii_ssn": Code(
        "warning",
        "an American social security number",
        "It opens accounts in a person's name, and a model can repeat it.",
        "Redact it, or note in the data card why it may stay.",
    ),
    "pii_ip": Code(
        "warning",
        "an IP address",
        "It can lead to a person, and a model can repeat it word for word.",
        "Redact it, or note in the data card why it may stay.",
    ),
    "secret": Code(
        "warning",
        "a key, a token or a private key",
        "Who has the file or the model can use it.",
        "Revoke it with its maker first, then redact it.",
    ),
    "too_long": Code(
        "warning",
        "rows that are cut at max_length",
        "What is behind the cut is not learnt; a row whose whole answer is behind it teaches nothing.",
        "Raise train.max_length where the memory allows it, shorten the rows, or drop them.",
    ),
    "fully_masked": Code(
        "error",
        "no token carries loss",
        "The row costs time and teaches nothing; training refuses it.",
        "Give it an answer that the model's template shows, or drop it.",
    ),
    "missing_eos": Code(
        "warning",
        "the end of the answer is not learnt",
        "A model that never sees an answer end does not learn to stop.",
        "Raise train.max_length or shorten the row; where the template writes no end, take a complete one.",
    ),
    "double_bos": Code(
        "warning",
        "two tokens that begin a sequence",
        "The model has only ever seen one; two of them lower the quality of its answers.",
        "Take it out of the row's text; the template or the tokenizer puts it in.",
    ),
    "template_mismatch": Code(
        "warning",
        "a row that does not go with the model's template",
        "The template refuses it, or puts turns inside of turns.",
        "Give roles and texts without any markers, or take a model whose template accepts the row.",
    ),
    "untrained_template_token": Code(
        "warning",
        "the model never learned its template's tokens",
        "It begins with turns it cannot tell apart, and LoRA leaves embeddings as they are.",
        "Take the instruct version of the model, or train the embeddings as well.",
    ),
    "exact_duplicate": Code(
        "warning",
        "extra copies of a row",
        "They count twice and leak between train and test.",
        "Keep the first of each.",
    ),
    "near_duplicate": Code(
        "warning",
        "nearly the same as an earlier row",
        "They add little and leak between train and test.",
        "Keep one of each.",
    ),
    "leakage": Code(
        "warning",
        "held-out prompts that are training prompts too",
        "A model is tested on what it has learnt by heart: the score says nothing.",
        "Take them out of one side; `diapason data split` keeps them on one side.",
    ),
    "contradiction": Code(
        "warning",
        "the same prompt with different answers",
        "The model learns neither.",
        "Decide on one answer for each prompt.",
    ),
    "too_few_rows": Code(
        "warning",
        "fewer rows than the task asks for",
        "Too little to learn from reliably.",
        "Collect more rows, or rely on few-shot prompts for now.",
    ),
    "label_imbalance": Code(
        "warning",
        "labels are far from balanced",
        "Rare labels are learnt badly and accuracy misleads.",
        "Add rows of the rare labels; look at macro-F1.",
    ),
    "mixed_languages": Code(
        "note",
        "rows in several languages",
        "The answer's language then depends on what is asked, and a small language is learnt worse.",
        "Nothing to do if it is meant; look at each with `diapason data stats FILE --by language`.",
    ),
    "card_incomplete": Code(
        "note",
        "the data card is not filled in",
        "Nobody knows later whose the data are, and whether they may be used.",
        "Fill in FILE.card.yaml.",
    ),
    "single_label": Code(
        "warning", "there is only one label", "Nothing to tell apart.", "Add rows with other labels."
    ),
}
