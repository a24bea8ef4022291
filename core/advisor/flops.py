"""How many floating-point operations a training takes."""

from __future__ import annotations

from core.advisor.shape import Shape

# Multiplications and additions a weight and token: forward 2, gradient of the activations 2, gradient of the weights
# 2 (arxiv.org/abs/2001.08361, section 2.1). Frozen weights need no gradient of their own.
FORWARD, BACKWARD_INPUT, BACKWARD_WEIGHT = 2, 2, 2
#: Passes forward that a token of a judged answer takes beside the one that is learned from. dpo: the reference.
#: kto: that too, and both models read the prompt with another answer (arxiv.org/abs/2402.01306, section 4.1).
MORE_FORWARD = {"dpo": 1, "kto": 3}


def flops_per_token(
    shape: Shape,
    *,
    adapter: float | None,
    length: float,
    loss_share: float = 1.0,
    checkpointing: bool = False,
    more_forward: int = 0,
) -> float:
    """Floating-point operations to train on one token (arxiv.org/abs/2204.02311, appendix B).

    6 N + 12 layers (heads x head_dim) length for full tuning, where N are the weights that a token goes through. With
    frozen weights 4 N + 6 N_adapter: their gradient is not needed, that of what flows through them is. Attention has
    no weights: its two products are taken once forward and twice backward, whatever is trained.

    Args:
        adapter: weights of the adapters that a token goes through; None for full tuning.
        length: tokens that a token's attention is reckoned over: the mean row's length, weighted by tokens, gives the
            sum over all rows exactly. The whole square, as in the paper, though half of it is masked.
        loss_share: share of the tokens that carry loss; the head is needed for these alone.
        checkpointing: count what gradient checkpointing computes again, which MFU does not.
        more_forward: passes forward without a gradient, of dpo and kto (MORE_FORWARD).
    """
    backward = BACKWARD_INPUT + (BACKWARD_WEIGHT if adapter is None else 0)
    passes = FORWARD * (1 + more_forward) + backward + (FORWARD if checkpointing else 0)
    head = min(shape.active, shape.vocabulary * shape.hidden)
    weights = shape.active - head * (1 - loss_share)
    added = (FORWARD + BACKWARD_INPUT + BACKWARD_WEIGHT) * (adapter or 0)
    attention = 4 * (3 + more_forward) * shape.layers * shape.attention * length
    return passes * weights + added + attention
