"""Load a data set of the hub with `datasets` and write its splits as Parquet: ``python -m core.engine.hub JSON``.

The argument is ``{"id", "config", "out"}``; the last line on stdout is ``{"splits": {name: rows}}`` or
``{"error", "hint"}``. It runs as a process of its own because `datasets` is slow to import and may take long.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def load(name: str, config: str | None, out: Path) -> dict[str, Any]:
    """Write every split of the data set as ``<split>.parquet`` into `out`.

    Where the hub cannot be reached, a copy in the local hub cache does.
    """
    from datasets import Dataset, DatasetDict, load_dataset

    try:
        found = load_dataset(name, config)
    except Exception as error:
        cached = _snapshot(name)
        if cached is None:
            return _explain(error)
        try:
            found = load_dataset(str(cached), config)
        except Exception as second:
            return _explain(second)
    if isinstance(found, Dataset):
        found = DatasetDict({"train": found})
    if not isinstance(found, DatasetDict):
        return {"error": f"datasets gave a {type(found).__name__}, which has no rows to count"}
    rows: dict[str, int] = {}
    for split, table in found.items():
        safe = "".join(char if char.isalnum() or char in "._-" else "_" for char in str(split))
        table.to_parquet(str(out / f"{safe}.parquet"))
        rows[str(split)] = len(table)
    return {"splits": rows}


def _snapshot(name: str) -> Path | None:
    """The newest snapshot of the data set in the local hub cache."""
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, repo_type="dataset", local_files_only=True))
    except Exception:
        return None


def _explain(error: Exception) -> dict[str, Any]:
    """The error in one line, with what to do where we know it."""
    text = " ".join(str(error).split())[:400] or type(error).__name__
    kind = type(error).__name__
    hint = ""
    if "config" in text.casefold() and "pick one" in text.casefold():
        hint = "Name the configuration: owner/name:config"
    elif kind in ("ConnectionError", "OfflineModeIsEnabled", "LocalEntryNotFoundError", "ConnectTimeout"):
        text = f"the hub cannot be reached, and the data set is not in the local cache ({text})"
        hint = "Go online once, or download the files and name their folder."
    elif "script" in text.casefold():
        hint = "datasets no longer runs scripts; download the files and name their folder."
    return {"error": text, "hint": hint}


def main() -> int:
    """Do what the argument asks."""
    request = json.loads(sys.argv[1])
    try:
        answer = load(request["id"], request.get("config"), Path(request["out"]))
    except Exception as error:
        answer = _explain(error)
    print(json.dumps(answer), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
