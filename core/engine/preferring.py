"""TRL's DPO and KTO trainers, sealed as the SFT trainer is: rows come ready, the reference is a frozen adapter."""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import trl
from datasets import Dataset
from numpy.typing import NDArray
from trl.trainer.utils import use_adapter

from core.chat import NO_LOSS
from core.engine.encode import Row
from core.engine.encode_judged import Judged, Pair
from core.engine.trainer import Sealed

#: The name that TRL gives to the copy of the adapter which stays as it was.
REFERENCE = "ref"
# What TRL logs of a step, and the fields of our events.
_LOGGED = {
    "rewards/margins": "margin",
    "rewards/accuracies": "accuracy",
    "rewards/chosen": "chosen_reward",
    "rewards/rejected": "rejected_reward",
    "kl": "kl",
}


class Preferring(Sealed):
    """What the DPO and the KTO trainer share."""

    def __init__(self, model: Any, *arguments: Any, **options: Any) -> None:
        super().__init__(model, *arguments, **options)
        self._reference: list[float] = []
        for name, weight in self.model.named_parameters():
            if f".{REFERENCE}." in name:
                weight.requires_grad = False

    def _prepare_dataset(self, dataset: Any, processing_class: Any, args: Any, dataset_name: str) -> Any:
        """The rows are tokens already."""
        return dataset

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        super()._save(output_dir, state_dict)
        # PEFT saves every adapter; the reference is in the run's folder already.
        shutil.rmtree(Path(output_dir or self.args.output_dir) / REFERENCE, ignore_errors=True)

    def reset_to_reference(self) -> None:
        """Give the trained adapter the very weights of the reference, where that is one.

        TRL rounds the trained adapter of a quantised model to bfloat16, after it has copied it.
        """
        for name, weight in self.model.named_parameters():
            if f".{REFERENCE}." in name:
                self.model.get_parameter(name.replace(f".{REFERENCE}.", ".default.")).data.copy_(weight.data)

    def step_facts(self, logs: dict[str, float]) -> dict[str, float | None]:
        """Rewards (beta times the log ratio to the reference) as TRL has them."""
        return {ours: logs[theirs] for theirs, ours in _LOGGED.items() if theirs in logs}

    def log_ratios(self, sequences: Sequence[Row]) -> list[float]:
        """Of each answer, ln of its probability under the trained model over that under the reference."""
        rows = [(row.input_ids.tolist(), row.labels.tolist()) for row in sequences]
        now = self._sums(rows)
        if not self._reference:
            bare = self.accelerator.unwrap_model(self.model)
            with use_adapter(bare, REFERENCE if REFERENCE in bare.peft_config else None):
                self._reference = self._sums(rows)
        return [before - after for before, after in zip(self._reference, now, strict=True)]

    def _sums(self, rows: Sequence[tuple[Any, Any]]) -> list[float]:
        return [nats for _, nats, _ in sorted(self.summed_losses(rows))]


class SealedDPO(Preferring, trl.DPOTrainer):
    """TRL's DPOTrainer, sealed; `validation` holds Pairs, its loss is −ln σ(β · margin) a pair."""

    validation: Sequence[Pair]

    def validate(self) -> tuple[list[tuple[int, float, int]], dict[str, Any]]:
        """The loss of each pair (arxiv.org/abs/2305.18290, eq. 7), the mean margin, and the share of pairs whose
        chosen answer has the higher reward."""
        sequences = [row for pair in self.validation for row in (pair.chosen, pair.rejected)]
        ratios = self.log_ratios(sequences)
        margins = [self.beta * (ratios[at] - ratios[at + 1]) for at in range(0, len(ratios), 2)]
        parts = [(index, softplus(-margin), 1) for index, margin in enumerate(margins)]
        facts = {
            "tokens": sum(row.loss_tokens for row in sequences),
            "margin": math.fsum(margins) / len(margins),
            "accuracy": sum(margin > 0 for margin in margins) / len(margins),
        }
        return parts, facts

    def row_lengths(self) -> NDArray[np.int64]:
        """Tokens of the longer answer of each pair."""
        return _longest(self.train_dataset, "chosen", "rejected")


class SealedKTO(Preferring, trl.KTOTrainer):
    """TRL's KTOTrainer, sealed; `validation` holds Judged, its loss is KTO's value of each answer."""

    validation: Sequence[Judged]

    def validate(self) -> tuple[list[tuple[int, float, int]], dict[str, Any]]:
        """The loss of each answer (arxiv.org/abs/2402.01306, eq. 8) with a reference point over all of them, and the
        mean reward of the good ones less that of the bad ones."""
        answers = [judged.row for judged in self.validation]
        ratios = self.log_ratios([*answers, *(judged.other for judged in self.validation)])
        count = len(answers)
        point = max(0.0, math.fsum(ratios[count:]) / count)
        weights = {True: self.desirable_weight, False: self.undesirable_weight}
        parts: list[tuple[int, float, int]] = []
        rewards: dict[bool, list[float]] = {True: [], False: []}
        for index, judged in enumerate(self.validation):
            gain = self.beta * (ratios[index] - point)
            rewards[judged.good].append(self.beta * ratios[index])
            parts.append((index, weights[judged.good] * _sigmoid(-gain if judged.good else gain), 1))
        good, bad = (math.fsum(found) / len(found) if found else None for found in (rewards[True], rewards[False]))
        facts = {
            "tokens": sum(row.loss_tokens for row in answers),
            "margin": good - bad if good is not None and bad is not None else None,
            "kl": point,
        }
        return parts, facts

    def row_lengths(self) -> NDArray[np.int64]:
        """Tokens of each answer with its prompt, or of its prompt with another answer."""
        return _longest(self.train_dataset, "row", "other")


def softplus(value: float) -> float:
    """ln(1 + e^value), without overflow."""
    return max(value, 0.0) + math.log1p(math.exp(-abs(value)))


def _sigmoid(value: float) -> float:
    return math.exp(-softplus(-value))


def pair_rows(pairs: Sequence[Pair]) -> Dataset:
    """The pairs as the trainer's data set."""
    return _dataset({"chosen": [pair.chosen for pair in pairs], "rejected": [pair.rejected for pair in pairs]})


def judged_rows(rows: Sequence[Judged]) -> Dataset:
    """The judged answers as the trainer's data set."""
    dataset = _dataset({"row": [judged.row for judged in rows], "other": [judged.other for judged in rows]})
    return dataset.add_column("label", [judged.good for judged in rows])


def _dataset(columns: dict[str, list[Row]]) -> Dataset:
    found: dict[str, Any] = {}
    for name, rows in columns.items():
        found[f"{name}_ids"] = [row.input_ids for row in rows]
        found[f"{name}_labels"] = [row.labels for row in rows]
    return Dataset.from_dict(found)


def _longest(dataset: Any, *columns: str) -> NDArray[np.int64]:
    import pyarrow.compute as compute

    lengths = [compute.list_value_length(dataset.data.column(f"{name}_ids")).to_numpy() for name in columns]
    return np.maximum.reduce(lengths)


class PairCollator:
    """Pads pairs for TRL's DPOTrainer: all chosen answers, then all rejected ones."""

    def __init__(self, pad_id: int) -> None:
        self._pad_id = pad_id

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """The batch as the trainer takes it; the mask holds the tokens that carry loss."""
        answers = [(row[f"{side}_ids"], row[f"{side}_labels"]) for side in ("chosen", "rejected") for row in rows]
        return _padded(answers, self._pad_id)


class JudgedCollator:
    """Pads judged answers for TRL's KTOTrainer, with those that its reference point is estimated from."""

    def __init__(self, pad_id: int) -> None:
        self._pad_id = pad_id

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """The batch as the trainer takes it."""
        own = _padded([(row["row_ids"], row["row_labels"]) for row in rows], self._pad_id)
        other = _padded([(row["other_ids"], row["other_labels"]) for row in rows], self._pad_id)
        return {
            **own,
            **{f"KL_{name}": value for name, value in other.items()},
            "label": torch.tensor([row["label"] for row in rows]),
        }


def _padded(answers: Sequence[tuple[Sequence[int], Sequence[int]]], pad_id: int) -> dict[str, torch.Tensor]:
    width = max(len(ids) for ids, _ in answers)
    shape = (len(answers), width)
    ids = torch.full(shape, pad_id, dtype=torch.long)
    attention, counted = torch.zeros(shape, dtype=torch.long), torch.zeros(shape, dtype=torch.long)
    for at, (tokens, labels) in enumerate(answers):
        length = len(tokens)
        ids[at, :length] = torch.as_tensor(tokens)
        attention[at, :length] = 1
        counted[at, :length] = (torch.as_tensor(labels) != NO_LOSS).long()
    return {"input_ids": ids, "attention_mask": attention, "completion_mask": counted}
