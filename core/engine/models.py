"""The models that answer: a run's base and its tuned weights, loaded when first needed, let go of when done."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from core.chat import ChatModel, load_chat
from core.engine.encode import uses_thinking
from core.engine.job import JobError
from core.engine.loading import load_adapter, load_model, pick_device, pick_dtype
from core.evaluation.result import weights_fingerprint
from core.models import ModelInfo, read_model
from core.recipe import Recipe, make_recipe
from core.runs.folder import RunFolder


class Models:
    """The base model and the tuned one, loaded when first needed; one set of base weights for both with LoRA.

    Args:
        weights: the folder of the tuned weights, where it is not the run's own: that of a checkpoint.
        device: auto or cpu, where it is not the recipe's.

    Raises:
        JobError: the run has no tuned weights, or the folder holds none.
    """

    def __init__(
        self, run: Path, recipe: Recipe, info: ModelInfo, *, weights: Path | None = None, device: str | None = None
    ) -> None:
        self._recipe = recipe
        self._info = info
        self.weights = weights or next(
            (path for path in (run / "adapter", run / "model") if path.is_dir()), run / "adapter"
        )
        if not self.weights.is_dir():
            raise JobError(
                "refused",
                "this run has no tuned weights yet",
                where=run.name,
                hint="Wait until it is completed, or stop it: what it has learned by then is kept.",
            )
        if not any(self.weights.glob("*.safetensors")):
            raise JobError(
                "refused",
                "the folder of the tuned weights holds no weights",
                where=str(self.weights),
                hint=f"`diapason resume {run.name}` writes them again from the checkpoints.",
            )
        self.device = pick_device(device or recipe.device)
        self._adapter = (self.weights / "adapter_config.json").is_file()
        self._model: Any = None
        self._whole_tuned = False

    @contextlib.contextmanager
    def ready(self, tuned: bool) -> Iterator[Any]:
        """The base model or the tuned one, in evaluation mode."""
        if not self._adapter:
            if self._model is None or self._whole_tuned != tuned:
                self._model = None
                self._model = self._load(self.weights if tuned else self._info.path)
                self._whole_tuned = tuned
            yield self._model
            return
        if self._model is None:
            self._model = load_adapter(self._load(self._info.path), self.weights)
        if tuned:
            yield self._model
        else:
            with self._model.disable_adapter():
                yield self._model

    def close(self) -> None:
        """Let go of the weights, so that another model has their memory."""
        self._model = None
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def identity(self, tuned: bool) -> list[Any]:
        """What tells these weights from others: the base's files, the checksum of the tuned ones, how they load."""
        files = sorted(self._info.path.glob("*.safetensors"))
        base = [[path.name, path.stat().st_size, path.stat().st_mtime_ns] for path in files]
        mine = weights_fingerprint(self.weights) if tuned else None
        return [base, mine, self._quantised, self._recipe.train.dtype, self.device.type]

    @property
    def _quantised(self) -> bool:
        return self._recipe.quantises and not self._info.quantised

    def _load(self, folder: Path) -> Any:
        dtype = pick_dtype(self._recipe.train.dtype, self.device)
        return load_model(folder, self.device, dtype, quantise=self._quantised).eval()


class Owner:
    """A run whose models answer: its recipe, base model, tokenizer and template.

    Raises:
        DiapasonError: its spec, model or tokenizer cannot be read.
    """

    def __init__(self, run: RunFolder) -> None:
        spec = run.spec()
        self.run = run
        self.recipe = make_recipe(spec["recipe"], str(run.spec_file))
        self.info = read_model(Path(spec["model"]["path"]), spec["model"].get("name"))
        self.chat: ChatModel = load_chat(self.info)
        train = spec["data"]["train"]
        if Path(train["path"]).is_file():
            self.chat.thinking = uses_thinking(Path(train["path"]), train.get("format"), train.get("map"))

    @property
    def limit(self) -> int:
        """Tokens that the model reads at most."""
        return self.info.max_positions or 1 << 30
