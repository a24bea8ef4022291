"""What a checkpoint's files are: plain ones, gathered first where the model is sharded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from core.engine import sharding
from core.engine.ranks import Ranks
from core.engine.step_time import Mixed

_SCHEDULER = "scheduler.pt"


class Persisting(Mixed):
    """Mixed into a trainer of TRL's: saves and loads weights and optimizer, of a sharded model too."""

    ranks: Ranks

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """As the Trainer's; of a sharded model only what was trained, gathered."""
        if self.is_fsdp_enabled:
            self._save(output_dir, state_dict=sharding.whole_weights(self.model))
        else:
            super().save_model(output_dir, _internal_call)

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        if not self.is_fsdp_enabled:
            super()._save_optimizer_and_scheduler(output_dir)
            return
        sharding.save_optimizer(self.model, self.optimizer, Path(output_dir), main=self.ranks.main)
        if self.ranks.main:
            torch.save(self.lr_scheduler.state_dict(), Path(output_dir) / _SCHEDULER)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        if self.is_fsdp_enabled:
            sharding.load_weights(self.model, Path(resume_from_checkpoint), main=self.ranks.main)
        else:
            super()._load_from_checkpoint(resume_from_checkpoint, model)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if not self.is_fsdp_enabled or checkpoint is None:
            super()._load_optimizer_and_scheduler(checkpoint)
            return
        sharding.load_optimizer(self.model, self.optimizer, Path(checkpoint), main=self.ranks.main)
        self.lr_scheduler.load_state_dict(torch.load(Path(checkpoint) / _SCHEDULER, weights_only=True))
