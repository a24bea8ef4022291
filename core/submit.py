"""Submit a run: what can be found wrong is found now; then the folder is written and its runner started."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.data.card import write_card
from core.data.dataset import fingerprint, open_dataset
from core.data.leaks import leaks_between
from core.data.report import check
from core.data.split import split
from core.data.stats import measure
from core.errors import DiapasonError, UsageError
from core.evaluation.arms import full_name, parse_arms
from core.evaluation.resolve import resolve
from core.files import write_atomic
from core.home import home, runs_dir
from core.mirroring import mirror_of
from core.models import ModelInfo, find_model
from core.origin import Origin, with_origin
from core.preferring import FEW_PREFERENCES, few_preferences, refuse_format, refuse_one_kind
from core.recipe import LoraRecipe, Recipe, dump_recipe, make_recipe
from core.reporting import trackers_of
from core.request import check_disk, gpu_request
from core.runs import checkpoints
from core.runs.create import Draft, create_job
from core.runs.folder import REFERENCE, START, RunFolder, find_run
from core.settings import load_settings
from core.versions import installed
from core.worker.launch import launch
from core.worker.mirror import is_command
from core.worker.queue import check_locks

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Start:
    """Where a fork begins: the run, the step and the folder of its checkpoint; reference: the run's own, where it has
    one (dpo, kto)."""

    run: str
    step: int
    checkpoint: Path
    reference: Path | None = None


def submit(
    recipe: Recipe,
    *,
    source: Path | None = None,
    text: str | None = None,
    changes: Sequence[str] = (),
    start: Start | None = None,
    tell: Tell | None = None,
    warn: Tell | None = None,
) -> RunFolder:
    """Check the recipe against its files, model and machine, write the run's folder, start its runner.

    Args:
        recipe: with absolute data paths.
        source: the file that the recipe was read from, kept as run.yaml; or `text`, its text.
        changes: what was changed of that text (``key=value``), for the record; `recipe` has it already.
        start: the checkpoint whose weights the run begins with; they are copied into its folder.
        tell: is told what is being done, one short line at a time.
        warn: is told what is doubtful but no reason to refuse; the run keeps it too (`warnings` in its spec).

    Raises:
        DiapasonError: saying what is wrong; nothing is left behind then.
    """
    say = tell or _silent
    check_locks()
    settings = load_settings()
    mirror = mirror_of(recipe.mirror, settings)
    trackers = trackers_of(recipe.report_to, settings.report_to)
    asked = recipe
    recipe, origin = with_origin(recipe)
    model = find_model(recipe.model)
    if recipe.device == "auto":
        from core.doctor import check_cuda

        if problem := check_cuda():
            raise problem
    if text is None:
        text = _read(source) if source else dump_recipe(recipe)
    name = recipe.name or Path(recipe.data.train).stem or "run"
    check_disk(recipe, model, home())
    with Draft(runs_dir(), name) as draft:
        begin = _beginning(recipe, origin, start, draft, say)
        parts, warnings = _parts(recipe, draft, say)
        warnings += _overruled(asked, recipe) + _doubts(recipe, origin, start, parts)
        warnings += _card(recipe, parts, draft, say)
        if mirror and recipe.mirror and is_command(mirror):
            # A recipe may come from somebody else.
            warnings.append(f"the recipe has this command run after each checkpoint: {mirror}")
        for line in warnings:
            (warn or _silent)(line)
        spec = {
            "kind": "train",
            "name": name,
            "created": time.time(),
            "recipe": recipe.model_dump(),
            "changes": list(changes),
            "model": _model(model),
            "data": parts,
            "warnings": warnings,
            "versions": installed(),
            "gpu_request": gpu_request(recipe, model, draft.here(Path(parts["train"]["path"]))),
            "then": [{**job, "mirror": mirror} for job in _then(recipe, parts)],
            "mirror": mirror,
            "report_to": trackers,
        }
        folder = draft.publish(spec | begin, recipe=text, notify=settings.notify.model_dump())
    say("starting the runner")
    launch(folder)
    return folder


def _beginning(recipe: Recipe, origin: Origin | None, start: Start | None, draft: Draft, say: Tell) -> dict[str, Any]:
    """Copy the weights that the run begins with, and its reference; what its spec says of them.

    ``start``: those in start/. ``reference`` (dpo, kto): of the kind ``adapter`` those in reference/, with which the
    run begins too unless it has a start; of the kind ``model`` those below its adapters. ``origin``: the run that
    `recipe.start` named.
    """
    found: dict[str, Any] = {}
    if start is not None or origin is not None:
        say("copying the weights to begin with")
    if start is not None:
        _copy_weights(start.checkpoint, draft.work / START, "Try a newer one.")
        found["start"] = {"run": start.run, "step": start.step}
    if origin is not None:
        found["origin"] = origin.to_json()
    if recipe.prefers:
        kept = start.reference if start is not None else None
        if kept is None and origin is not None and origin.kind == "adapter":
            kept = origin.folder
        if kept is not None:
            _copy_weights(kept, draft.work / REFERENCE, "Bring the start run's adapter back.")
        found["reference"] = {"kind": "adapter" if kept else "model"}
    elif origin is not None and origin.kind == "adapter":
        _copy_weights(origin.folder, draft.work / START, "Bring the start run's adapter back.")
        found["start"] = {"run": origin.run, "step": None}
    return found


def _copy_weights(source: Path, target: Path, hint: str) -> None:
    """Copy weights at once: a run that trains on removes its older checkpoints, and a run may be removed."""
    try:
        checkpoints.export(source, target)
    except OSError as error:
        raise DiapasonError(
            f"the weights cannot be copied: {error.strerror}", where=str(source), hint=hint
        ) from error


def _doubts(recipe: Recipe, origin: Origin | None, start: Start | None, parts: dict[str, Any]) -> list[str]:
    """What is doubtful about a preference training, in sentences."""
    if not recipe.prefers:
        return []
    train = parts["train"]
    found: list[str] = []
    if train["rows"] < FEW_PREFERENCES:
        found.append(few_preferences(train["rows"], recipe.method))
    if origin is None and start is None:
        found.append("no start is named: the reference is the model as it is. Tuning comes before preferences.")
    elif origin is not None and origin.kind == "model":
        found.append(
            f"all weights of `{origin.name}` were tuned: the run trains a new adapter over them, which stands on "
            f"{origin.folder}; the reference is that model."
        )
    return found


def _overruled(asked: Recipe, recipe: Recipe) -> list[str]:
    """What the start decides otherwise than the recipe that was `asked` for, in a sentence."""
    usual, wanted, taken = LoraRecipe(), asked.lora, recipe.lora
    names = [
        name
        for name in ("r", "alpha", "targets")
        if getattr(wanted, name) not in (getattr(usual, name), getattr(taken, name))
    ]
    said = ", ".join(f"lora.{name}: {getattr(taken, name)}" for name in names)
    return [f"the start's adapter decides, not the recipe: {said}"] if names else []


def submit_job(kind: str, run: RunFolder, **spec: Any) -> RunFolder:
    """Make and start a job of `run`: evaluate or generate. What `spec` leaves out is taken from the run's recipe.

    Raises:
        DiapasonError: where the run has no test rows and `spec` names none, the folder cannot be written, or the
            runner does not come up.
    """
    check_locks()
    owner = run.spec()
    parts = owner.get("data") or {}
    if "data" not in spec and not parts.get("test"):
        raise DiapasonError(
            f"the run `{run.name}` has no test rows",
            hint="Give a file that it was not trained on: `diapason evaluate RUN --data FILE`.",
        )
    usual = evaluation_spec(make_recipe(owner.get("recipe") or {}), parts | {"test": parts.get("test") or {}})
    job = create_job(run, {**usual, "mirror": owner.get("mirror"), **spec, "kind": kind})
    launch(job)
    return job


def _silent(_: str) -> None:
    pass


def _read(source: Path) -> str:
    try:
        return source.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DiapasonError("cannot read the recipe", where=str(source)) from error


def _parts(recipe: Recipe, draft: Draft, say: Tell) -> tuple[dict[str, Any], list[str]]:
    """The rows that train, choose and judge, given or split off where no file is named; and what to warn of."""
    data = recipe.data
    if not data.train:
        raise DiapasonError(
            "the recipe names no training file",
            where="data.train",
            hint="`diapason recipe new FILE -o run.yaml` writes a recipe.",
        )
    given = {"train": data.train, "validation": data.validation, "test": data.test}
    parts: dict[str, Any] = {"train": None, "validation": None, "test": None}
    warnings: list[str] = []
    for role, path in given.items():
        if path:
            say(f"reading the {role} rows")
            format, map = data.format, data.map
            if role == "test" and recipe.prefers and (own := open_dataset(path).format):
                # What is asked in the test need not be judged answers.
                format, map = own, None
            parts[role], lost = _part(Path(path), format, map, role, recipe.method if role == "train" else None)
            warnings += lost
    _refuse_copies(parts)
    warnings += _leakage(parts, say)
    shares = {
        "validation": 0.0 if data.validation else data.validation_fraction,
        "test": 0.0 if data.test else data.test_fraction,
    }
    if not any(shares.values()):
        return parts, warnings
    say("splitting off what chooses and what judges")
    format = parts["train"]["format"]
    result = split(
        Path(data.train),
        draft.work / "data",
        validation=shares["validation"],
        test=shares["test"],
        seed=data.split_seed,
        format=format,
        map=data.map,
        hint=_split_hint([role for role, share in shares.items() if share]),
    )
    origin = parts["train"]
    for role, path in (("train", result.train), ("validation", result.validation), ("test", result.test)):
        if path is not None and (role == "train" or shares[role]):
            rows = result.counts.get(role, 0)
            part = {**fingerprint(path), "format": format, "map": data.map, "rows": rows}
            parts[role] = {
                **part,
                "path": str(draft.final / path.relative_to(draft.work)),
                "split_from": origin["path"],
            }
    parts["origin"] = origin
    if parts["train"]["rows"] == 0:
        raise DiapasonError(
            "the split leaves no training rows",
            where=data.train,
            hint="Lower data.validation_fraction and data.test_fraction, or give more rows.",
        )
    return parts, warnings


def _card(recipe: Recipe, parts: dict[str, Any], draft: Draft, say: Tell) -> list[str]:
    """Keep the data card of the training file with the run; a line on what it lacks where somebody has begun it."""
    say("writing the data card")
    data = recipe.data
    report = check(data.train, format=data.format, map=data.map, near=None, languages=False)
    stats = measure(data.train, data.format, data.map)
    rows = {role: parts[role]["rows"] for role in ("train", "validation", "test") if parts[role]}
    try:
        text = write_card(data.train, report, stats, rows)
    except UsageError as error:
        return [f"no data card: {error}"]
    folder = draft.work / "data"
    folder.mkdir(exist_ok=True)
    write_atomic(folder / "card.md", text)
    return [finding.message for finding in report.findings if finding.code == "card_incomplete"]


def _split_hint(roles: Sequence[str]) -> str:
    """What to do in the recipe where `roles` cannot be split off the training rows."""
    files = " and ".join(f"data.{role}" for role in roles)
    none = " and ".join(f"data.{role}_fraction: 0" for role in roles)
    return f"Add rows, name files of their own ({files}), or split off nothing ({none} in the recipe)."


def _leakage(parts: dict[str, Any], say: Tell) -> list[str]:
    """Note beside each part which of its prompts an earlier part has too; one line for each kind of them."""
    warnings: list[str] = []
    for role, others in (("validation", ("train",)), ("test", ("train", "validation"))):
        for other in others if parts[role] else ():
            if not parts[other]:
                continue
            say(f"looking for {role} prompts among the {other} rows")
            one, two = parts[role], parts[other]
            found = leaks_between(
                Path(one["path"]), Path(two["path"]), one["format"], two["format"], one["map"], two["map"]
            )
            one.setdefault("leakage", []).extend({"against": other, **leak.to_json()} for leak in found)
            warnings += [f"the {role} file leaks: {leak.message}" for leak in found]
    return warnings


def _part(
    path: Path, format: str | None, map: str | None, role: str, method: str | None = None
) -> tuple[dict[str, Any], list[str]]:
    """The fingerprint, format, map and number of usable rows of a file, and a sentence on those that are not.

    Raises:
        DiapasonError: where it has no usable row, or, with the `method` that is to learn from it, rows of a format or
            of verdicts that this cannot.
    """
    dataset = open_dataset(path, format, map)
    if method:
        refuse_format(method, dataset.format, path)
    codes, messages, first = Counter[str](), dict[str, str](), ""
    usable, verdicts = 0, set[bool | None]()
    for row in dataset:
        if row.example is not None:
            usable += 1
            verdicts.add(row.example.verdict)
            continue
        for finding in row.findings:
            codes[finding.code] += 1
            messages.setdefault(finding.code, finding.message)
        first = first or f"{path}:{row.line}" + (f": {row.findings[0].message}" if row.findings else "")
    if not usable:
        worst = "; ".join(f"{code} ({count} x): {messages[code]}" for code, count in codes.most_common(3))
        raise DiapasonError(
            f"the {role} file has no usable row" + (f": {worst}" if worst else ""),
            where=str(path),
            hint=f"`diapason data check {path}` shows every finding and what to do.",
        )
    if method == "kto":
        refuse_one_kind(verdicts, path)
    lost = len(dataset) - usable
    told = [f"{lost:,} of {len(dataset):,} {role} rows cannot be used and are left out, the first is {first}"]
    return {**fingerprint(path), "format": dataset.format, "map": map, "rows": usable}, told if lost else []


def _refuse_copies(parts: dict[str, Any]) -> None:
    seen: dict[str, str] = {}
    for role in ("train", "validation", "test"):
        if parts[role] is None:
            continue
        other = seen.setdefault(parts[role]["sha256"], role)
        if other != role:
            raise DiapasonError(
                f"the {role} file holds the same bytes as the {other} file",
                where=parts[role]["path"],
                hint=f"Leave data.{role} out: a part of the training rows is then split off.",
            )


def _model(model: ModelInfo) -> dict[str, Any]:
    return {
        "name": model.name,
        "path": str(model.path),
        "architecture": model.architecture,
        "parameters": model.parameters,
    }


def _then(recipe: Recipe, parts: dict[str, Any]) -> list[dict[str, Any]]:
    """The jobs that follow when the training is completed. Raises DiapasonError where an arm cannot be had."""
    if not recipe.evaluation.after_training or not parts["test"] or not parts["test"]["rows"]:
        return []
    spec = evaluation_spec(recipe, parts)
    arms = resolve(parse_arms(spec["arms"]), None, parts["test"]["format"])
    return [{**spec, "arms": [full_name(arm) for arm in arms]}]


def _before(recipe: Recipe) -> list[str]:
    """The arm of the run that a preference training began with: what its own is to be compared with."""
    if not recipe.prefers or not recipe.start or "/" in recipe.start:
        return []
    try:
        return [f"run:{find_run(recipe.start).id}"]
    except DiapasonError:
        # Whoever removed it wants the others measured all the same.
        return []


def evaluation_spec(recipe: Recipe, parts: dict[str, Any]) -> dict[str, Any]:
    """The spec of the job that evaluates a run of `recipe` on the test part of `parts` (its spec's ``data``)."""
    wanted = recipe.evaluation
    # A plain text has no question that examples could stand before.
    shots = [f"few-shot:{wanted.few_shot}"] if wanted.few_shot and parts["test"].get("format") != "text" else []
    return {
        "kind": "evaluate",
        "arms": wanted.arms or ["base", *(_before(recipe) or shots), "tuned"],
        "data": {
            role: {name: parts[role].get(name) for name in ("path", "format", "map")} for role in ("test", "train")
        },
        "max_rows": wanted.max_rows,
        "max_new_tokens": wanted.max_new_tokens,
        "batch_size": wanted.batch_size,
        "temperature": wanted.temperature,
        "top_p": wanted.top_p,
        "metrics": wanted.metrics,
        "primary": wanted.primary,
        "general": wanted.general,
        "rag": {
            "top_k": wanted.rag_top_k,
            "chunk_size": wanted.rag_chunk_size,
            "chunk_overlap": wanted.rag_chunk_overlap,
            "template": wanted.rag_template,
        },
        "seed": recipe.data.split_seed,
        "task": recipe.task,
    }
