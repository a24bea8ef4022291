"""Write a recipe for a file: look, advise, and put the reasons in as comments."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from core.advisor.consult import consult
from core.advisor.recommend import Advice, recipe_text, to_recipe
from core.data.dataset import open_dataset
from core.data.own_parts import own_parts
from core.data.place import STDIN, is_hub_id
from core.data.report import Report
from core.errors import DiapasonError, UsageError
from core.files import write_atomic
from core.home import expand
from core.origin import find_origin, test_file
from core.preferring import refuse_format
from core.recipe import PREFERENCE_METHODS, DataRecipe, Recipe, resolve_paths
from core.runs.folder import find_run


@dataclass(frozen=True, slots=True)
class Written:
    """A recipe, its YAML, and the advice it follows from."""

    recipe: Recipe
    text: str
    advice: Advice


def new_recipe(
    train: Path | str,
    out: Path,
    *,
    validation: Path | str | None = None,
    test: Path | str | None = None,
    model: str = "starter",
    task: str | None = None,
    method: str | None = None,
    format: str | None = None,
    map: str | None = None,
    name: str = "",
    start: str | None = None,
) -> Written:
    """The recipe for `train`, to be saved as `out`: file names are written as seen from its folder.

    Where `train` brings validation or test parts of its own, they are used for what is not given. `start` names the
    run or the adapter's folder to begin with; of a training on judged answers that run's test file is the default.

    Raises:
        UsageError: where two parts are the same file, or `method` cannot learn from rows of their format.
        DiapasonError: where a file cannot be read or has no usable row, or the model is not found.
    """
    if STDIN in (str(train), str(validation), str(test)):
        raise UsageError("a recipe cannot name the standard input", where="-", hint="Save the data to a file first.")
    own = own_parts(train)
    train = own.get("train", train)
    validation, test = validation or own.get("validation"), test or own.get("test")
    if test is None and start and _prefers(train, method, format, map) and (origin := find_origin(start)).run:
        test = test_file(find_run(origin.run))
    parts = DataRecipe(
        train=as_seen_from(out, train),
        validation=as_seen_from(out, validation) if validation else None,
        test=as_seen_from(out, test) if test else None,
    )
    for part in (validation, test):
        if part:
            open_dataset(part, format, map)
    found = consult(train, task=task, model=model, method=method, format=format, map=map, data=parts, start=start)
    report = found.report
    if report is None or not report.rows_valid or report.format is None:
        raise _nothing_to_train_on(report, train)
    if method:
        refuse_format(method, report.format, train)
    recipe = to_recipe(
        found.advice,
        train=parts.train,
        validation=parts.validation,
        test=parts.test,
        format=report.format,
        map=report.map,
        name=name,
    )
    if start is None and model != "starter" and expand(model).exists():
        # A bare name would read as a hub id: a folder is written as a path.
        recipe = recipe.model_copy(update={"model": _as_path(as_seen_from(out, model))})
    resolve_paths(recipe, out.absolute().parent)
    return Written(recipe, recipe_text(found.advice, recipe), found.advice)


def _prefers(train: Path | str, method: str | None, format: str | None, map: str | None) -> bool:
    """Whether the rows of `train` will be learned from as judged answers: so `method` says, else their format."""
    if method is not None:
        return method in PREFERENCE_METHODS
    return open_dataset(train, format, map).format in ("preference", "kto")


def _nothing_to_train_on(report: Report | None, train: Path | str) -> DiapasonError:
    """Why there is no row; an unknown layout with its fields, and the map that would perhaps fit."""
    unknown = next((item for item in report.findings if item.code == "unknown_format"), None) if report else None
    if unknown:
        return DiapasonError(
            f"no row of this file can be trained on: {unknown.message}", where=str(train), hint=unknown.hint
        )
    return DiapasonError(
        "no row of this file can be trained on",
        where=str(train),
        hint=f"`diapason data check {train}` says why, line by line.",
    )


def as_seen_from(out: Path, file: Path | str) -> str:
    """`file` relative to the folder of `out` where it lies in or below it, else absolute; a hub id as it is."""
    if is_hub_id(str(file)):
        return str(file)
    path = expand(file).absolute()
    folder = expand(out).absolute().parent
    try:
        return str(path.relative_to(folder))
    except ValueError:
        return str(path)


def _as_path(name: str) -> str:
    return name if name.startswith(("/", "./", "../")) else f"./{name}"


def save_recipe(out: Path, text: str) -> None:
    """Write `text` to `out`, whole or not at all. Raises UsageError where the folder is missing or read-only."""
    try:
        write_atomic(out, text, mode=0o666)
    except (OSError, UnicodeEncodeError) as error:
        reason = getattr(error, "strerror", None) or "the name is not text"
        raise UsageError(f"cannot write the recipe: {reason}", where=str(out), hint="Give another -o.") from error
