"""A folder as a data set: its splits by name, each of one file or several."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import orjson

from core.data.columns import split_name
from core.data.place import DATA_SUFFIXES, PACKED_SUFFIXES, open_failed
from core.data.unreadable import Unreadable

_DIGITS = re.compile(r"\d+")
_MOST_FILES = 10_000
_NAMED = 6
# What stands beside data and is none: the folder's own description, and texts about it.
_ABOUT = frozenset({"dataset_info.json", "dataset_infos.json", "state.json", "dataset_dict.json", "metadata.json",
                    "config.json", "package.json", "croissant.json"})  # fmt: skip
_TEXTS = frozenset({".txt", ".md"})


@dataclass(frozen=True, slots=True)
class Split:
    """The files of one split, in order. `arrow` where datasets' `save_to_disk` wrote them."""

    name: str
    files: tuple[Path, ...]
    arrow: bool = False


def read_folder(folder: Path) -> list[Split]:
    """The splits in a folder, the one to read by default first.

    Raises:
        Unreadable: it holds no data files, or files that do not belong together.
    """
    saved = _saved(folder)
    if saved:
        return saved
    try:
        files = _files(folder)
    except OSError as error:
        raise open_failed(error, folder) from error
    if not files:
        raise Unreadable("is_directory", "it is a folder without data files", where=str(folder))
    by_name: dict[str, list[Path]] = {}
    for path in files:
        by_name.setdefault(_split_of(path, folder), []).append(path)
    named = {name: found for name, found in by_name.items() if name}
    # Files of a collection may be called something like train too.
    if sum(map(len, named.values())) < len(by_name.get("", [])):
        named = {"": files}
    splits = [Split(name, tuple(found)) for name, found in named.items()]
    for split in splits:
        _refuse_mixture(folder, split)
    order = {"train": 0, "": 1, "validation": 2, "test": 3}
    return sorted(splits, key=lambda split: (order.get(split.name, 4), split.name))


def folder_files(folder: Path) -> list[Path]:
    """Every file that a folder's splits are made of; none where it holds no data."""
    try:
        return [path for split in read_folder(folder) for path in split.files]
    except Unreadable:
        return []


def choose_split(splits: list[Split], part: str, where: str) -> Split:
    """The split asked for, or the first. Raises Unreadable where there is no such split."""
    if not part:
        return splits[0]
    wanted = split_name(part) or part
    for split in splits:
        if split.name in (part, wanted):
            return split
    names = ", ".join(split.name or "(unnamed)" for split in splits)
    raise Unreadable("not_found", f"there is no part `{part[:40]}`", where=where, hint=f"There are: {names}.")


def _saved(folder: Path) -> list[Split]:
    """The splits of a folder that datasets' `save_to_disk` wrote; none where it is not such a folder."""
    listing = _json(folder / "dataset_dict.json")
    names = listing.get("splits") if listing else None
    if isinstance(names, list):
        splits = [_saved_split(folder / name, name) for name in names if isinstance(name, str) and "/" not in name]
        found = [split for split in splits if split is not None]
        if not found:
            raise Unreadable(
                "not_found", "its splits are missing", where=str(folder), hint="Save the data set again."
            )
        return sorted(found, key=lambda split: split.name != "train")
    one = _saved_split(folder, "")
    return [one] if one else []


def _saved_split(folder: Path, name: str) -> Split | None:
    state = _json(folder / "state.json")
    listed = state.get("_data_files") if state else None
    if not isinstance(listed, list):
        return None
    names = [str(entry.get("filename")) for entry in listed if isinstance(entry, dict)]
    files = [folder / Path(item).name for item in names]
    missing = next((path for path in files if not path.is_file()), None)
    if missing:
        raise Unreadable("not_found", f"`{missing.name}` is missing", where=str(folder), hint="Save it again.")
    return Split(name, tuple(files), arrow=True)


def _json(path: Path) -> dict[str, object] | None:
    try:
        if path.stat().st_size > 16 << 20:
            return None
        value = orjson.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def _files(folder: Path) -> list[Path]:
    """The data files in a folder: in itself, in ``data``, and in subfolders that are named like splits."""
    entries = sorted((entry for entry in folder.iterdir() if entry.name[0] not in "._"), key=_order)
    found = [entry for entry in entries if _is_data(entry)]
    for entry in entries:
        if entry.is_dir() and (split_name(entry.name) or entry.name == "data"):
            inner = sorted(
                (item for item in entry.iterdir() if _is_data(item) and item.name[0] not in "._"), key=_order
            )
            found += inner
    rich = [path for path in found if _suffix(path) not in _TEXTS]
    return (rich or [path for path in found if _suffix(path) == ".txt"])[:_MOST_FILES]


def _order(path: Path) -> list[tuple[int, str]]:
    """Numbers in names by their value: part-2 before part-10."""
    return [(int(bit), "") if bit.isdecimal() else (-1, bit) for bit in re.split(r"(\d{1,18})", path.name)]


def _suffix(path: Path) -> str:
    last = path.suffix.lower()
    return path.with_suffix("").suffix.lower() if last in PACKED_SUFFIXES else last


def _is_data(path: Path) -> bool:
    return _suffix(path) in DATA_SUFFIXES and path.name not in _ABOUT and path.is_file()


def _split_of(path: Path, folder: Path) -> str:
    name = split_name(path.name.partition(".")[0])
    return name or (split_name(path.parent.name) if path.parent != folder else "")


def _refuse_mixture(folder: Path, split: Split) -> None:
    """Raise where the files of a split are not shards of one set: names that differ in more than their numbers."""
    if len({(_DIGITS.sub("0", path.name), path.parent) for path in split.files}) == 1 or len(split.files) == 1:
        return
    if len(split.files) <= 50 and len({_keys(path) for path in split.files}) == 1:
        return
    names = [path.name for path in split.files]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    kind = f" of `{split.name}`" if split.name else ""
    raise Unreadable(
        "is_directory",
        f"it is a folder of {len(names)} data files{kind} that do not belong together",
        where=str(folder),
        hint=f"Name one of them: {', '.join(names[:_NAMED])}{more}",
    )


def _keys(path: Path) -> tuple[str, ...]:
    """The fields of a file's first row; its own name where it has none."""
    from core.data.parse import parse_json
    from core.data.source import HEAD, Source
    from core.errors import DiapasonError

    try:
        source = Source(path)
        try:
            if source.layout == "csv":
                return tuple(sorted(source.columns))
            if source.layout == "text":
                return ("text",)
            line = source.read(source.start, source.start + HEAD).lstrip().partition(b"\n")[0]
            raw = line if source.layout == "jsonl" else next(source.rows())[2]
            value = parse_json(raw, source, [])
        finally:
            source.close()
    except (DiapasonError, StopIteration):
        return (path.name,)
    return tuple(sorted(value)) if isinstance(value, dict) else (path.name,)
