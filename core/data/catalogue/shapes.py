"""The fields and turns of a row."""

from __future__ import annotations

from core.data.catalogue.code import FIX_ROW, Code

SHAPES: dict[str, Code] = {
    "mixed_formats": Code(
        "warning",
        "rows of another format than most",
        "Other tools refuse such a file.",
        "Convert the rows, or keep them in a file of their own.",
    ),
    "missing_field": Code("error", "a field is missing", "Without it there is nothing to learn.", FIX_ROW),
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
    "wrong_type": Code("error", "a field of the wrong type", "Text is needed there.", FIX_ROW),
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
    "no_assistant": Code("error", "no assistant message", "There is no answer to learn.", FIX_ROW),
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
    "multimodal": Code("error", "a part that is not text", "Only text is trained here.", FIX_ROW),
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
        "error", "chosen and rejected are the same", "There is nothing to prefer.", FIX_ROW
    ),
    "empty_input": Code(
        "warning", "an empty prompt", "The model learns to answer nothing.", "Fill it in or drop the row."
    ),
    "empty_output": Code(
        "error", "an empty answer", "The model learns to say nothing.", "Fill it in or drop the row."
    ),
}
