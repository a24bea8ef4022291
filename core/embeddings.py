"""Rows of a model's embeddings, read from safetensors files without torch: tokens that never learned anything."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from core.weights import read_header, weight_files

Rows = npt.NDArray[np.float32]
_NAMES = ("embed_tokens.weight", "wte.weight", "word_embeddings.weight", "embed_in.weight")
# unsloth_zoo's fix_untrained_tokens takes a row for untrained where no entry is larger than this.
_ZERO = 1e-16
# Rows that training has never touched stay what they were made as, or go the same way by weight decay: they are all
# (nearly) the same (Land and Bartolo 2024, "Fishing for Magikarp", arxiv.org/abs/2405.05417).
_SAME = 1e-3


def embedding_rows(folder: Path, rows: Sequence[int]) -> Rows | None:
    """The input embeddings of the tokens `rows`, one a row; None where they are not there, or are quantised.

    Raises:
        DiapasonError: where the weights are damaged.
    """
    files, missing = weight_files(folder)
    for path in [] if missing else files:
        for name, info in read_header(path).items():
            if not name.endswith(_NAMES) or len(info.shape) != 2:
                continue
            kind = {"F32": "<f4", "F16": "<f2", "BF16": "<u2"}.get(info.dtype)
            if kind is None or max(rows, default=0) >= info.shape[0]:
                return None
            with path.open("rb") as handle:
                length = struct.unpack("<Q", handle.read(8))[0]
                header: dict[str, Any] = json.loads(handle.read(length))
                start = 8 + length + int(header[name]["data_offsets"][0])
                stride = info.shape[1] * np.dtype(kind).itemsize
                found = np.empty((len(rows), info.shape[1]), kind)
                for at, row in enumerate(rows):
                    handle.seek(start + row * stride)
                    found[at] = np.frombuffer(handle.read(stride), kind)
            if info.dtype == "BF16":
                return (found.astype("<u4") << 16).view("<f4")
            return found.astype(np.float32)
    return None


def untrained(folder: Path, tokens: Sequence[int], others: Sequence[int] = ()) -> list[int]:
    """Those of `tokens` whose embeddings are zero, or nearly the same as that of another of `tokens` or `others`.

    others: tokens that are there to be used later, such as reserved ones. Rows are nearly the same where they differ
    by less than a thousandth of their length. Nothing is said where the weights cannot be read.
    """
    wanted = list(dict.fromkeys([*tokens, *others]))
    rows = embedding_rows(folder, wanted) if wanted else None
    if rows is None:
        return []
    sizes = np.linalg.norm(rows, axis=1)
    found: list[int] = []
    for at, token in enumerate(wanted[: len(set(tokens))]):
        apart = np.linalg.norm(rows - rows[at], axis=1)
        apart[at] = np.inf
        if float(np.abs(rows[at]).max()) <= _ZERO or bool((apart < _SAME * sizes[at]).any()):
            found.append(token)
    return found
