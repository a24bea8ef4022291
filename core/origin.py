"""What a recipe's `start:` names: the tuned weights of a run, or an adapter's folder, that a training begins with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.data.dataset import open_dataset
from core.errors import DiapasonError, UsageError
from core.files import read_json
from core.home import expand
from core.models import STARTER, find_model
from core.recipe import LoraRecipe, Recipe, make_recipe
from core.runs.folder import RunFolder, find_run

_SETTINGS = "adapter_config.json"


@dataclass(frozen=True, slots=True)
class Origin:
    """Tuned weights to begin with.

    Attributes:
        run: the id of the run that they are of, None for an adapter from elsewhere.
        name: what a person calls it.
        kind: ``adapter``, or ``model`` where all weights were tuned.
        folder: where the weights lie.
        model: the model below an adapter, or `folder` itself.
        quantised: whether the run held its frozen weights in 4 bits.
        lora: rank, alpha and targets of the adapter.
    """

    run: str | None
    name: str
    kind: str
    folder: Path
    model: str
    quantised: bool = False
    lora: dict[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """What the spec of a run keeps of it."""
        return {"run": self.run, "name": self.name, "kind": self.kind, "folder": str(self.folder)}


def find_origin(text: str) -> Origin:
    """The origin called `text`: an adapter's folder, a run's folder, or a run by id, prefix, name or ``last``.

    Raises:
        DiapasonError: where there is none, or it has no tuned weights.
    """
    folder = expand(text)
    if (folder / _SETTINGS).is_file():
        settings = _settings(folder)
        base = str(settings.get("base_model_name_or_path") or "")
        return Origin(None, text, "adapter", folder.absolute(), _named(base), lora=_lora(settings, folder))
    run = RunFolder(folder) if (folder / "spec.json").is_file() else find_run(text)
    spec = run.spec()
    recipe = make_recipe(spec.get("recipe") or {}, str(run.spec_file))
    whole = recipe.method == "full"
    weights = run.path / ("model" if whole else "adapter")
    if not any(weights.glob("*.safetensors")):
        raise DiapasonError(
            "has no tuned weights to begin with",
            where=run.name,
            hint="Wait until it is completed, or stop it: what it has learned by then is kept.",
        )
    if whole:
        return Origin(run.id, run.name, "model", weights, str(weights))
    model = spec.get("model") or {}
    base = str(model.get("path") or recipe.model)
    lora = _lora(_settings(weights), weights)
    return Origin(
        run.id, run.name, "adapter", weights, _named(base, str(model.get("name") or "")), recipe.quantises, lora
    )


def with_origin(recipe: Recipe) -> tuple[Recipe, Origin | None]:
    """`recipe` with what its start decides (model, adapter, 4-bit weights) filled in, and the start itself.

    Raises:
        UsageError: where the recipe asks for what the start cannot be.
        DiapasonError: as `find_origin`.
    """
    if not recipe.start:
        return recipe, None
    try:
        origin = find_origin(recipe.start)
    except DiapasonError as error:
        where = f"start, {error.where}" if error.where else "start"
        raise DiapasonError(error.message, where=where, hint=error.hint) from error
    if recipe.model != "starter" and not _same(recipe.model, origin.model):
        raise UsageError(
            f"`{origin.name}` was tuned over {origin.model}, and this recipe names {recipe.model}",
            where="model",
            hint="Leave `model` out: the start brings its own.",
        )
    if recipe.method == "full" and origin.kind == "adapter":
        raise UsageError(
            f"`{origin.name}` is an adapter, and `method: full` begins with whole weights",
            where="start",
            hint="Use method: lora, which trains the adapter on.",
        )
    # An id stays right where a name may come to mean another run.
    changes: dict[str, Any] = {"model": origin.model, "start": origin.run or str(origin.folder)}
    if origin.lora is not None:
        changes["lora"] = recipe.lora.model_copy(update=origin.lora)
    if recipe.prefers and recipe.preference.load_in_4bit is None:
        changes["preference"] = recipe.preference.model_copy(update={"load_in_4bit": origin.quantised})
    return recipe.model_copy(update=changes), origin


def test_file(run: RunFolder) -> Path | None:
    """The test file of `run`, for a training that begins with it: what is split off preference rows asks what their
    start was trained on. None where it is gone, or its layout shows only by a map of its fields, which cannot stand
    beside judged rows in one recipe."""
    part = (run.spec().get("data") or {}).get("test")
    path = Path(part["path"]) if isinstance(part, dict) and part.get("path") else None
    return path if path is not None and path.is_file() and open_dataset(path).format is not None else None


def _named(base: str, name: str = "") -> str:
    """What to call the model in the folder `base`: `name` or ``starter`` where that is it, else the folder."""
    if name and not Path(name).is_absolute() and _same(name, base):
        return name
    return "starter" if base and Path(base) == STARTER else base


def _same(one: str, other: str) -> bool:
    if one == other:
        return True
    try:
        return find_model(one).path.resolve() == find_model(other).path.resolve()
    except DiapasonError:
        return False


def _settings(folder: Path) -> dict[str, Any]:
    settings = read_json(folder / _SETTINGS)
    if not isinstance(settings, dict):
        raise DiapasonError("is missing or damaged", where=str(folder / _SETTINGS))
    return settings


def _lora(settings: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The recipe's fields for an adapter. Raises DiapasonError for one of another kind than LoRA."""
    if settings.get("peft_type") != "LORA":
        raise DiapasonError(
            f"is an adapter of the kind {settings.get('peft_type')}; LoRA ones can be trained on", where=str(folder)
        )
    targets = settings.get("target_modules")
    # PEFT writes the layers that all-linear meant: a pattern stays one.
    named = sorted(targets) if isinstance(targets, list) else str(targets or LoraRecipe().targets)
    found: dict[str, Any] = {"r": settings.get("r"), "alpha": settings.get("lora_alpha"), "targets": named}
    try:
        LoraRecipe(**found)
    except ValueError as error:
        raise DiapasonError("holds no LoRA settings that can be read", where=str(folder / _SETTINGS)) from error
    return found
