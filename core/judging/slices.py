"""Judgements by a field of the rows that were judged: of the votes themselves, or of a run's test data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.errors import DiapasonError, UsageError
from core.files import read_json
from core.judging.judgement import Judgement
from core.judging.outcome import MOST_VALUES, Results

NONE = "(none)"


def by_field(found: Results, by: str, run: Path | None = None) -> Results:
    """`found` with the slices of one field, those that it has or those of the run's test rows.

    Args:
        by: a field that the judgements know; else, with a run, ``label``, ``language`` or a field of its test rows
            such as ``meta.topic``.
        run: the run folder that was judged.

    Raises:
        UsageError: where nothing has the field, or it has too many values.
        DiapasonError: where the test rows are gone, or are others than those judged.
    """
    known = {name for each in found.judgements for name in each.slices}
    if by in known:
        sliced = [replace(each, slices={by: each.slices.get(by, NONE)}) for each in found.judgements]
    elif run is not None:
        values = _of_rows(found.judgements, by, run)
        sliced = [replace(each, slices={by: values[each.prompt]}) for each in found.judgements]
    else:
        fields = ", ".join(sorted(known)[:10]) or "no further fields"
        raise UsageError(f"no judgement has the field `{by}`", where="--by", hint=f"There are {fields}.")
    if (number := len({each.slices[by] for each in sliced})) > MOST_VALUES:
        raise UsageError(
            f"`{by}` has {number:,} values, too many for slices",
            where="--by",
            hint=f"A field of {MOST_VALUES} values at most makes slices.",
        )
    return replace(found, judgements=sliced)


def _of_rows(judgements: Sequence[Judgement], by: str, run: Path) -> dict[str, str]:
    from core.data.dataset import fingerprint, open_dataset
    from core.data.stats import slice_of

    data = _test_data(run)
    path = Path(str(data["path"]))
    if not path.exists():
        raise DiapasonError("the test rows are not there any more", where=str(path))
    if fingerprint(path).get("sha256") != data.get("sha256"):
        raise DiapasonError(
            "these are other rows than those judged", where=str(path), hint="They were changed since."
        )
    dataset = open_dataset(path, data.get("format"), data.get("map"))
    try:
        # The prompt of a run's session is the number of its test row.
        found = {prompt: slice_of(dataset.row(int(prompt)), by) for prompt in {each.prompt for each in judgements}}
    finally:
        dataset.source.close()
    if not any(value is not None for value in found.values()):
        raise UsageError(
            f"no test row has the field `{by}`", where="--by", hint="label, language, or a field of the rows."
        )
    return {prompt: NONE if value is None else value for prompt, value in found.items()}


def _test_data(run: Path) -> Mapping[str, Any]:
    spec = read_json(run / "spec.json")
    data = spec.get("data") if isinstance(spec, dict) else None
    test = data.get("test") if isinstance(data, dict) else None
    if not isinstance(test, dict) or not isinstance(test.get("path"), str):
        raise DiapasonError("the run does not say which test rows it had", where=run.name)
    return test
