"""What only the whole file shows, or a model."""

from __future__ import annotations

from core.data.catalogue.code import Code

WHOLES: dict[str, Code] = {
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
