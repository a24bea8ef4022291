"""How much memory a run takes, part by part, before anything is loaded.

The engine's preflight measures the same on the machine itself; this estimate chooses what to try.
"""

from __future__ import annotations

from dataclasses import dataclass

from core.advisor.shape import Shape
from core.recipe import PREFERENCE_METHODS

PARTS = ("weights", "adapter", "gradients", "optimizer", "activations", "logits", "workspace", "runtime")
PART_HELP = {
    "weights": "the model itself",
    "adapter": "the matrices that LoRA trains, in float32",
    "gradients": "one float32 for each trained weight",
    "optimizer": "Adam's two moments for each trained weight",
    "activations": "what the forward pass keeps for the backward pass: grows with micro-batch x length",
    "logits": "scores over the vocabulary, in the tiles of TRL's fused head",
    "workspace": "copies that the arithmetic needs for a moment",
    "runtime": "CUDA's context, or Python with torch",
}
# nf4 with double quantisation: 4 bits, and 0.127 bits for the constants of blocks of 64 weights
# (arxiv.org/abs/2305.14314, section 3, "Double Quantization").
NF4_BYTES = (4 + 0.127) / 8
# Two float32 moments (arxiv.org/abs/1412.6980); bitsandbytes keeps them in 8 bits (arxiv.org/abs/2110.02861).
_MOMENTS = {"adamw_torch": 8.0, "adamw_torch_fused": 8.0, "adamw_8bit": 2.0, "paged_adamw_8bit": 2.0}
# Bytes that one block keeps for its backward pass, a token, by (trained by adapters?, autocast to 16 bits?), as
# multiples of (hidden size, MLP width, heads x head_dim). Counted with torch.autograd.graph.saved_tensors_hooks on
# Llama blocks of transformers 5.23 with PEFT 0.21 and SDPA, padded batches; exact for Llama, 8 % low for Qwen3.
_KEPT = {
    (True, False): (48, 20, 24),
    (True, True): (38, 12, 14),
    (False, False): (24, 16, 16),
    (False, True): (26, 8, 8),
}
# TRL 1.16 computes the loss in tiles of this many tokens by this many words (trl/kernels/chunked_logprob.py).
_TILE_TOKENS, _TILE_WORDS = 4096, 32768
# Torch's fallback for the tiles on a CPU holds the tile and three more like it for a moment; a GPU works in place.
_TILE_COPIES = {"cpu": 4, "cuda": 1}
# A CUDA context with cuBLAS takes 0.4 to 0.9 GB by card; a Python with torch, transformers and TRL imported 0.8 GB.
_RUNTIME = {"cuda": 700_000_000, "cpu": 800_000_000}
ERROR = 0.2


@dataclass(frozen=True, slots=True)
class Load:
    """What goes through the model at once: method, rank (adapters), rows, tokens a row, and how.

    gpus: cards that train together. sharded: each holds a part of the model (FSDP2), else all of it (DDP).
    four_bit: dpo and kto over weights in 4 bits.
    """

    method: str
    micro_batch: int
    length: int
    rank: int = 16
    checkpointing: bool = False
    optimizer: str = "adamw_torch"
    kind: str = "cuda"
    gpus: int = 1
    sharded: bool = False
    four_bit: bool = False

    @property
    def quantises(self) -> bool:
        """Whether the frozen weights are held in 4 bits."""
        return self.method == "qlora" or self.four_bit

    @property
    def tokens(self) -> int:
        """Tokens that go through the model at once with a gradient: dpo's pairs are two answers each."""
        return self.micro_batch * self.length * (2 if self.method == "dpo" else 1)


@dataclass(frozen=True, slots=True)
class MemoryEstimate:
    """Bytes by part (the names in PARTS), and the relative error to expect of the sum."""

    parts: dict[str, int]
    error: float = ERROR

    @property
    def total(self) -> int:
        """Bytes in all."""
        return sum(self.parts.values())

    def fit(self, free: int) -> str:
        """``fits`` where even the upper end is within `free` bytes, ``tight`` where the middle is, else ``no``."""
        if self.total * (1 + self.error) <= free:
            return "fits"
        return "tight" if self.total <= free else "no"


def estimate(shape: Shape, load: Load, *, stored_bytes: int | None = None) -> MemoryEstimate:
    """The peak memory of training `shape` under `load`: on each card, or of all processes on a processor.

    Args:
        stored_bytes: the size of weights that are quantised on disk already, which are loaded as they are.

    Formulas (N: weights, N_l: those in linear layers, N_t: trained ones, r: rank, s: length, b: micro-batch):
        weights: 4 N (full; float32, as are gradients), 2 N on a GPU or 4 N on a CPU (lora),
            0.516 N_l + 2 (N - N_l) (qlora: only linear layers are quantised).
        adapter: 4 r (inputs + outputs), summed over the linear layers (arxiv.org/abs/2106.09685, section 4.1); twice
            for dpo and kto, whose reference is a frozen copy, and keeps nothing when it reads.
        gradients: 4 N_t. optimizer: 8 N_t for AdamW, 2 N_t in 8 bits.
        activations: b s (a block's bytes; b counts both answers of dpo's pairs) x blocks; with checkpointing one
            block's, and the input of every block
            (arxiv.org/abs/1604.06174).
        logits: a tile of at most 4096 tokens by 32768 words. Without TRL's fused head this would be
            b s (vocabulary) 4 bytes, two to three times over: see `whole_logits`.
        workspace: 16-bit copies of the trained weights under autocast (full), or one dequantised layer (qlora).
        runtime: CUDA's context, or the process's libraries.
        With several cards DDP keeps the gradients a second time, in the buckets that it exchanges (PyTorch's DDP,
        ``gradient_as_bucket_view``). FSDP2 divides weights, adapters, gradients and optimizer by the cards, and holds
        two blocks whole, the one that computes and the next (arxiv.org/abs/2304.11277, section 3.3), beside the
        embedding and the head.
    """
    adapters = load.method != "full"
    half = load.kind == "cuda"
    wide = 2 if half else 4
    everything = shape.linear + shape.rest
    trained = load.rank * shape.sides if adapters else everything
    if stored_bytes is not None and adapters:
        weights = stored_bytes
    elif load.quantises:
        weights = round(NF4_BYTES * shape.linear) + wide * shape.rest
    else:
        weights = everything * (wide if adapters else 4)
    workspace = 0
    if not adapters and half:
        workspace = 2 * shape.linear
    elif load.quantises:
        workspace = wide * shape.largest
    parts = load.gpus if load.sharded else 1
    copies = 2 if load.gpus > 1 and not load.sharded else 1
    if parts > 1:
        workspace += round(wide * (2 * shape.linear / max(1, shape.layers) + shape.rest))
    # Processes on one processor share its memory.
    shared = load.gpus if load.kind == "cpu" else 1
    found = {
        "weights": weights // parts,
        "adapter": 4 * trained * (2 if load.method in PREFERENCE_METHODS else 1) // parts if adapters else 0,
        "gradients": 4 * trained * copies // parts,
        "optimizer": round(_MOMENTS[load.optimizer] * trained / parts),
        "activations": _activations(shape, load, adapters, half, wide),
        "logits": _logits(shape, load, adapters, wide),
        "workspace": workspace,
        "runtime": _RUNTIME[load.kind],
    }
    return MemoryEstimate({part: shared * size for part, size in found.items()})


def _activations(shape: Shape, load: Load, adapters: bool, half: bool, wide: int) -> int:
    tokens = load.tokens
    hidden, mlp, attention = _KEPT[adapters, half]
    block = hidden * shape.hidden + mlp * shape.mlp + attention * shape.attention
    # The padding mask, widened for each block, and the narrow side of its adapters.
    block += wide * load.length
    if adapters and shape.layers:
        block += wide * load.rank * shape.modules // shape.layers
    if load.checkpointing:
        return tokens * (block + wide * shape.hidden * shape.layers)
    return tokens * block * shape.layers


def _logits(shape: Shape, load: Load, adapters: bool, wide: int) -> int:
    tokens = load.tokens
    tile = min(tokens, _TILE_TOKENS) * min(shape.vocabulary, _TILE_WORDS) * wide * _TILE_COPIES[load.kind]
    head_gradient = 0 if adapters else 4 * shape.vocabulary * shape.hidden
    return tile + 4 * tokens * shape.hidden + head_gradient


def whole_logits(shape: Shape, micro_batch: int, length: int) -> int:
    """Bytes that the logits would take without a fused head: 16-bit, their float32 copy, and its gradient."""
    return micro_batch * length * shape.vocabulary * (2 + 4 + 4)
