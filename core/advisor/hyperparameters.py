"""The recipe's numbers: each with why, and on whose word.

Three scales of model are told apart, for learning rates do not carry over: tiny ones (the bundled starter), common
ones, and those of 30 billion weights and more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from core.advisor.lengths import Lengths
from core.advisor.method import Plan
from core.advisor.sources import (
    DIAPASON,
    DPO_PAPER,
    GUIDE_E,
    KTO_PAPER,
    LORA_REGRET,
    PEFT,
    STARTER,
    THE_START,
    THIS_BOX,
    UNSLOTH,
    YOUR_DATA,
)
from core.advisor.values import Recommendation
from core.recipe import PREFERENCE_METHODS

TINY = 100_000_000
LARGE = 30_000_000_000
# Rows shown in all that teach a tiny model a manner within two minutes on two CPU cores (bench/claim.py).
_TINY_SHOWN = 2_100
_TINY_EPOCHS = (1, 12)
DEFAULT_LENGTH = 1024
_LONGEST = 4096
_FEW_SHOT = 5
_NEW_TOKENS = 128


@dataclass(frozen=True, slots=True)
class Facts:
    """What the numbers depend on. rows: those that train; None where no file is named."""

    task: str
    parameters: int
    max_positions: int | None
    rows: int | None
    lengths: Lengths | None
    gpu_without_bf16: bool = False
    expert_adapters: bool = False

    @property
    def tiny(self) -> bool:
        """Whether the model is so small that the usual figures do not hold."""
        return self.parameters < TINY


def max_length(facts: Facts) -> Recommendation:
    """Tokens a row is cut at: the longest row, or nearly, up to what the model was made for."""
    limit = min(facts.max_positions or _LONGEST, _LONGEST)
    lengths = facts.lengths
    if not lengths or not lengths.tokens:
        value = min(DEFAULT_LENGTH, limit)
        return Recommendation(value, "the rows could not be measured; TRL's default", DIAPASON)
    # The longest row of a sample is not the longest of the file: a tenth more is left for it.
    longest = lengths.longest if lengths.whole else round(lengths.longest * 1.1)
    nearly = lengths.at(0.99)
    wanted = longest if longest <= max(2 * nearly, 256) else nearly
    value = min(-(-wanted // 32) * 32, limit)
    cut = sum(size > value for size in lengths.tokens)
    if not cut:
        why = f"the longest row has {lengths.longest:,} tokens: nothing is cut"
    else:
        share = cut / len(lengths.tokens)
        bound = f"the model reads {limit:,} at most" if value == limit else f"99 % have at most {nearly:,}"
        why = f"{bound}; {share:.1%} of the rows are longer and lose their end"
    return Recommendation(value, why, YOUR_DATA)


def effective_batch(facts: Facts) -> Recommendation:
    """Rows an optimizer step."""
    rows = facts.rows
    if facts.tiny:
        return Recommendation(8, "small batches: a model this small learns by the number of steps", STARTER)
    if rows is not None and rows < 100:
        return Recommendation(8, f"{rows:,} rows: smaller batches leave enough steps", GUIDE_E)
    if rows is not None and rows >= 10_000:
        return Recommendation(32, "10,000 rows and more: 16 to 64, and LoRA bears large batches badly", LORA_REGRET)
    return Recommendation(16, "16 to 64", GUIDE_E)


def epochs(facts: Facts, method: str) -> Recommendation:
    """Passes over the training rows; the best checkpoint by validation loss is what is kept in any case."""
    rows = facts.rows
    if method in PREFERENCE_METHODS:
        return Recommendation(1.0, "one: more of them fit the pairs, not the taste", DPO_PAPER)
    if facts.tiny:
        low, high = _TINY_EPOCHS
        count = min(high, max(low, round(_TINY_SHOWN / rows))) if rows else high
        why = "a model this small needs more passes" if count > 3 else "so many rows need few passes"
        return Recommendation(float(count), f"{why}; the best checkpoint is kept", STARTER)
    if method == "full":
        return Recommendation(2.0, "1 to 2 for full tuning", GUIDE_E)
    if rows is not None and rows >= 10_000:
        return Recommendation(1.0 if rows >= 50_000 else 2.0, "1 to 3: so many rows need fewer passes", UNSLOTH)
    return Recommendation(3.0, "1 to 3, the best checkpoint is kept; guide E says 3 to 5", UNSLOTH)


def rank(facts: Facts) -> Recommendation:
    """The rank of the adapters."""
    if facts.rows is not None and facts.rows < 200:
        return Recommendation(8, "8 for small data", GUIDE_E)
    if facts.task in ("complex", "code", "domain") or (facts.rows or 0) >= 10_000:
        return Recommendation(32, "32 to 64 for large data or hard tasks", GUIDE_E)
    return Recommendation(16, "the usual one; 8 for small data, 32 to 64 for large", GUIDE_E)


def learning_rate(facts: Facts, method: str) -> Recommendation:
    """The peak learning rate."""
    if method in PREFERENCE_METHODS:
        return Recommendation(5e-6, "far below the rate of tuning: preferences are learned in small steps", DPO_PAPER)
    if facts.tiny:
        if method == "full":
            return Recommendation(3e-4, "a tenth of the adapters' rate", f"{LORA_REGRET}; {STARTER}")
        return Recommendation(5e-3, "the usual 2e-4 hardly moves a model this small", STARTER)
    if method == "full":
        return Recommendation(1e-5, "1e-5: a tenth to a twentieth of the adapters' rate", f"{GUIDE_E}; {LORA_REGRET}")
    if facts.parameters >= LARGE:
        return Recommendation(1e-4, "the lower end of 1e-4 to 3e-4 for a large model", GUIDE_E)
    return Recommendation(2e-4, "1e-4 to 3e-4; QLoRA 2e-4 to 5e-4", GUIDE_E)


def values(
    facts: Facts, plan: Plan, length: Recommendation, adapter: dict[str, Any] | None = None
) -> dict[str, Recommendation]:
    """The recommended value of each recipe field that depends on data, model or machine, by dotted path.

    Args:
        adapter: rank, alpha and targets of the adapter that the training begins with.
    """
    found: dict[str, Recommendation] = {}
    if plan.method in PREFERENCE_METHODS:
        source = DPO_PAPER if plan.method == "dpo" else KTO_PAPER
        found["preference.beta"] = Recommendation(0.1, "the papers' and TRL's", source)
    if adapter is not None:
        found |= {f"lora.{name}": Recommendation(value, "the start's", THE_START) for name, value in adapter.items()}
    elif plan.method != "full":
        found["lora.r"] = rank(facts)
        found["lora.alpha"] = Recommendation(2 * plan.rank, "twice the rank", GUIDE_E)
        found["lora.dropout"] = Recommendation(0.05, "0.05 to 0.1", GUIDE_E)
        if facts.tiny:
            why = "on a CPU it costs a third of the time"
            found["lora.dropout"] = Recommendation(0.0, why, STARTER)
        if facts.expert_adapters:
            found["lora.dropout"] = Recommendation(0.0, "PEFT has no dropout on fused experts", PEFT)
        found["lora.targets"] = Recommendation(
            "all-linear", "MLP and attention: attention alone does markedly worse", LORA_REGRET
        )
    found["train.learning_rate"] = learning_rate(facts, plan.method)
    found["train.epochs"] = epochs(facts, plan.method)
    effective = effective_batch(facts)
    reached = plan.micro_batch * plan.accumulation
    found["train.micro_batch_size"] = Recommendation(
        plan.micro_batch, f"{plan.memory.total / 1e9:,.1f} GB at {length.value:,} tokens", THIS_BOX
    )
    found["train.accumulation"] = Recommendation(
        plan.accumulation, f"effective batch {reached}: {effective.reason}", effective.source
    )
    found["train.max_length"] = length
    found["train.warmup"] = Recommendation(0.1, "10 % of the steps", GUIDE_E)
    found["train.schedule"] = Recommendation("cosine", "falls smoothly to zero", GUIDE_E)
    found["train.weight_decay"] = Recommendation(0.01, "the usual one", GUIDE_E)
    found["train.max_grad_norm"] = Recommendation(1.0, "tames the rare wild step", GUIDE_E)
    if plan.optimizer != "adamw_torch":
        found["train.optimizer"] = Recommendation(plan.optimizer, "AdamW's moments would not fit", THIS_BOX)
    if facts.gpu_without_bf16:
        found["train.dtype"] = Recommendation("float16", "this card has no bfloat16", GUIDE_E)
    if plan.checkpointing:
        why = "activations are computed twice: the only way to a micro-batch that is worth it"
        found["train.gradient_checkpointing"] = Recommendation(True, why, THIS_BOX)
    return found | _answers(facts, length.value)


def _answers(facts: Facts, length: int) -> dict[str, Recommendation]:
    lengths = facts.lengths
    if not lengths or not lengths.answers or facts.task == "domain":
        return {}
    longest = lengths.answer_at(0.99)
    # A quarter more than nearly all answers, so that one a little longer than its reference is not cut.
    room = max(16, -(-round(longest * 1.25) // 16) * 16)
    limit = max(16, (facts.max_positions or _LONGEST) // 2)
    new = min(room, limit)
    why = f"99 % of the answers have at most {longest:,} tokens"
    shown = max(8, lengths.at(0.95))
    fit = max(0, ((facts.max_positions or 8 * _LONGEST) - new) // shown - 1)
    few = min(_FEW_SHOT, fit)
    reason = "a fair baseline" if few == _FEW_SHOT else f"more rows of {shown:,} tokens do not fit the context"
    return {
        "samples.max_new_tokens": Recommendation(min(new, 4096), why, YOUR_DATA),
        "evaluation.few_shot": Recommendation(few, reason, DIAPASON if few == _FEW_SHOT else YOUR_DATA),
        "evaluation.max_new_tokens": Recommendation(min(new, 8192), why, YOUR_DATA),
    }
