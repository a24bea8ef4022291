"""LoRA, QLoRA or full tuning: what fits this machine, how long it takes, and which one to take."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from core.advisor import budget, memory
from core.advisor.device import Device
from core.advisor.lengths import Lengths
from core.advisor.shape import Shape
from core.advisor.sources import DPO_PAPER, GUIDE_E, KTO_PAPER, LORA_REGRET, QLORA_PAPER, THIS_BOX
from core.recipe import PREFERENCE_METHODS, TUNING_METHODS

TITLES = {"lora": "LoRA", "qlora": "QLoRA", "full": "Full", "dpo": "DPO", "kto": "KTO"}
# Guide E: full tuning wants 50,000 to 100,000 rows and more.
FULL_ROWS = 50_000
_GB = 1e9
_JUDGED = {
    "dpo": ("dpo", "learns from both answers of each pair, on top of a tuned run", DPO_PAPER),
    "kto": ("kto", "learns from single good and bad answers, on top of a tuned run", KTO_PAPER),
}


@dataclass(frozen=True, slots=True)
class Setting:
    """What all methods share: the model's sizes, the machine, the data, and the batch to reach.

    rows, validation_rows: rows that train and that choose the checkpoint. length: tokens a row is cut at.
    lengths: how long the rows are; without it every row counts as half of `length`. stored_bytes: size of weights
    that are quantised on disk, else None. four_bit: dpo and kto hold the frozen weights in 4 bits.
    """

    shape: Shape
    device: Device
    rows: int
    validation_rows: int
    length: int
    lengths: Lengths | None
    effective: int
    rank: int
    stored_bytes: int | None = None
    four_bit: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """One method on this machine: the micro-batch that fits, its memory and its time."""

    method: str
    rank: int
    micro_batch: int
    accumulation: int
    checkpointing: bool
    optimizer: str
    memory: memory.MemoryEstimate
    fit: str
    time: budget.TimeEstimate
    recommended: bool = False
    reason: str = ""
    source: str = ""

    @property
    def title(self) -> str:
        """The method's name, with the rank of its adapters."""
        name = TITLES[self.method]
        return name if self.method == "full" else f"{name}, rank {self.rank}"

    def to_json(self) -> dict[str, Any]:
        """The plan as a JSON object; sizes in bytes, times in seconds."""
        return {
            "method": self.method,
            "recommended": self.recommended,
            "reason": self.reason,
            "source": self.source,
            "fit": self.fit,
            "micro_batch_size": self.micro_batch,
            "accumulation": self.accumulation,
            "gradient_checkpointing": self.checkpointing,
            "optimizer": self.optimizer,
            "memory": {"total": self.memory.total, "error": self.memory.error, "parts": self.memory.parts},
            "seconds": {
                "estimate": round(self.time.seconds),
                "low": round(self.time.low),
                "high": round(self.time.high),
            },
            "steps": self.time.steps,
        }


def plan(setting: Setting, method: str, epochs: float) -> Plan:
    """The largest micro-batch (a power of two up to the effective batch) of `method` that fits, and what it costs.

    Gradient checkpointing is turned on where it allows a micro-batch of 4 and its absence does not.
    """
    tries = [
        _try(setting, method, micro, checkpointing, optimizer)
        for optimizer in _optimizers(setting, method)
        for checkpointing in (False, True)
        for micro in _micro_batches(setting.effective)
        # KTO's reference point is a mean over the micro-batch.
        if not (method == "kto" and micro < 2)
        if not (checkpointing and setting.device.kind == "cpu")
    ]
    fitting = [(load, need) for load, need in tries if need.fit(setting.device.memory_free) == "fits"]
    roomy = [pair for pair in fitting if pair[0].micro_batch >= min(4, setting.effective)]
    least = min(tries, key=lambda pair: pair[1].total)
    load, need = (roomy or fitting or [least])[0]
    work = budget.Work(
        rows=setting.rows,
        validation_rows=setting.validation_rows,
        row_tokens=_row_tokens(setting, load.micro_batch),
        epochs=epochs,
        micro_batch=load.micro_batch,
        accumulation=max(1, setting.effective // load.micro_batch),
        method=method,
        rank=setting.rank,
        checkpointing=load.checkpointing,
        four_bit=load.four_bit,
    )
    return Plan(
        method=method,
        rank=setting.rank,
        micro_batch=load.micro_batch,
        accumulation=work.accumulation,
        checkpointing=load.checkpointing,
        optimizer=load.optimizer,
        memory=need,
        fit=need.fit(setting.device.memory_free),
        time=budget.estimate(setting.shape, work, setting.device),
    )


def _try(
    setting: Setting, method: str, micro: int, checkpointing: bool, optimizer: str
) -> tuple[memory.Load, memory.MemoryEstimate]:
    four_bit = setting.four_bit and method in PREFERENCE_METHODS
    load = memory.Load(
        method, micro, setting.length, setting.rank, checkpointing, optimizer, setting.device.kind, four_bit=four_bit
    )
    return load, memory.estimate(setting.shape, load, stored_bytes=setting.stored_bytes)


def _optimizers(setting: Setting, method: str) -> tuple[str, ...]:
    """AdamW, and where that does not fit a card, its moments in 8 bits; adapters' moments are too few to matter."""
    if method == "full" and setting.device.kind == "cuda":
        return ("adamw_torch", "paged_adamw_8bit")
    return ("adamw_torch",)


def _micro_batches(effective: int) -> list[int]:
    """Powers of two from the effective batch down to 1."""
    sizes = [1 << bit for bit in range(effective.bit_length()) if effective % (1 << bit) == 0]
    return sizes[::-1]


def _row_tokens(setting: Setting, micro: int) -> float:
    if setting.lengths and setting.lengths.tokens:
        return setting.lengths.padded_mean(micro, setting.length)
    return setting.length / 2


def methods(
    setting: Setting,
    epochs: dict[str, float],
    *,
    quantised: bool,
    wanted: str | None,
    judged: tuple[str, ...] = (),
) -> list[Plan]:
    """A plan for each method, exactly one recommended: `wanted`, else the one that suits data and machine.

    judged: the methods that learn from rows of this kind, where they are judged answers; the first is recommended.
    """
    plans = {method: plan(setting, method, epochs[method]) for method in (*judged, *TUNING_METHODS)}
    best, why, source = _JUDGED[judged[0]] if judged else _best(setting, plans, quantised)
    if wanted and wanted != best:
        best, why, source = wanted, f"chosen by you; {best} is what fits the data and this machine: {why}", source
    notes = _notes(setting, quantised) | {name: (why, source) for name, (_, why, source) in _JUDGED.items()}
    listed: list[Plan] = []
    for method, one in plans.items():
        reason, cited = (why, source) if method == best else notes[method]
        fit = "no" if quantised and method == "full" else one.fit
        listed.append(replace(one, recommended=method == best, reason=reason, source=cited, fit=fit))
    return listed


def _best(setting: Setting, plans: dict[str, Plan], quantised: bool) -> tuple[str, str, str]:
    free = f"{setting.device.memory_free / _GB:,.1f} GB free"
    if quantised:
        return "qlora", "the weights are quantised already: adapters over them", QLORA_PAPER
    if setting.rows >= FULL_ROWS and plans["full"].fit == "fits":
        why = f"{setting.rows:,} rows may hold more than adapters can, and full tuning fits"
        return "full", why, f"{GUIDE_E}; {LORA_REGRET}"
    if plans["lora"].fit == "fits":
        why = "adapters learn as well as full tuning from data of this size, and forget less"
        return "lora", why, f"{GUIDE_E}; {LORA_REGRET}"
    need = f"{plans['lora'].memory.total / _GB:,.1f} GB"
    if plans["qlora"].fit in ("fits", "tight") and plans["qlora"].memory.total < plans["lora"].memory.total:
        return (
            "qlora",
            f"LoRA would take {need} and there are {free}: 4-bit weights fit",
            f"{QLORA_PAPER}; {THIS_BOX}",
        )
    if plans["lora"].fit == "tight":
        return "lora", f"close: it takes about {need} and there are {free}", THIS_BOX
    least = min(("lora", "qlora"), key=lambda method: plans[method].memory.total)
    lacking = f"{plans[least].memory.total / _GB:,.1f} GB"
    return (
        least,
        f"nothing fits: even this takes about {lacking} and there are {free}; take a smaller model",
        THIS_BOX,
    )


def _notes(setting: Setting, quantised: bool) -> dict[str, tuple[str, str]]:
    full = f"all weights; asks for {FULL_ROWS:,} rows and more"
    if quantised:
        full = "not possible: quantised weights cannot be trained"
    qlora = "weights in 4 bits: a third of the memory, about 20 % slower, about 94 % of the quality at 70B"
    if setting.shape.fused_experts:
        share = setting.shape.fused_experts / max(1, setting.shape.linear + setting.shape.rest)
        qlora = f"{share:.0%} of the weights are fused experts, which stay in 16 bits"
    if setting.device.kind == "cpu":
        qlora += "; on a CPU it is slower and saves little"
    return {
        "lora": ("small matrices beside frozen weights; 90-95 % of cases", GUIDE_E),
        "qlora": (qlora, GUIDE_E if not setting.shape.fused_experts else "bitsandbytes quantises nn.Linear only"),
        "full": (full, GUIDE_E),
    }
