"""Files, encodings, tables, and the JSON of a row."""

from __future__ import annotations

from core.data.catalogue.code import FIX_ROW, Code

FILES: dict[str, Code] = {
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
    "read_error": Code(
        "error",
        "the disk or the network fails",
        "Rows behind that place cannot be had, and others may be wrong.",
        "Copy the file to another disk and check the copy; a disk that fails often tells so in dmesg.",
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
    "not_object": Code("error", "JSON, but not an object", "A row is an object with named fields.", FIX_ROW),
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
        "Close the quote; double quotes inside a quoted field; look what parts the fields.",
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
}
