"""What a model says, and how likely it finds what it should say: greedy answers and losses, in batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from core.chat import NO_LOSS

# Tokens that go through the model at once, and bytes of float32 logits at most: figures at which the starter on two
# cores and an 8B model on one card are both busy and far from their memory.
_TOKENS = {"cpu": 4096, "cuda": 16384}
_CACHED_TOKENS = {"cpu": 32768, "cuda": 65536}
_LOGIT_BYTES = 1 << 29


def _batches(lengths: Sequence[int], tokens: int, rows: int) -> Iterator[list[int]]:
    """Indexes in batches of like lengths, longest first, of at most `tokens` padded tokens and `rows` rows."""
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if batch and (len(batch) >= rows or (len(batch) + 1) * lengths[batch[0]] > tokens):
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


@torch.no_grad()
def losses(
    model: Any, rows: Sequence[tuple[Sequence[int], Sequence[int]]], pad_id: int, *, rank: int = 0, size: int = 1
) -> Iterator[list[tuple[int, float, int]]]:
    """The loss of each row, batch by batch.

    Of `size` processes each takes its turns among the same batches, so that the losses are those that one process
    finds; all go through the model equally often, which a sharded one needs.

    Args:
        model: a causal LM in evaluation mode.
        rows: (input_ids, labels) of each; labels are NO_LOSS where a token carries no loss.
        pad_id: what rows are padded with, on the right, where causal attention never looks.
        rank: the number of this process, from 0.

    Yields:
        For each batch of this process (row's index, summed negative log-likelihood in nats, tokens with loss).
    """
    device = model.device
    vocabulary = int(model.config.get_text_config().vocab_size)
    tokens = min(_TOKENS.get(device.type, 4096), _LOGIT_BYTES // (4 * vocabulary))
    batches = list(_batches([len(ids) for ids, _ in rows], max(1, tokens), 256))
    for first in range(0, len(batches), size):
        mine = first + rank < len(batches)
        batch = batches[first + rank if mine else first]
        width = max(len(rows[index][0]) for index in batch)
        ids = np.full((len(batch), width), pad_id, np.int64)
        labels = np.full((len(batch), width), NO_LOSS, np.int64)
        mask = np.zeros((len(batch), width), np.int64)
        for at, index in enumerate(batch):
            length = len(rows[index][0])
            ids[at, :length], labels[at, :length], mask[at, :length] = rows[index][0], rows[index][1], 1
        logits = model(
            input_ids=torch.from_numpy(ids).to(device),
            attention_mask=torch.from_numpy(mask).to(device),
            use_cache=False,
        ).logits[:, :-1]
        targets = torch.from_numpy(labels[:, 1:]).to(device)
        wanted = targets != NO_LOSS
        nll = torch.zeros(targets.shape, device=device, dtype=torch.float32)
        nll[wanted] = torch.nn.functional.cross_entropy(logits[wanted].float(), targets[wanted], reduction="none")
        sums: list[float] = nll.sum(1, dtype=torch.float64).tolist()
        counts: list[int] = wanted.sum(1).tolist()
        if mine:
            yield list(zip(batch, sums, counts, strict=True))


@torch.no_grad()
def answers(
    model: Any,
    prompts: Sequence[Sequence[int]],
    *,
    stop_ids: Sequence[int],
    pad_id: int,
    max_new_tokens: int,
    batch_size: int = 32,
    max_positions: int | None = None,
) -> Iterator[list[tuple[int, list[int]]]]:
    """Greedy answers, batch by batch, longest prompts first.

    Args:
        model: a causal LM in evaluation mode.
        prompts: token ids of each prompt, the start of the answer included.
        stop_ids: an answer ends before the first of these.
        pad_id: what prompts are padded with, on the left, under the attention mask.
        max_new_tokens: longest answer; shorter where `max_positions` leaves less room.
        batch_size: prompts answered at once, fewer where they are long.

    Yields:
        For each batch (prompt's index, ids of its answer).
    """
    from transformers import GenerationConfig

    device = model.device
    lengths = [len(prompt) + max_new_tokens for prompt in prompts]
    for batch in _batches(lengths, _CACHED_TOKENS.get(device.type, 32768), batch_size):
        width = max(len(prompts[index]) for index in batch)
        room = max_new_tokens if max_positions is None else max(1, min(max_new_tokens, max_positions - width))
        ids = np.full((len(batch), width), pad_id, np.int64)
        mask = np.zeros((len(batch), width), np.int64)
        for at, index in enumerate(batch):
            ids[at, width - len(prompts[index]) :], mask[at, width - len(prompts[index]) :] = prompts[index], 1
        output = model.generate(
            input_ids=torch.from_numpy(ids).to(device),
            attention_mask=torch.from_numpy(mask).to(device),
            generation_config=GenerationConfig(
                max_new_tokens=room,
                do_sample=False,
                eos_token_id=sorted(stop_ids) or None,
                pad_token_id=pad_id,
                use_cache=True,
            ),
        )
        written: NDArray[np.int64] = output[:, width:].cpu().numpy()
        yield [(index, _until(line.tolist(), stop_ids)) for index, line in zip(batch, written, strict=True)]


def _until(ids: list[int], stop_ids: Sequence[int]) -> list[int]:
    for at, token in enumerate(ids):
        if token in stop_ids:
            return ids[:at]
    return ids
