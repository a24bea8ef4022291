"""The sizes of a model that estimates need: which weights are linear layers, and how wide its blocks are."""

from __future__ import annotations

import re
from dataclasses import dataclass

from core.models import ModelInfo, text_config

_NOT_ADAPTED = re.compile(
    r"embed|lm_head|norm|wte|wpe|rotary|position|\.experts\.|shared\.weight|score\.|vision|visual"
)
# Families whose fused experts PEFT 0.21 adapts with all-linear: transformers' conversion mapping counts them to
# Mixtral's or Qwen2-MoE's pattern (transformers/conversion_mapping.py, peft/utils/transformers_weight_conversion.py).
_ADAPTED_EXPERTS = re.compile(
    r"mixtral|minimax|qwen2_moe|qwen3_(moe|next|omni)|deepseek_v[23]|glm4?_?v?_?moe|olmoe|flex_olmo|ernie4_5_moe"
    r"|dots1|afmoe|hunyuan_v1_moe|exaone_moe|cohere2_moe|longcat_flash|solar_open"
)


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of a model, in weights.

    linear: weights of the linear layers (no head, no embeddings, no fused experts). modules: their number.
    sides: sum of inputs + outputs over all that an all-linear adapter covers: one of rank r has r * sides weights.
    largest: weights of the largest of them. rest: all other weights. active: weights that a token goes through (of a
    mixture of experts only the chosen experts), the embeddings' look-up left out. mlp: width of the MLP that a token
    goes through. attention: heads * head_dim. fused_experts: weights in experts, which nf4 passes over.
    expert_adapters: whether all-linear adapters cover the experts.
    """

    linear: int
    sides: int
    modules: int
    largest: int
    rest: int
    active: int
    hidden: int
    mlp: int
    attention: int
    layers: int
    vocabulary: int
    fused_experts: int
    expert_adapters: bool = False


def shape_of(model: ModelInfo) -> Shape:
    """The sizes of `model`, from the headers of its weights, or from its configuration where they are quantised."""
    layers = _by_tensors(model) or _by_config(model)
    text = text_config(model.config)
    chosen = int(text.get("num_experts_per_tok") or text.get("top_k") or 2) if model.experts else 0
    expert_width = int(text.get("moe_intermediate_size") or model.intermediate_size)
    linear = sum(a * b for a, b in layers)
    fused = 3 * model.hidden_size * expert_width * model.experts * model.layers if model.experts else 0
    adapted = bool(model.experts and _ADAPTED_EXPERTS.search(model.model_type))
    embeddings = model.vocab_size * model.hidden_size
    # The head multiplies every token, the embeddings are only looked up: one of the two counts.
    outside = 0 if model.tied else embeddings
    active = model.parameters - outside - (fused - fused * chosen // model.experts if model.experts else 0)
    return Shape(
        linear=linear,
        sides=sum(a + b for a, b in layers) + (_expert_sides(model, expert_width) if adapted else 0),
        modules=len(layers),
        largest=max((a * b for a, b in layers), default=0),
        rest=max(0, model.parameters - linear),
        active=max(active, 1),
        hidden=model.hidden_size,
        mlp=expert_width * chosen if model.experts else model.intermediate_size,
        attention=(model.heads * model.head_dim) or model.hidden_size,
        layers=model.layers,
        vocabulary=model.vocab_size,
        fused_experts=fused,
        expert_adapters=adapted,
    )


def _expert_sides(model: ModelInfo, width: int) -> int:
    """Inputs + outputs that adapters of fused experts and their routers add.

    Gate and up projection are one matrix, to which PEFT gives twice the rank.
    """
    hidden = model.hidden_size
    expert = 2 * (hidden + 2 * width) + (width + hidden)
    return model.layers * (model.experts * expert + hidden + model.experts)


def _by_tensors(model: ModelInfo) -> list[tuple[int, int]]:
    if model.quantised:
        return []
    found: list[tuple[int, int]] = []
    for name, tensor in model.tensors.items():
        router = model.experts and name.endswith((".gate.weight", "router.weight"))
        if len(tensor.shape) == 2 and name.endswith("weight") and not router and not _NOT_ADAPTED.search(name):
            found.append((tensor.shape[0], tensor.shape[1]))
    return found


def _by_config(model: ModelInfo) -> list[tuple[int, int]]:
    hidden, query, key = model.hidden_size, model.heads * model.head_dim, model.kv_heads * model.head_dim
    block = [(hidden, query), (hidden, key), (hidden, key), (query, hidden)]
    if not model.experts:
        block += [(hidden, model.intermediate_size)] * 2 + [(model.intermediate_size, hidden)]
    return block * model.layers
