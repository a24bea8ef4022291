"""The bundled tiny model and the sample data. Standard library only."""

from __future__ import annotations

from pathlib import Path

MODEL_DIR = Path(__file__).parent / "model"
DATA_DIR = Path(__file__).parent / "data"


def sample(name: str) -> Path:
    """The path of a bundled sample file, e.g. `sample("support_en.jsonl")`.

    Raises FileNotFoundError that lists what there is.
    """
    path = DATA_DIR / name
    if not path.is_file():
        known = ", ".join(sorted(p.name for p in DATA_DIR.iterdir()))
        raise FileNotFoundError(f"no sample {name!r}; there are: {known}")
    return path
