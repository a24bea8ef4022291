"""Before a run goes on: whether the recipe, the data and the packages are still those that it was trained with."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core import yaml_text
from core.data.dataset import fingerprint
from core.errors import DiapasonError
from core.files import read_json
from core.recipe import change_recipe, make_recipe
from core.runs import checkpoints
from core.runs.folder import RunFolder
from core.versions import changes, installed
from core.worker import recover


class Differs(DiapasonError):
    """The run would not go on as the same training; a person may want it to all the same."""


@dataclass(slots=True)
class Differences:
    """What is not as it was. `refused`: a training that went on would be another one; `warnings`: it may differ.
    `settings`: what run.yaml says now and the run does not do, as KEY=VALUE."""

    refused: list[str] = field(default_factory=list[str])
    warnings: list[str] = field(default_factory=list[str])
    settings: list[str] = field(default_factory=list[str])


def resume(folder: RunFolder, *, force: bool = False) -> list[str]:
    """Let a run go on, as `core.worker.recover.resume`; gives what is worth a warning.

    Args:
        force: go on although something differs.

    Raises:
        Differs: where something differs, with all of it.
        DiapasonError: as `recover.resume`.
    """
    found = differences(folder)
    if found.refused and not force:
        settings = "".join(f" --set {each}" for each in found.settings)
        raise Differs(
            "this run would not go on as the same training:\n" + "\n".join(f"  {line}" for line in found.refused),
            hint=f"`diapason fork {folder.id}{settings}` starts a new run from its last checkpoint; `diapason resume "
            "RUN --force` goes on by the recipe that it was submitted with.",
        )
    recover.resume(folder, force=force)
    return found.refused + found.warnings


def differences(folder: RunFolder) -> Differences:
    """What has changed since the run was last trained. Jobs of a run (evaluate …) are not compared."""
    found = Differences()
    if folder.kind != "train" or folder.parent is not None:
        return found
    spec = folder.spec()
    for name, used, now in _recipe(folder, spec):
        found.refused.append(f"run.yaml: {name} was {used} and is {now} now")
        found.settings.append(f"{name}={json.dumps(now, ensure_ascii=False)}")
    found.refused += _data(spec)
    major, smaller = changes(_versions(folder, spec), installed())
    found.refused += major
    found.warnings += smaller
    return found


def _recipe(folder: RunFolder, spec: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    """(field, value used, value now) of what somebody has changed in run.yaml since it was submitted."""
    try:
        values, _ = yaml_text.parse(folder.recipe_file.read_text("utf-8"), str(folder.recipe_file))
        recipe = change_recipe(make_recipe(values or {}, str(folder.recipe_file)), spec.get("changes") or [])
    except (OSError, UnicodeDecodeError, DiapasonError):
        # The run goes by its spec.json; what cannot be read says nothing.
        return []
    # Where things lie was resolved when the run was submitted, and what its start brings; what was submitted is in
    # spec.json.
    now, used = _flat(recipe.model_dump()), _flat(spec.get("recipe") or {})
    settled = {"data", "model", "name", "start"} | ({"lora", "preference.load_in_4bit"} if recipe.start else set())
    names = [name for name in used if name in now and not {name, name.partition(".")[0]} & settled]
    return [(name, used[name], now[name]) for name in names if now[name] != used[name]]


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{prefix}{key}.")
        else:
            found[prefix + key] = value
    return found


def _data(spec: dict[str, Any]) -> list[str]:
    found: list[str] = []
    for role in ("train", "validation"):
        part = (spec.get("data") or {}).get(role)
        if not isinstance(part, dict) or not part.get("sha256"):
            continue
        try:
            if fingerprint(Path(str(part["path"])))["sha256"] != part["sha256"]:
                found.append(f"the {role} file {part['path']} has changed")
        except DiapasonError as error:
            found.append(f"the {role} file {part['path']}: {error.message}")
    return found


def _versions(folder: RunFolder, spec: dict[str, Any]) -> dict[str, str]:
    """The versions that the newest checkpoint was made with, else those of the submission."""
    for step in reversed(checkpoints.steps(folder.checkpoints)):
        manifest = read_json(checkpoints.at(folder.checkpoints, step) / checkpoints.MANIFEST)
        if isinstance(manifest, dict) and isinstance(manifest.get("versions"), dict):
            return manifest["versions"]
    versions = spec.get("versions")
    return versions if isinstance(versions, dict) else {}
