"""How long the rows of a file are in a model's tokens, measured on a sample."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from core.chat import ChatModel
from core.data.dataset import open_dataset
from core.errors import DiapasonError

SAMPLE = 1000
# A row of megabytes would hold up the advice; its length is known to be beyond any limit anyway.
_LONG_ROW = 2_000_000


@dataclass(frozen=True, slots=True)
class Lengths:
    """Token counts of sampled training sequences.

    rows: usable rows in the file, as the sample has them. whole: whether the sample is the whole file. tokens:
    sorted lengths of sequences; answers: sorted tokens of their last answers; a row may give several sequences.
    refused: why rows could not be encoded, where some could not.
    """

    rows: int
    whole: bool
    tokens: tuple[int, ...]
    answers: tuple[int, ...]
    refused: str | None = None

    @property
    def mean(self) -> float:
        """Mean length in tokens."""
        return sum(self.tokens) / len(self.tokens) if self.tokens else 0.0

    @property
    def longest(self) -> int:
        """The longest sampled sequence, in tokens."""
        return self.tokens[-1] if self.tokens else 0

    def at(self, share: float) -> int:
        """The length that `share` of the sequences do not pass (nearest rank)."""
        return _at(self.tokens, share)

    def answer_at(self, share: float) -> int:
        """The answer length that `share` of the answers do not pass."""
        return _at(self.answers, share)

    def padded_mean(self, micro_batch: int, limit: int) -> float:
        """Mean tokens a row takes once padded to the longest of its `micro_batch` random rows, cut at `limit`.

        The expected maximum of k draws from n sorted values x is the sum of x_i ((i/n)^k - ((i-1)/n)^k).
        """
        return _padded_mean(self.tokens, micro_batch, limit)


@lru_cache(maxsize=256)
def _padded_mean(tokens: tuple[int, ...], micro_batch: int, limit: int) -> float:
    count = len(tokens)
    mean = below = 0.0
    for at, size in enumerate(tokens, 1):
        upto = (at / count) ** micro_batch
        mean += min(size, limit) * (upto - below)
        below = upto
    return mean


def _at(values: Sequence[int], share: float) -> int:
    if not values:
        return 0
    return values[min(len(values) - 1, max(0, -(-int(share * 1000) * len(values) // 1000) - 1))]


def measure_lengths(
    path: Path | str,
    chat: ChatModel,
    format: str | None = None,
    map: str | None = None,
    *,
    sample: int = SAMPLE,
    go_on: Callable[[], bool] | None = None,
) -> Lengths:
    """Encode up to `sample` rows, spread evenly over the file, and count their tokens; of pairs both answers.

    `go_on` is asked at each row; once it says False the rows counted so far are what is returned.

    Raises:
        DiapasonError: where the file cannot be opened.
    """
    data = open_dataset(path, format, map)
    count = len(data)
    tokens: list[int] = []
    answers: list[int] = []
    usable = seen = 0
    refused: str | None = None
    for index in _spread(count, sample):
        if go_on is not None and not go_on():
            break
        seen += 1
        raw = data.raw(index)
        row = data.read(index, data.line(index), raw) if len(raw) <= _LONG_ROW else None
        if row is None or row.example is None:
            continue
        try:
            encoded = chat.encode_all(row.example)
        except DiapasonError as error:
            refused = refused or error.message
            continue
        usable += 1
        if row.example.rejected:
            rejected = replace(row.example, completion=row.example.rejected, rejected=())
            encoded += chat.encode_all(rejected, loss="last-answer")
        tokens += [len(item.input_ids) for item in encoded]
        answers += [len(item.input_ids) - item.prompt_length for item in encoded]
    rows = round(count * usable / seen) if seen else 0
    return Lengths(rows, seen == count, tuple(sorted(tokens)), tuple(sorted(answers)), refused)


def _spread(count: int, sample: int) -> list[int]:
    if count <= sample:
        return list(range(count))
    return [index * count // sample for index in range(sample)]
