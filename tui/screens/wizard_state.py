"""What the wizard knows and has been told, and the advice and recipe that follow. No widget, no torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import DiapasonError
from core.home import expand

if TYPE_CHECKING:
    from core.advisor.lengths import Lengths
    from core.advisor.method import Plan
    from core.advisor.recommend import Advice
    from core.data.report import Report
    from core.hardware import Hardware
    from core.models import ModelInfo
    from core.origin import Origin
    from core.recipe import Recipe, RecipeField

STEPS = ("task", "approach", "data", "model", "method", "settings", "review")
TITLES = {
    "task": "What shall it learn?",
    "approach": "Should you tune at all?",
    "data": "Is the data enough?",
    "model": "Which model?",
    "method": "Which method?",
    "settings": "Which numbers?",
    "review": "Save it, start it",
}
# Fields of the recipe that a step decides: from the step after it on they stand in the recipe beside.
_DECIDES = {
    "task": ("task",),
    "data": ("data.",),
    "model": ("model",),
    "method": ("method", "start", "device", "lora.", "preference."),
    "settings": ("name", "train.", "loss.", "samples.", "evaluation."),
}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that can be chosen: what it is, or why it cannot be used."""

    name: str
    info: ModelInfo | None
    problem: str | None = None


@dataclass(slots=True)
class WizardState:
    """Answers so far. `advice` and `recipe` are made again by `update` after each change."""

    path: Path | None
    map: str | None = None
    task: str | None = None
    answers: dict[str, bool] = field(default_factory=dict[str, bool])
    validation: Path | None = None
    test: Path | None = None
    model_name: str = "starter"
    method: str | None = None
    device: str = "auto"
    edits: dict[str, str] = field(default_factory=dict[str, str])
    report: Report | None = None
    model: ModelInfo | None = None
    lengths: Lengths | None = None
    note: str | None = None
    hardware: Hardware | None = None
    candidates: list[Candidate] = field(default_factory=list[Candidate])
    plans: dict[str, Plan] = field(default_factory=dict[str, "Plan"])
    origin: Origin | None = None
    advice: Advice | None = None
    recipe: Recipe | None = None

    @property
    def task_now(self) -> str:
        """The task chosen, else the one that the file's format suggests."""
        if self.task is not None:
            return self.task
        from core.advisor.recommend import task_for

        return task_for(self.report.format if self.report else None)

    def update(self) -> None:
        """Advise and make the recipe again from what is known; both are None while the model is not."""
        self.advice = self.recipe = None
        self.plans.clear()
        if self.model is None or self.hardware is None:
            return
        self.advice = self.advice_for(self.model)
        if self.path is None:
            return
        from core.advisor.recommend import to_recipe
        from core.recipe import change_recipe

        recipe = to_recipe(
            self.advice,
            train=self.path,
            validation=self.validation,
            test=self.test,
            format=self.report.format if self.report else None,
            map=self.report.map if self.report else None,
            device=self.device,
        )
        # A person's own value may have become impossible since: it then gives way to the recommended one.
        for path, text in list(self.edits.items()):
            try:
                recipe = change_recipe(recipe, [f"{path}={text}"])
            except DiapasonError:
                del self.edits[path]
        self.recipe = recipe

    def plan_for(self, item: Candidate) -> Plan | None:
        """The method that would be recommended for the model `item`; None while that is not known."""
        if item.info is None or self.hardware is None:
            return None
        if item.name not in self.plans:
            self.plans[item.name] = self.advice_for(item.info).plan
        return self.plans[item.name]

    def advice_for(self, model: ModelInfo) -> Advice:
        """The advice for `model`, with everything else as it stands."""
        from core.advisor.approach import Answers
        from core.advisor.recommend import advise
        from core.recipe import DataRecipe

        assert self.hardware is not None
        parts = DataRecipe()
        lengths = self.lengths if self.report is not None else None
        advice = advise(
            self.task_now,
            report=self.report,
            model=model,
            hardware=self.hardware,
            lengths=lengths,
            answers=Answers(**self.answers),
            method=self.method,
            held_out=(0 if self.validation else parts.validation_fraction)
            + (0 if self.test else parts.test_fraction),
            validation=parts.validation_fraction,
            cpu=self.device == "cpu",
            origin=self.origin,
        )
        if self.note:
            advice.warnings.append(self.note)
        return advice

    def text(self, out: Path) -> str:
        """The recipe as YAML with its reasons, its files named as seen from the folder of `out`."""
        from core.advisor.recommend import recipe_text
        from core.advisor.write import as_seen_from
        from core.recipe import change_recipe

        advice, recipe = self.ready()
        data = recipe.data.model_dump()
        for part in ("train", "validation", "test"):
            if data[part]:
                data[part] = as_seen_from(out, data[part])
        shown = change_recipe(recipe, []).model_copy(update={"data": type(recipe.data)(**data)})
        return recipe_text(advice, shown)

    def ready(self) -> tuple[Advice, Recipe]:
        """Advice and recipe. Raises DiapasonError with what is still missing."""
        reason = self.why_not_ready()
        if reason or self.advice is None or self.recipe is None:
            raise DiapasonError(reason or "the recipe is not ready yet")
        return self.advice, self.recipe

    def why_not_ready(self) -> str | None:
        """What is missing before the recipe can be saved or started, or None."""
        if self.path is None:
            return "no training file is chosen yet"
        if self.report is None:
            return "the file is still being checked"
        if not self.report.rows_valid:
            return "no row of the file can be trained on"
        if self.model is None:
            return f"the model {self.model_name} cannot be used"
        return None if self.recipe else "the machine is still being measured"

    def decided(self, step: int) -> list[tuple[str, Any, bool]]:
        """(field, value, own) of each recipe field decided up to `step`; own: the person's, not the advice's."""
        if self.recipe is None:
            return []
        from core.recipe import fields

        prefixes = tuple(prefix for name in STEPS[: step + 1] for prefix in _DECIDES.get(name, ()))
        found: list[tuple[str, Any, bool]] = []
        for item in fields():
            matches = any(item.path == p or (p.endswith(".") and item.path.startswith(p)) for p in prefixes)
            if matches and self._applies(item.path):
                found.append((item.path, value_of(self.recipe, item.path), item.path in self.edits))
        return found

    # -- what the person changes --------------------------------------------------------------------------

    def answer_next(self, question: str) -> None:
        """Not said, yes, no, and round again."""
        given = self.answers.pop(question, None)
        if given is not False:
            self.answers[question] = given is None

    def usable(self, name: str) -> Candidate:
        """The candidate `name`. Raises DiapasonError where it cannot be used."""
        found = next(item for item in self.candidates if item.name == name)
        if found.info is None:
            raise DiapasonError(f"{name} cannot be used: {found.problem}")
        return found

    def choose_method(self, name: str) -> None:
        """Take the method `name`; none is on record while it is the one that would be recommended anyway."""
        self.method = None
        self.update()
        if self.advice is None or self.advice.plan.method != name:
            self.method = name

    def set_file(self, part: str, path: Path) -> None:
        """Take `path` as train, validation or test file. Raises DiapasonError where it is missing or used already."""
        locate(path)
        files = {"train": self.path, "validation": self.validation, "test": self.test}
        if any(name != part and _same(other, path) for name, other in files.items()):
            raise DiapasonError("training, validation and test must be three different files", where=str(path))
        if part == "train":
            self.path, self.map = path, None
        elif part == "validation":
            self.validation = path
        else:
            self.test = path

    def use_parts(self, parts: dict[str, Path]) -> None:
        """Take the parts that the training file brings itself, where no other file was chosen."""
        if parts and self.validation is None and self.test is None:
            self.path = parts["train"]
            self.validation, self.test = parts.get("validation"), parts.get("test")

    def file_hint(self, part: str) -> str:
        """What to begin with when a file is asked for: the file, or the folder of the training file."""
        now = {"train": self.path, "validation": self.validation, "test": self.test}[part]
        if now is None and self.path is not None:
            return f"{self.path.parent}/"
        return str(now or "")

    def field(self, path: str) -> RecipeField | None:
        """The recipe field `path`, where the settings list it."""
        return next((item for item in self.settings(expert=True) if item.path == path), None)

    def settings(self, *, expert: bool) -> list[RecipeField]:
        """The fields that the settings list: what is recommended, the name and the person's own; or all of them."""
        from core.recipe import fields

        asked = ("task", "model", "method", "data.train", "data.validation", "data.test", "data.map")
        advised = self.advice.hyperparameters if self.advice else {}
        return [
            item
            for item in fields()
            if item.path not in asked
            and self._applies(item.path)
            and (expert or item.path in advised or item.path in self.edits or item.path in ("name", "start"))
        ]

    def _applies(self, path: str) -> bool:
        """Whether the field `path` means something for the method."""
        if self.recipe is None:
            return not path.startswith("preference.")
        if path == "start" or path.startswith("preference."):
            return self.recipe.prefers
        return self.recipe.method != "full" or not path.startswith("lora.")

    def begin_with(self, start: str) -> Candidate:
        """Begin with the tuned weights that `start` names, and be tested as they were where no test file is chosen;
        gives the model that they stand on.

        Raises:
            DiapasonError: where there are none.
        """
        from core.origin import find_origin, test_file
        from core.runs.folder import find_run

        origin = find_origin(start)
        found = candidate(origin.model)
        if found.info is None:
            raise DiapasonError(f"the model of {origin.name} cannot be used: {found.problem}")
        self.origin = origin
        if self.test is None and origin.run:
            self.test = test_file(find_run(origin.run))
        if found.name not in [one.name for one in self.candidates]:
            self.candidates.append(found)
        return found

    def choices(self, path: str) -> list[str]:
        """The values that the field `path` can be cycled through; empty where there are too many."""
        item = self.field(path)
        if item is None:
            return []
        if item.type == "true or false":
            return ["true", "false"]
        return [*item.choices, *(["null"] if item.choices and item.optional else [])]

    def choose_next(self, path: str) -> None:
        """Give the field `path` its next choice."""
        _, recipe = self.ready()
        choices = self.choices(path)
        now = written(value_of(recipe, path))
        self.set_value(path, choices[(choices.index(now) + 1) % len(choices)] if now in choices else choices[0])

    def set_value(self, path: str, text: str) -> None:
        """Give the field `path` the value written in `text`. Raises UsageError where the recipe refuses it."""
        from core.recipe import change_recipe

        _, recipe = self.ready()
        change_recipe(recipe, [f"{path}={text}"])
        self.edits[path] = text


def value_of(recipe: Recipe, path: str) -> Any:
    """The value of the dotted field `path`."""
    value: Any = recipe
    for name in path.split("."):
        value = getattr(value, name)
    return value


def written(value: Any) -> str:
    """A recipe value as it is written in YAML, on one line."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[" + ", ".join(str(item) for item in value) + "]"  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, float):
        return f"{value:g}"
    return "''" if value == "" else str(value)


def _same(one: Path | None, other: Path) -> bool:
    if one is None:
        return False
    return one == other or (one.is_file() and other.is_file() and one.samefile(other))


def locate(path: Path | str) -> Path:
    """The absolute name of a data set. Raises DiapasonError where there is none."""
    from core.data.folder import read_folder
    from core.data.place import find_place

    path = expand(path)
    place = find_place(path)
    if place.kind == "folder":
        read_folder(place.path)
    return path if place.kind == "hub" else path.absolute()


def measure(
    path: Path, model: ModelInfo, format: str | None, map: str | None = None
) -> tuple[Lengths | None, str | None]:
    """Token counts of the rows, or why they cannot be counted."""
    from core.advisor.lengths import measure_lengths
    from core.chat import load_chat

    try:
        return measure_lengths(path, load_chat(model), format, map), None
    except DiapasonError as error:
        return None, f"the rows could not be measured in this model's tokens: {error.message}"


def look_around() -> tuple[Hardware, list[Candidate]]:
    """The machine, and the models that are on it: the starter and those in the Hugging Face cache."""
    from core.hardware import hardware
    from core.models import hub_cache

    names = ["starter"]
    try:
        folders = sorted(hub_cache().glob("models--*"))
    except OSError:
        folders = []
    names += [folder.name.removeprefix("models--").replace("--", "/", 1) for folder in folders]
    return hardware(), [candidate(name) for name in names]


def candidate(name: str) -> Candidate:
    """The model called `name` as a choice."""
    from core.models import find_model

    try:
        return Candidate(name, find_model(name))
    except DiapasonError as error:
        return Candidate(name, None, error.message)
