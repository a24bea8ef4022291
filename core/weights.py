"""Model weights on disk: what safetensors headers say, without loading a tensor."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from core.errors import DiapasonError

LFS_POINTER = b"version https://git-lfs"
# The limit of the safetensors library (github.com/huggingface/safetensors, "Format").
_MAX_HEADER = 100_000_000
_DTYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "F8_E4M3": "float8",
    "F8_E5M2": "float8", "I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8", "U8": "uint8",
    "U16": "uint16", "U32": "uint32", "U64": "uint64", "BOOL": "bool",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """One tensor as a safetensors header states it; `size` is its bytes on disk."""

    dtype: str
    shape: tuple[int, ...]
    size: int


def read_header(path: Path) -> dict[str, TensorInfo]:
    """The tensors of one safetensors file, from its header alone.

    The format: 8 bytes little-endian header length, a JSON header, then the data
    (github.com/huggingface/safetensors, "Format").

    Raises:
        DiapasonError: for a Git LFS pointer, an unreadable header, or a file shorter than its header says.
    """
    hint = "Download the file again: it is damaged or incomplete."
    try:
        size = path.stat().st_size
        with path.open("rb") as handle:
            start = handle.read(8)
            if (start + handle.read(15)) == LFS_POINTER:
                raise _pointer(path)
            handle.seek(8)
            length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
            if not 2 <= length <= min(_MAX_HEADER, size - 8):
                raise DiapasonError("this is not a whole safetensors file", where=str(path), hint=hint)
            header = json.loads(handle.read(length))
    except OSError as error:
        raise DiapasonError(f"cannot read the weights: {error.strerror}", where=str(path)) from error
    except (ValueError, RecursionError) as error:
        raise DiapasonError("the header of the safetensors file is not JSON", where=str(path), hint=hint) from error
    tensors: dict[str, TensorInfo] = {}
    try:
        for key, entry in header.items():
            if key == "__metadata__":
                continue
            begin, end = entry["data_offsets"]
            tensors[key] = TensorInfo(
                str(entry["dtype"]), tuple(int(n) for n in entry["shape"]), int(end) - int(begin)
            )
            if 8 + length + int(end) > size:
                missing = 8 + length + int(end) - size
                raise DiapasonError(
                    f"the safetensors file is cut short: at least {missing} bytes are missing",
                    where=str(path),
                    hint=hint,
                )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DiapasonError(
            "the header of the safetensors file makes no sense", where=str(path), hint=hint
        ) from error
    return tensors


def _pointer(path: Path) -> DiapasonError:
    return DiapasonError(
        "this is a Git LFS pointer, not the file itself",
        where=str(path),
        hint="In the model's folder run `git lfs install && git lfs pull`, or fetch it with `hf download`.",
    )


def read_json_file(path: Path) -> Any:
    """The JSON value in `path`. Raises DiapasonError where it cannot be read or is a Git LFS pointer."""
    try:
        data = path.read_bytes()
        if data.startswith(LFS_POINTER):
            raise _pointer(path)
        return json.loads(data)
    except OSError as error:
        raise DiapasonError(f"cannot read the file: {error.strerror}", where=str(path)) from error
    except ValueError as error:
        raise DiapasonError("the file is not JSON", where=str(path), hint="Download the model again.") from error


def weight_files(folder: Path) -> tuple[list[Path], list[Path]]:
    """The safetensors files of the model in `folder`, and those of them that are missing."""
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        mapping = read_json_file(index)
        shards = mapping.get("weight_map") if isinstance(mapping, dict) else None
        if not isinstance(shards, dict) or not shards:
            raise DiapasonError(
                "the index of the weights is empty", where=str(index), hint="Download the model again."
            )
        files = [folder / Path(str(name)).name for name in sorted(set(map(str, shards.values())))]
    elif (folder / "model.safetensors").exists():
        files = [folder / "model.safetensors"]
    else:
        files = sorted(path for path in folder.glob("*.safetensors") if not path.name.startswith("adapter"))
    return files, [path for path in files if not path.is_file()]


def weights(folder: Path) -> tuple[dict[str, TensorInfo], int]:
    """The tensors of the model in `folder` and the bytes of its weight files.

    Raises:
        DiapasonError: where weights are missing, damaged, or not in safetensors.
    """
    files, missing = weight_files(folder)
    if missing:
        raise DiapasonError(
            f"{len(missing)} of {len(files)} weight files are missing, {missing[0].name} first",
            where=str(folder),
            hint="Download the model again; the files that are there are kept.",
        )
    if not files:
        if any(folder.glob("*.bin")) or any(folder.glob("*.pt")) or any(folder.glob("*.pth")):
            raise DiapasonError(
                "the weights are only in PyTorch's pickle format, which can run code when it is loaded",
                where=str(folder),
                hint="Take a version with *.safetensors, or convert it where you trust it: "
                "model.save_pretrained(folder) writes safetensors.",
            )
        raise DiapasonError(
            "there are no weights (*.safetensors) in the folder",
            where=str(folder),
            hint="Download the model again.",
        )
    tensors: dict[str, TensorInfo] = {}
    for path in files:
        tensors |= read_header(path)
    return tensors, sum(path.stat().st_size for path in files)


def count(tensors: dict[str, TensorInfo], *, tied: bool) -> int:
    """Number of weights, where an output head that is `tied` to the embeddings counts once."""
    stored = sum(prod(tensor.shape) for tensor in tensors.values())
    heads = [t for name, t in tensors.items() if name == "lm_head.weight" or name.endswith(".lm_head.weight")]
    embedded = any(name.endswith(("embed_tokens.weight", "wte.weight")) for name in tensors)
    return stored - (prod(heads[0].shape) if tied and heads and embedded else 0)


def dtype(tensors: dict[str, TensorInfo]) -> str:
    """The type that most bytes of `tensors` have, as torch names it; empty where there is none."""
    sizes: dict[str, int] = {}
    for tensor in tensors.values():
        sizes[tensor.dtype] = sizes.get(tensor.dtype, 0) + tensor.size
    most = max(sizes, key=lambda dtype: sizes[dtype], default="")
    return _DTYPES.get(most, most.lower())
