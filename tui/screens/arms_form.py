"""What the form of an evaluation asks, what it begins with, and what its fields mean together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from core.errors import DiapasonError, UsageError
from core.runs.folder import RunFolder

if TYPE_CHECKING:
    from core.evaluation.request import Wish

#: Kind of arm, what it is called, and what has to be filled in for it.
LINES: tuple[tuple[str, str, str], ...] = (
    ("base", "base, question alone", ""),
    ("few-shot", "few-shot", "examples in the prompt, such as 5"),
    ("bm25", "nearest examples", "how many, such as 5"),
    ("rag", "documents, base", "the folder that holds them"),
    ("rag-tuned", "documents, tuned", "the folder that holds them"),
    ("tuned", "tuned", ""),
    ("checkpoint", "checkpoint", "its step, or several between commas"),
    ("run", "another run", "id or name; @STEP: a checkpoint of it"),
    ("endpoint", "endpoint", "http://localhost:8000/v1#MODEL"),
)
OTHERS: tuple[tuple[str, str, str], ...] = (
    ("metrics", "metrics", "by task; or bleu,chrf,exact_match …"),
    ("primary", "primary metric", "by task; or the one that decides"),
    ("max_rows", "test rows at most", "0: all"),
)


def begin(run: RunFolder) -> tuple[frozenset[str], dict[str, str]]:
    """The arms that are ticked at first, and the first texts of the fields: those of the last evaluation, else of the
    recipe."""
    from core.evaluation.arms import Arm, parse_arms
    from core.evaluation.result import read_result
    from core.recipe import make_recipe

    wanted = make_recipe(run.spec().get("recipe") or {}).evaluation
    result = read_result(run)
    last = (result.document.get("asked") or {}) if result is not None else {}
    shots = [f"few-shot:{wanted.few_shot}"] if wanted.few_shot else []
    texts: Sequence[str] = list(last.get("arms") or ()) or wanted.arms or ["base", *shots, "tuned"]
    try:
        arms: list[Arm] = parse_arms(texts)
    except DiapasonError:
        arms = parse_arms(["base", "tuned"])
    values: dict[str, list[str]] = {}
    for arm in arms:
        step = f"@{arm.step}" if arm.run and arm.step else ""
        field = {
            "few-shot": str(arm.shots),
            "bm25": str(arm.shots),
            "checkpoint": str(arm.step),
            "run": f"{arm.run}{step}",
            "endpoint": f"{arm.url}#{arm.model}",
        }.get(arm.kind, arm.folder)
        values.setdefault(arm.kind, []).append(field)
    found = {kind: ",".join(texts) for kind, texts in values.items() if any(texts)}
    found.setdefault("few-shot", str(wanted.few_shot or 5))
    found.setdefault("bm25", "5")
    # A pattern takes all that follows it.
    metrics = sorted(last.get("metrics") or wanted.metrics or (), key=lambda name: name.startswith("regex:"))
    return frozenset(values), found | {
        "metrics": ",".join(metrics),
        "primary": str(last.get("primary") or wanted.primary or ""),
        "max_rows": str(last.get("max_rows", wanted.max_rows)),
    }


def wish_of(ticked: Sequence[str], values: Mapping[str, str]) -> Wish:
    """What the form asks for.

    Args:
        ticked: kinds of arms.
        values: the texts of the fields.

    Raises:
        UsageError: nothing is ticked, or a field that is needed says nothing that can be.
    """
    from core.evaluation.arms import split_arms
    from core.evaluation.catalog import split_names
    from core.evaluation.request import Wish

    arms: list[str] = []
    for kind, label, hint in LINES:
        if kind not in ticked:
            continue
        text = values.get(kind, "").strip()
        # A folder's name may hold a comma.
        given = ([text] if text else []) if kind in ("rag", "rag-tuned") else split_arms(text)
        given = given if hint else [""]
        if not given:
            raise UsageError("is ticked, and nothing is filled in", where=label, hint=f"It wants {hint}.")
        arms += [f"{kind}:{text}" if text else kind for text in given]
    if not arms:
        raise UsageError("no arm is ticked", hint="Space ticks the one under the cursor.")
    rows = values.get("max_rows", "").strip()
    if rows and not (rows.isascii() and rows.isdigit()):
        raise UsageError(f"`{rows}` is no number of rows", where="test rows at most", hint="0 takes all.")
    return Wish(
        arms=arms,
        metrics=split_names([values.get("metrics", "")]) or None,
        primary=values.get("primary", "").strip() or None,
        settings={"max_rows": int(rows)} if rows else {},
    )
