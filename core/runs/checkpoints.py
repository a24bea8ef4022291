"""Checkpoints that are either whole or known not to be: sealed by a manifest, verified before use, rotated after."""

from __future__ import annotations

import json
import os
import shutil
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.files import finite, read_json, sync_dir, write_json

MANIFEST = "MANIFEST.json"
#: The best evaluation row by row, as `core.engine.validation` keeps it.
VALIDATION = "validation.json"
_PREFIX = "checkpoint-"
_ASIDE = ".bad-"
# What only a resume needs; the rest of a checkpoint is a plain PEFT or transformers folder.
_TRAINING_ONLY = (
    "optimizer.",
    "scheduler.",
    "scaler.",
    "rng_state",
    "trainer_state",
    "training_args",
    MANIFEST,
    VALIDATION,
)


def checksum(path: Path) -> int:
    """CRC-32 of the file's bytes."""
    value = 0
    with path.open("rb") as handle:
        while block := handle.read(1 << 20):
            value = zlib.crc32(block, value)
    return value


def fingerprint(value: Any) -> int:
    """CRC-32 of a JSON value, whatever the order of its keys."""
    return zlib.crc32(json.dumps(value, sort_keys=True, default=str).encode())


def seal(folder: Path, facts: dict[str, Any]) -> dict[str, Any]:
    """Flush every file of the checkpoint `folder` to disk, then write its manifest, last.

    The manifest holds `facts`, ``files: {name: {size, crc32}}`` and ``check``, the fingerprint of all that. Raises
    OSError where the disk is full.
    """
    files: dict[str, dict[str, int]] = {}
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.name == MANIFEST:
            continue
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        files[path.relative_to(folder).as_posix()] = {"size": path.stat().st_size, "crc32": checksum(path)}
    for path in [folder, *(path for path in folder.rglob("*") if path.is_dir())]:
        sync_dir(path)
    manifest = finite({"schema": 1, **facts, "t": time.time(), "files": files})
    manifest["check"] = fingerprint(manifest)
    write_json(folder / MANIFEST, manifest)
    sync_dir(folder.parent)
    return manifest


def problem(folder: Path) -> str | None:
    """What is wrong with the sealed checkpoint `folder`, or None: manifest, sizes and checksums are right."""
    if not (folder / MANIFEST).exists():
        return "it was never sealed: the process died while saving"
    manifest = read_json(folder / MANIFEST)
    if not isinstance(manifest, dict) or not isinstance(manifest.get("files"), dict):
        return f"{MANIFEST} cannot be read"
    # Manifests of older versions hold no check.
    check = manifest.pop("check", None)
    if check is not None and check != fingerprint(manifest):
        return f"{MANIFEST} has changed since it was written"
    for name, facts in manifest["files"].items():
        path = folder / name
        if not path.is_file():
            return f"{name} is missing"
        if path.stat().st_size != facts["size"]:
            return f"{name} has {path.stat().st_size} bytes instead of {facts['size']}"
        if checksum(path) != facts["crc32"]:
            return f"{name} has changed since it was saved"
    return None


def steps(folder: Path) -> list[int]:
    """The steps of the checkpoints in `folder`, sealed or not, in rising order."""
    if not folder.is_dir():
        return []
    names = [path.name.removeprefix(_PREFIX) for path in folder.iterdir() if path.name.startswith(_PREFIX)]
    return sorted(int(name) for name in names if name.isdigit())


def at(folder: Path, step: int) -> Path:
    """The checkpoint of `step` in `folder`."""
    return folder / f"{_PREFIX}{step}"


def newest_good(folder: Path, say: Callable[[str, str], None]) -> Path | None:
    """The newest whole checkpoint in `folder`; every newer one is put aside as ``.bad-checkpoint-N``, and said."""
    for step in reversed(steps(folder)):
        path = at(folder, step)
        trouble = problem(path)
        if trouble is None:
            return path
        aside = folder / f"{_ASIDE}{path.name}"
        shutil.rmtree(aside, ignore_errors=True)
        path.rename(aside)
        say("warning", f"The checkpoint of step {step} is not used: {trouble}. It is kept as {aside.name}.")
    return None


def sealed(folder: Path) -> list[int]:
    """The steps of the sealed checkpoints in `folder`, in rising order."""
    return [step for step in steps(folder) if (at(folder, step) / MANIFEST).is_file()]


def size(folder: Path) -> int:
    """Bytes of the files in the sealed checkpoint `folder`, as its manifest counts them."""
    manifest = read_json(folder / MANIFEST)
    files = manifest.get("files") if isinstance(manifest, dict) else None
    return sum(int(facts["size"]) for facts in files.values()) if isinstance(files, dict) else 0


def rotate(folder: Path, keep: int, best: int | None) -> list[int]:
    """Remove all checkpoints but the last `keep` sealed ones and that of step `best`; gives the steps that went.

    One that is not sealed, but older than the last sealed one, was left by a process that died removing it.
    """
    whole = sealed(folder)
    kept = {*whole[-keep:], best}
    gone = [step for step in steps(folder) if whole and step < whole[-1] and step not in kept]
    for step in gone:
        # The manifest goes first: a half-removed checkpoint must not look whole.
        (at(folder, step) / MANIFEST).unlink(missing_ok=True)
        shutil.rmtree(at(folder, step), ignore_errors=True)
    return gone


def spare(folder: Path, best: int | None) -> list[str]:
    """Remove what can be spared on a disk that is nearly full; gives the names of what went.

    That is all but the last sealed checkpoint, that of step `best`, and the best that the last one's manifest names:
    while `best` itself is still to be saved, the run's best weights are those.
    """
    whole = sealed(folder)
    manifest = read_json(at(folder, whole[-1]) / MANIFEST) if whole else None
    told = (manifest.get("best") if isinstance(manifest, dict) else None) or {}
    kept = best if best in whole else told.get("step")
    gone = [at(folder, step).name for step in rotate(folder, 1, kept)]
    for aside in sorted(folder.glob(f"{_ASIDE}*")):
        shutil.rmtree(aside, ignore_errors=True)
        gone.append(aside.name)
    return gone


def export(checkpoint: Path, target: Path) -> Path:
    """Copy what is not for resuming from `checkpoint` to the folder `target`, which appears whole or not at all."""
    temporary = target.with_name(f".{target.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    for path in sorted(checkpoint.iterdir()):
        if path.is_file() and not path.name.startswith(_TRAINING_ONLY) and path.name != "README.md":
            shutil.copyfile(path, temporary / path.name)
    shutil.rmtree(target, ignore_errors=True)
    temporary.rename(target)
    return target


def flush(folder: Path) -> None:
    """Flush a folder's files and its own entry to disk."""
    for path in folder.iterdir():
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    sync_dir(folder)
    sync_dir(folder.parent)
