"""The recipe: all that decides a run, one pydantic model to and from YAML.

Each field is declared once here (type, default, range, help, source); the command line, the wizard and the
help read it from the model.
"""

from __future__ import annotations

import types
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator

from core import yaml_text
from core.errors import UsageError
from core.home import expand
from core.recipe_problems import no_booleans, problems
from core.reporting import Tracker, split_names

Task = Literal["style", "classification", "extraction", "complex", "generation", "code", "domain", "preference"]
Format = Literal["alpaca", "chat", "prompt-completion", "sharegpt", "preference", "kto", "classification", "text"]
Method = Literal["lora", "qlora", "full", "dpo", "kto"]
TASKS: tuple[str, ...] = get_args(Task)
FORMATS: tuple[str, ...] = get_args(Format)
METHODS: tuple[str, ...] = get_args(Method)
#: Those that learn from judged answers: an adapter is trained against a frozen reference.
PREFERENCE_METHODS = ("dpo", "kto")
TUNING_METHODS = tuple(name for name in METHODS if name not in PREFERENCE_METHODS)
# What these train with where the recipe says nothing else. One epoch, and a rate far below that of tuning: the DPO
# paper's is 1e-6 for all weights (arxiv.org/abs/2305.18290, appendix B); adapters take more.
_PREFERENCE_DEFAULTS = {"epochs": 1.0, "learning_rate": 5e-6}
MAX_SEED = 2**32 - 1  # NumPy's legacy generator, which the trainer seeds too, takes 32 bits.


def _field(default: Any, help: str, *, source: str = "", expert: bool = False, **limits: Any) -> Any:
    """One recipe field: its default, its help, the source of the default, and its limits."""
    return Field(default, description=help, json_schema_extra={"source": source, "expert": expert}, **limits)


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", validate_assignment=True, validate_default=True, allow_inf_nan=False)

    _whole = model_validator(mode="before")(no_booleans)


class DataRecipe(_Section):
    """Which rows train, which choose the checkpoint, which judge."""

    train: str = _field("", "Training file: JSONL, a JSON array, CSV or text.")
    validation: str | None = _field(None, "Validation file; without one, a part of the training file is split off.")
    test: str | None = _field(None, "Test file; without one, a part of the training file is split off.")
    format: Format | None = _field(None, "Layout of the rows; recognised from the file where it is not given.")
    map: str | None = _field(None, "Which field is which, where names are unusual: prompt=premise,completion=target.")
    validation_fraction: float = _field(0.1, "Share of prompts split off for validation.", ge=0, lt=0.5)
    test_fraction: float = _field(0.1, "Share of prompts split off for the test.", ge=0, lt=0.5)
    split_seed: int = _field(0, "Seed of the split.", ge=0, le=MAX_SEED)

    @field_validator("map")
    @classmethod
    def _readable_map(cls, value: str | None) -> str | None:
        if not value:
            return None
        from core.data.mapping import parse_map

        try:
            return str(parse_map(value))
        except UsageError as error:
            raise ValueError(f"is no map: {error.message}") from error


class LoraRecipe(_Section):
    """Low-rank adapters (arxiv.org/abs/2106.09685)."""

    r: int = _field(16, "Rank of the adapters.", source="guide E: 16; 8 small, 32-64 large", ge=1, le=512)
    alpha: int = _field(32, "Scale of the adapters, twice the rank as a rule.", source="guide E: alpha = 2r", ge=1)
    dropout: float = _field(0.05, "Dropout on the adapters' input.", source="guide E: 0.05-0.1", ge=0, lt=1)
    targets: str | list[str] = _field(
        "all-linear", "Layers that get an adapter: all-linear, or a list of module names.",
        source="TRL's LoRA page: all-linear beats attention only",
    )  # fmt: skip


class TrainRecipe(_Section):
    """How the weights move."""

    learning_rate: float = _field(2e-4, "Peak learning rate.", source="guide E: 1e-4 to 3e-4 for LoRA", gt=0, le=1)
    epochs: float = _field(3.0, "Passes over the training rows.", source="Unsloth's guide: 1-3", gt=0, le=1000)
    max_steps: int = _field(-1, "Stop after this many optimizer steps; -1: after the epochs.", ge=-1)
    micro_batch_size: int = _field(4, "Rows that go through the model at once on one device.", ge=1, le=4096)
    accumulation: int = _field(
        4, "Micro-batches an optimizer step; the effective batch is micro_batch_size x accumulation x gpus.", ge=1
    )
    parallel: Literal["ddp", "fsdp"] = _field(
        "ddp", "How several GPUs work together. ddp: each holds the whole model; fsdp (FSDP2): each holds a part of "
        "weights, gradients and optimizer state.", source="PyTorch: ddp while the model fits on one GPU", expert=True,
    )  # fmt: skip
    max_length: int = _field(1024, "Tokens a row is cut at.", source="TRL's default", ge=8, le=1_000_000)
    warmup: float = _field(0.1, "Share of the steps (below 1), or steps, of warm-up.", source="guide E: 10 %", ge=0)
    schedule: Literal["cosine", "linear", "constant", "constant_with_warmup"] = _field(
        "cosine", "Learning rate schedule.", source="guide E", expert=True
    )
    weight_decay: float = _field(0.01, "Weight decay.", source="guide E", expert=True, ge=0, le=1)
    max_grad_norm: float = _field(1.0, "Gradient norm is clipped at this.", source="guide E", expert=True, gt=0)
    optimizer: Literal["adamw_torch", "adamw_torch_fused", "adamw_8bit", "paged_adamw_8bit"] = _field(
        "adamw_torch", "Optimizer.", expert=True
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = _field(
        "auto", "Type of the frozen weights and of autocast; auto: bfloat16 on a card that has it, else float32.",
        expert=True,
    )  # fmt: skip
    gradient_checkpointing: bool = _field(False, "Compute activations twice instead of keeping them.", expert=True)
    packing: bool = _field(False, "Put several rows in one sequence (bfd, documents isolated).", expert=True)
    seed: int = _field(0, "Seed of adapters, order and dropout.", ge=0, le=MAX_SEED)
    eval_every: int = _field(
        0, "Steps between evaluations on the validation rows; 0: ten a run, fewer where they would take long.", ge=0
    )
    early_stopping: int = _field(
        0, "Evaluations in a row above the best by more than one paired standard error that end it; 0: never.", ge=0
    )
    save_every: int = _field(0, "Steps between checkpoints; 0: as eval_every, or ten a run.", ge=0)
    keep_checkpoints: int = _field(3, "Last checkpoints kept, beside the best.", source="guide E: 3", ge=1)
    log_every: int = _field(1, "Steps between logged losses.", ge=1, expert=True)

    @field_validator("max_steps")
    @classmethod
    def _some_steps(cls, value: int) -> int:
        if value == 0:
            raise ValueError("must be at least 1, or -1 for no limit")
        return value

    @field_validator("warmup")
    @classmethod
    def _share_or_steps(cls, value: float) -> float:
        if value >= 1 and value != int(value):
            raise ValueError("must be a share below 1, or a whole number of steps")
        return value


class LossRecipe(_Section):
    """Which tokens carry loss."""

    on: Literal["all-answers", "last-answer", "everything"] = _field(
        "all-answers", "Tokens that carry loss: every assistant turn, the last only, or every token."
    )


class PreferenceRecipe(_Section):
    """Training on judged answers: dpo (arxiv.org/abs/2305.18290), or kto (arxiv.org/abs/2402.01306)."""

    beta: float = _field(
        0.1, "How closely the model keeps to its reference: the higher, the closer.",
        source="both papers; TRL's default", gt=0, le=10,
    )  # fmt: skip
    load_in_4bit: bool | None = _field(
        None, "Frozen weights in 4 bits, as with qlora; null: as the start run has them, else no.", expert=True
    )
    desirable_weight: float = _field(
        1.0, "kto: weight of the good answers' loss; with 4 bad for each good one about 4.",
        source="KTO paper, eq. 8", expert=True, gt=0,
    )  # fmt: skip
    undesirable_weight: float = _field(
        1.0, "kto: weight of the bad answers' loss.", source="KTO paper, eq. 8", expert=True, gt=0
    )


class SamplesRecipe(_Section):
    """Answers to a few validation prompts, written at each evaluation so that one sees it learn."""

    count: int = _field(3, "Validation prompts answered at each evaluation; 0: none.", ge=0, le=50)
    max_new_tokens: int = _field(96, "Longest sample answer, in tokens.", ge=1, le=4096)


class EvaluationRecipe(_Section):
    """What is measured on the test rows once training is done."""

    after_training: bool = _field(True, "Evaluate on the test rows as soon as training is completed.")
    arms: list[str] | None = _field(
        None, "What answers: base, few-shot:K, bm25:K, rag:FOLDER, rag-tuned:FOLDER, tuned, checkpoint:STEP, run:ID, "
        "endpoint:URL#MODEL; null: base, the few-shot base and tuned.",
    )  # fmt: skip
    few_shot: int = _field(
        5, "Training examples in the prompt of the few-shot base, where arms is null.", ge=0, le=64
    )
    metrics: list[str] | None = _field(None, "What is measured; null: what suits the task and the rows.")
    primary: str | None = _field(None, "The metric that decides, named beforehand; null: the task's.")
    general: bool | None = _field(
        None, "Ask base and tuned general questions too, to see what was forgotten; null: where that is the smaller "
        "part of the work.", expert=True,
    )  # fmt: skip
    max_new_tokens: int = _field(128, "Longest answer, in tokens.", ge=1, le=8192)
    max_rows: int = _field(200, "Test rows used at most, drawn by seed; 0: all.", ge=0)
    batch_size: int = _field(32, "Answers generated at once.", ge=1, le=1024, expert=True)
    temperature: float = _field(
        0.0, "Of all arms' answers; 0: greedy, the likeliest token each time.", ge=0, le=2, expert=True
    )
    top_p: float = _field(
        1.0, "Share of the probability that tokens are drawn from, where the temperature is above 0.",
        source="arxiv.org/abs/1904.09751", gt=0, le=1, expert=True,
    )  # fmt: skip
    rag_top_k: int = _field(4, "Pieces of documents in the prompt of a rag arm.", ge=1, le=64, expert=True)
    rag_chunk_size: int = _field(256, "Tokens of such a piece, at most.", ge=16, le=8192, expert=True)
    rag_chunk_overlap: int = _field(32, "Tokens that a piece shares with the one before it.", ge=0, expert=True)
    rag_template: str | None = _field(
        None, "The question of a rag arm, with {context} and {question}; null: the template that ships.", expert=True
    )

    @field_validator("arms")
    @classmethod
    def _readable_arms(cls, value: list[str] | None) -> list[str] | None:
        from core.evaluation.arms import parse_arms

        try:
            return value if value is None or parse_arms(value) else None
        except UsageError as error:
            raise ValueError(f"{error.message}. {error.hint or ''}".strip()) from error

    @field_validator("rag_template")
    @classmethod
    def _whole_template(cls, value: str | None) -> str | None:
        from core.evaluation.retrieval import check_template

        try:
            return check_template(value) if value else None
        except UsageError as error:
            raise ValueError(error.message) from error

    @field_validator("rag_chunk_overlap")
    @classmethod
    def _less_than_a_chunk(cls, value: int, info: ValidationInfo) -> int:
        if value > info.data.get("rag_chunk_size", value * 2) // 2:
            raise ValueError("must be at most half of rag_chunk_size")
        return value


class Recipe(_Section):
    """All that decides a run."""

    name: str = _field("", "Name of the run; the training file's where it is empty.", max_length=80)
    task: Task = _field("style", "What the model shall learn; sets the data sizes asked for and the metrics.")
    model: str = _field("starter", "Model: a folder, a Hugging Face hub id, or starter, the bundled tiny one.")
    method: Method = _field("lora", "lora: adapters; qlora: adapters over 4-bit weights; full: all weights; dpo, "
                            "kto: adapters that learn from judged answers.",
                            source="guide E: LoRA or QLoRA for 90-95 % of cases")  # fmt: skip
    start: str | None = _field(
        None, "The run whose tuned weights it begins with (id or name), or an adapter's folder; for dpo and kto they "
        "are the reference too, and model and lora are theirs.",
    )  # fmt: skip
    device: Literal["auto", "cpu"] = _field("auto", "auto: a GPU where one is free; cpu: never a GPU.")
    gpus: int = _field(
        1, "GPUs of this machine that train together, one process each; with device: cpu, processes.", ge=1, le=64
    )
    mirror: str | None = _field(
        None, "Where the run is copied after each checkpoint: a folder, HOST:/PATH, a command with {run} and {id}; "
        "off: nowhere; null: as $DIAPASON_HOME/settings.yaml says.", expert=True,
    )  # fmt: skip
    report_to: list[Tracker] | None = _field(
        None, "Where losses and speed are reported to, one or a list: tensorboard, wandb, trackio; none: nowhere; "
        "null: as $DIAPASON_HOME/settings.yaml says.", expert=True,
    )  # fmt: skip
    data: DataRecipe = Field(default_factory=DataRecipe)
    lora: LoraRecipe = Field(default_factory=LoraRecipe)
    train: TrainRecipe = Field(default_factory=TrainRecipe)
    loss: LossRecipe = Field(default_factory=LossRecipe)
    preference: PreferenceRecipe = Field(default_factory=PreferenceRecipe)
    samples: SamplesRecipe = Field(default_factory=SamplesRecipe)
    evaluation: EvaluationRecipe = Field(default_factory=EvaluationRecipe)

    _trackers = field_validator("report_to", mode="before")(split_names)

    @property
    def prefers(self) -> bool:
        """Whether it learns from judged answers (dpo, kto)."""
        return self.method in PREFERENCE_METHODS

    @property
    def quantises(self) -> bool:
        """Whether the frozen weights are held in 4 bits."""
        return self.method == "qlora" or (self.prefers and bool(self.preference.load_in_4bit))

    @model_validator(mode="before")
    @classmethod
    def _gentle(cls, values: Any) -> Any:
        if not isinstance(values, dict) or values.get("method") not in PREFERENCE_METHODS:
            return values
        train = values.get("train") or {}
        return {**values, "train": {**_PREFERENCE_DEFAULTS, **train}} if isinstance(train, dict) else values

    @model_validator(mode="after")
    def _can_prefer(self) -> Recipe:
        if not self.prefers:
            return self
        for found, reason in (
            (self.train.packing, "cannot pack rows: set train.packing: false"),
            (self.train.parallel == "fsdp", "trains with train.parallel: ddp only"),
            (self.loss.on == "everything", "teaches the judged answer only: leave loss.on out"),
            (self.method == "kto" and self.train.micro_batch_size < 2,
             "needs a train.micro_batch_size of 2 or more, for its reference point is a mean over the micro-batch"),
        ):  # fmt: skip
            if found:
                raise ValueError(f"`method: {self.method}` {reason}")
        return self

    @model_validator(mode="after")
    def _shardable(self) -> Recipe:
        if self.train.parallel != "fsdp":
            return self
        for found, reason in (
            (self.gpus < 2, "needs gpus: 2 or more"),
            (self.device == "cpu", "shards over GPUs only; with device: cpu use ddp"),
            (self.method == "qlora", "cannot shard 4-bit weights; use method: lora, or ddp"),
            ("8bit" in self.train.optimizer, "cannot shard an 8-bit optimizer; use adamw_torch"),
            (self.train.dtype == "float16", "does not train in float16; use bfloat16"),
        ):
            if found:
                raise ValueError(f"`train.parallel: fsdp` {reason}")
        return self

    @model_validator(mode="after")
    def _parts_differ(self) -> Recipe:
        names = [name for name in (self.data.train, self.data.validation, self.data.test) if name]
        if any("\0" in name for name in names):
            raise ValueError("a file name cannot hold a NUL character")
        paths = [expand(name).resolve() for name in names]
        if len(set(paths)) != len(paths):
            raise ValueError("train, validation and test must be three different files")
        return self


class RecipeField(BaseModel):
    """One leaf of the recipe, as the command line, the wizard and the help show it.

    `type` is what a person writes (text, whole number, number, true or false, choice, list of texts); `limits`
    the range in words, empty where there is none; `optional` whether the value may be left empty (null).
    """

    path: str
    type: str
    default: Any
    help: str
    source: str
    expert: bool
    limits: str = ""
    optional: bool = False
    choices: tuple[str, ...] = ()


_TYPES = {str: "text", int: "whole number", float: "number", bool: "true or false"}
_LIMITS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}


def fields() -> list[RecipeField]:
    """Every leaf field of the recipe, in the order of the file."""
    return list(_fields())


@lru_cache(maxsize=1)
def _fields() -> tuple[RecipeField, ...]:
    return tuple(_leaves(Recipe, ""))


def sections() -> dict[str, str]:
    """Each section of the recipe and what it holds, in the order of the file."""
    kinds = {name: info.annotation for name, info in Recipe.model_fields.items()}
    return {
        name: (kind.__doc__ or "").strip()
        for name, kind in kinds.items()
        if isinstance(kind, type) and issubclass(kind, BaseModel)
    }


def _leaves(model: type[BaseModel], prefix: str) -> list[RecipeField]:
    found: list[RecipeField] = []
    for name, info in model.model_fields.items():
        kind = info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            found += _leaves(kind, f"{prefix}{name}.")
            continue
        extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
        limits = [
            f"{words} {getattr(item, key):,}".replace(",", " ")
            for item in info.metadata
            for key, words in _LIMITS.items()
            if getattr(item, key, None) is not None
        ]
        choices = _choices(kind)
        found.append(
            RecipeField(
                path=prefix + name,
                type="choice" if choices else _type_name(kind),
                default=info.default,
                help=info.description or "",
                source=str(extra.get("source", "")),
                expert=bool(extra.get("expert", False)),
                limits=", ".join(limits),
                optional=type(None) in get_args(kind),
                choices=choices,
            )
        )
    return found


def _type_name(kind: Any) -> str:
    if get_origin(kind) in (Union, types.UnionType):
        return " or ".join(_type_name(part) for part in get_args(kind) if part is not type(None))
    if get_origin(kind) is list:
        return "list of texts"
    return _TYPES.get(kind, str(kind))


def _choices(kind: Any) -> tuple[str, ...]:
    values: list[str] = []
    for item in (kind, *get_args(kind)):
        values += [value for value in get_args(item) if isinstance(value, str)]
    return tuple(dict.fromkeys(values))


def load_recipe(path: Path, changes: list[str] | None = None) -> Recipe:
    """Read a recipe from YAML and apply ``key=value`` changes; data paths become absolute, from the file's folder.

    Raises:
        UsageError: naming the line, the field and the nearest right name, for each thing that is wrong.
    """
    try:
        with path.open("rb") as handle:
            content = handle.read(yaml_text.MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"cannot read the recipe: {error.strerror}", where=str(path)) from error
    if len(content) > yaml_text.MAX_BYTES:
        raise UsageError("this is no recipe: it is larger than 1 MB", where=str(path), hint=_NEW)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError("this is no recipe: it is not UTF-8 text", where=str(path), hint=_NEW) from error
    values, lines = yaml_text.parse(text, str(path))
    if values is None:
        raise UsageError("the recipe is empty", where=str(path), hint=_NEW)
    if not isinstance(values, dict):
        kind = "a list" if isinstance(values, list) else "a single value"
        raise UsageError(f"a recipe is made of `key: value` lines, and this is {kind}", where=str(path), hint=_NEW)
    for change in changes or []:
        _apply(values, change)
    recipe = _validate(values, str(path), lines)
    if not recipe.data.train:
        raise UsageError(
            "`data.train` names no file", where=str(path), hint="Write `data:` and below it `  train: FILE`."
        )
    return resolve_paths(recipe, path.absolute().parent)


_NEW = "`diapason recipe new TRAIN -o run.yaml` writes one."


def resolve_paths(recipe: Recipe, base: Path) -> Recipe:
    """A copy of `recipe` whose relative data paths (and model folder, where it exists) start at `base`."""
    data = recipe.data.model_dump()
    for part in ("train", "validation", "test"):
        if data[part]:
            data[part] = _resolved(base, data[part])
    model = recipe.model
    if model != "starter" and (model.startswith((".", "~")) or (base / model).is_dir()):
        model = str((base / expand(model)).resolve())
    start = recipe.start
    if start and (start.startswith((".", "~")) or (base / start).is_dir()):
        start = str((base / expand(start)).resolve())
    evaluation = recipe.evaluation.model_dump()
    if evaluation["arms"]:
        from core.evaluation.arms import full_name, parse_arm

        evaluation["arms"] = [full_name(parse_arm(text, base=base)) for text in evaluation["arms"]]
    # Validated as a whole: two names may turn out to be one file only now.
    found = recipe.model_dump() | {"data": data, "model": model, "start": start, "evaluation": evaluation}
    return _validate(found, str(base), {})


def _resolved(base: Path, name: str) -> str:
    """The absolute name of a data file; a hub id stays as it is."""
    from core.data.place import is_hub_id

    return name if is_hub_id(name, base) else str((base / expand(name)).resolve())


def make_recipe(values: dict[str, Any], where: str = "recipe") -> Recipe:
    """A recipe from nested values. Raises UsageError as `load_recipe` does."""
    return _validate(values, where, {})


def change_recipe(recipe: Recipe, changes: list[str], where: str = "recipe") -> Recipe:
    """A copy of `recipe` with ``key=value`` changes, checked as a whole. Raises UsageError."""
    values = recipe.model_dump()
    for change in changes:
        _apply(values, change)
    return _validate(values, where, {})


def dump_recipe(recipe: Recipe, *, comments: dict[str, str] | None = None) -> str:
    """The recipe as YAML; `comments` maps a dotted field to the reason written behind its value."""
    return yaml_text.dump(recipe.model_dump(), comments)


def _apply(values: dict[str, Any], change: str) -> None:
    path, equals, text = change.partition("=")
    if not equals or not path.strip():
        raise UsageError(f"`{change}` is not KEY=VALUE", hint="For example: --set train.max_steps=20")
    *parents, last = path.strip().split(".")
    target = values
    for section in parents:
        if target.get(section) is None:
            target[section] = {}
        target = target[section]
        if not isinstance(target, dict):
            raise UsageError(f"`{path}`: `{section}` holds a value, not fields")
    try:
        target[last], _ = yaml_text.parse(text, path.strip())
    except UsageError as error:
        raise UsageError(error.message, where=path.strip(), hint="Put the value in quotes.") from error


def _validate(values: dict[str, Any], where: str, lines: dict[str, int]) -> Recipe:
    # A section with nothing below it (`lora:`) means its defaults.
    filled = {key: value for key, value in values.items() if not (value is None and key in sections())}
    try:
        return Recipe.model_validate(filled)
    except ValidationError as error:
        known = [field.path for field in fields()]
        raise UsageError(
            "\n".join(problems(error, known, list(sections()), where, lines)),
            hint="`diapason recipe fields` lists every field.",
        ) from error
