"""Data sets of the Hugging Face hub: loaded by real `datasets` code in a process of its own, kept in the home."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from core.data.place import Place
from core.errors import DiapasonError
from core.home import cache_dir

_UNSAFE = re.compile(r"[^\w.-]")
_DONE = "loaded.json"


def hub_folder(place: Place) -> Path:
    """Where the data set is kept once it is loaded."""
    name = _UNSAFE.sub("--", place.hub_id) + (f"@{_UNSAFE.sub('-', place.config)}" if place.config else "")
    return cache_dir() / "hub" / name


def load_hub(place: Place) -> Path:
    """The folder with the data set's splits as Parquet files; loaded from the hub, or its cache, the first time.

    Raises:
        DiapasonError: with what `datasets` says: no such data set, no network, several configurations …
    """
    folder = hub_folder(place)
    if (folder / _DONE).is_file():
        return folder
    where = str(place.path)
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".loading-", dir=folder.parent))
    try:
        request = {"id": place.hub_id, "config": place.config or None, "out": str(work)}
        answer = _ask(request, where)
        if "error" in answer:
            raise DiapasonError(
                f"the data set `{place.hub_id}` could not be loaded: {answer['error']}",
                where=where,
                hint=str(answer.get("hint") or _HINT),
            )
        (work / _DONE).write_text(json.dumps(answer), "utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        work.rename(folder)
    except OSError as error:
        raise DiapasonError(f"the data set cannot be kept: {error.strerror}", where=where) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return folder


_HINT = (
    "Name a file that is there, or a data set as the hub writes it: owner/name, owner/name:config, owner/name#test."
)


def _ask(request: dict[str, str | None], where: str) -> dict[str, object]:
    """The answer of the process that imports `datasets`: its last line on stdout is JSON."""
    # Its bars would be drawn over our screen.
    env = {**os.environ, "HF_DATASETS_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    command = [sys.executable, "-m", "core.engine.hub", json.dumps(request)]
    root = str(Path(__file__).parents[2])
    env["PYTHONPATH"] = os.pathsep.join(item for item in (root, os.environ.get("PYTHONPATH", "")) if item)
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, env=env, check=False)
    lines = done.stdout.decode("utf-8", "replace").strip().splitlines()
    try:
        answer = json.loads(lines[-1])
    except (IndexError, ValueError):
        told = done.stderr.decode("utf-8", "replace").strip().splitlines()
        reason = told[-1] if told else f"it ended with {done.returncode}"
        raise DiapasonError(f"the data set could not be loaded: {reason}", where=where, hint=_HINT) from None
    return answer if isinstance(answer, dict) else {}
