"""What a model says, and how likely it finds what it should say: answers and losses, in batches."""

from __future__ import annotations

import zlib
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
    temperature: float = 0.0,
    top_p: float = 1.0,
    seed: int = 0,
) -> Iterator[list[tuple[int, list[int], bool]]]:
    """Answers, batch by batch, longest prompts first: greedy, or drawn.

    Args:
        model: a causal LM in evaluation mode.
        prompts: token ids of each prompt, the start of the answer included.
        stop_ids: an answer ends before the first of these.
        pad_id: what prompts are padded with, on the left, under the attention mask.
        max_new_tokens: longest answer; shorter where `max_positions` leaves less room.
        batch_size: prompts answered at once, fewer where they are long.
        temperature: 0 takes the likeliest token each time; above, tokens are drawn from the likeliest that make up
            `top_p` of the probability (arxiv.org/abs/1904.09751), by `seed` and the prompts that are asked together.

    Yields:
        For each batch (prompt's index, ids of its answer, whether a stop id ended it).
    """
    from transformers import GenerationConfig

    device = model.device
    drawing: dict[str, Any] = {"do_sample": False}
    if temperature > 0:
        drawing = {"do_sample": True, "temperature": temperature, "top_p": top_p, "top_k": 0}
    for batch, room in _with_room([len(prompt) for prompt in prompts], max_new_tokens, max_positions):
        lengths = [len(prompts[index]) + room for index in batch]
        for places in _batches(lengths, _CACHED_TOKENS.get(device.type, 32768), batch_size):
            together = [batch[at] for at in places]
            width = max(len(prompts[index]) for index in together)
            ids = np.full((len(together), width), pad_id, np.int64)
            mask = np.zeros((len(together), width), np.int64)
            for at, index in enumerate(together):
                ids[at, width - len(prompts[index]) :], mask[at, width - len(prompts[index]) :] = prompts[index], 1
            if temperature > 0:
                torch.manual_seed(zlib.crc32(ids.tobytes(), seed))
            output = model.generate(
                input_ids=torch.from_numpy(ids).to(device),
                attention_mask=torch.from_numpy(mask).to(device),
                generation_config=GenerationConfig(
                    max_new_tokens=room,
                    eos_token_id=sorted(stop_ids) or None,
                    pad_token_id=pad_id,
                    use_cache=True,
                    **drawing,
                ),
            )
            written: NDArray[np.int64] = output[:, width:].cpu().numpy()
            yield [(index, *_until(line.tolist(), stop_ids)) for index, line in zip(together, written, strict=True)]


def _with_room(
    lengths: Sequence[int], max_new_tokens: int, max_positions: int | None
) -> Iterator[tuple[list[int], int]]:
    """The prompts by the tokens that an answer may have, so that none depends on what is answered beside it."""
    rooms: dict[int, list[int]] = {}
    for index, length in enumerate(lengths):
        room = max_new_tokens if max_positions is None else max(1, min(max_new_tokens, max_positions - length))
        rooms.setdefault(room, []).append(index)
    for room in sorted(rooms):
        yield rooms[room], room


def _until(ids: list[int], stop_ids: Sequence[int]) -> tuple[list[int], bool]:
    for at, token in enumerate(ids):
        if token in stop_ids:
            return ids[:at], True
    return ids, False
