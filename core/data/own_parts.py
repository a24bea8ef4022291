"""The train, validation and test parts that a data set brings itself."""

from __future__ import annotations

from pathlib import Path

from core.data.columns import split_name
from core.data.folder import read_folder
from core.data.place import find_place
from core.home import expand

PARTS = ("train", "validation", "test")


def own_parts(path: Path | str) -> dict[str, Path]:
    """The parts by role (train, validation, test), named so that they can be opened: ``FOLDER#test``.

    Empty where `path` names one part already, has no training part, or has nothing beside it.

    Raises:
        Unreadable: there is nothing there that could be read.
    """
    place = find_place(expand(path))
    if place.part or place.kind == "stdin":
        return {}
    if place.kind == "file":
        from core.data.source import Source

        source = Source(place.path)
        try:
            names = source.parts
        finally:
            source.close()
    else:
        folder = place.path
        if place.kind == "hub":
            from core.data.hub import load_hub

            folder = load_hub(place)
        names = tuple(split.name for split in read_folder(folder))
    found: dict[str, Path] = {}
    for name in names:
        role = split_name(name)
        if role in PARTS and role not in found:
            found[role] = Path(f"{path}#{name}")
    return found if "train" in found and len(found) > 1 else {}
