"""What a person names as data: a file, one part of it, a folder, a data set of the hub, or the standard input."""

from __future__ import annotations

import difflib
import errno
import os
import re
import stat
from dataclasses import dataclass, replace
from pathlib import Path

from core.data.unreadable import Unreadable

# A name of the hub: letters, digits, - _ and . (huggingface_hub.utils.validate_repo_id).
_HUB = re.compile(
    r"(?P<id>[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}?)(?::(?P<config>[\w.+-]+))?(?:#(?P<part>[^#]+))?"
)
# pathlib makes one slash of two.
_PREFIX = re.compile(r"hf:/{1,2}datasets/")
DATA_SUFFIXES = frozenset({".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".txt", ".md", ".parquet", ".arrow"})
PACKED_SUFFIXES = frozenset({".gz", ".bz2", ".xz", ".zst"})
STDIN = "-"


@dataclass(frozen=True, slots=True)
class Place:
    """Where data is: `kind` is file, folder, hub or stdin; `part` the split, or list, asked for behind a ``#``.

    `path` is the file or folder; for the hub `hub_id` and `config` name the data set.
    """

    kind: str
    path: Path
    part: str = ""
    hub_id: str = ""
    config: str = ""


def find_place(path: Path) -> Place:
    """What `path` names.

    A ``#`` and what follows it is a part, unless a file goes by the whole name. ``owner/name`` is a data set of
    the Hugging Face hub where there is neither such a file nor such a folder; ``hf://datasets/name`` always is.

    Raises:
        Unreadable: there is nothing there that could be read.
    """
    name = str(path)
    if name == STDIN:
        return Place("stdin", path)
    prefix = _PREFIX.match(name)
    if prefix:
        return _hub(name[prefix.end() :], name)
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        whole, mark, part = name.rpartition("#")
        if mark and whole and part and os.path.lexists(whole):
            return replace(find_place(Path(whole)), part=part)
        if is_hub_id(name):
            return _hub(name, name)
        raise Unreadable("not_found", "there is no such file", where=name, hint=_near(path)) from None
    except (OSError, ValueError) as error:
        raise _refused(error, name) from error
    if stat.S_ISDIR(mode):
        return Place("folder", path)
    if not stat.S_ISREG(mode):
        raise Unreadable("not_regular_file", "it is not a regular file", where=name, detail=_kind(mode))
    return Place("file", path)


def is_hub_id(name: str, base: Path | None = None) -> bool:
    """Whether `name` names a data set of the hub: as ``owner/name``, and nothing on this disk goes by it."""
    if _PREFIX.match(name):
        return True
    match = _HUB.fullmatch(name)
    if match is None or Path(match["id"]).suffix.lower() in DATA_SUFFIXES | PACKED_SUFFIXES:
        return False
    return not os.path.lexists((base or Path()) / match["id"].partition("/")[0])


def shown_name(path: Path) -> str:
    """The name to show: the file's, or that of the folder which ``.`` or ``..`` stands for."""
    return _settled(path).name or str(path)


def beside(path: Path, ending: str) -> Path:
    """The file beside what `path` names that bears its name: ``data.jsonl`` and `ending`; in a root, the ending."""
    whole = _settled(path)
    return whole.with_name(f"{whole.name}{ending}") if whole.name else whole / ending


def _settled(path: Path) -> Path:
    return path if path.name not in ("", "..") else path.resolve()


def open_failed(error: OSError | ValueError, path: Path) -> Unreadable:
    """Why the file could not be opened or read."""
    return _refused(error, str(path))


def _hub(text: str, name: str) -> Place:
    match = _HUB.fullmatch(text) or re.fullmatch(
        r"(?P<id>[A-Za-z0-9][\w.-]{0,95}?)(?::(?P<config>[\w.+-]+))?(?:#(?P<part>[^#]+))?", text
    )
    if match is None:
        raise Unreadable("not_found", "this is no name of a data set", where=name, hint="For example: openai/gsm8k")
    return Place("hub", Path(name), match["part"] or "", match["id"], match["config"] or "")


def _refused(error: OSError | ValueError, name: str) -> Unreadable:
    number = getattr(error, "errno", None)
    if number == errno.ELOOP:
        return Unreadable("symlink_loop", "cannot read the file: its links lead back to themselves", where=name)
    if number in (errno.EACCES, errno.EPERM):
        return Unreadable("permission_denied", "cannot read the file: permission denied", where=name)
    reason = (getattr(error, "strerror", None) or str(error)).lower()
    return Unreadable("not_found", f"cannot read the file: {reason}", where=name)


def _kind(mode: int) -> str:
    kinds = ((stat.S_ISFIFO, "pipe"), (stat.S_ISSOCK, "socket"), (stat.S_ISCHR, "device"), (stat.S_ISBLK, "device"))
    return next((kind for test, kind in kinds if test(mode)), "")


def _near(path: Path) -> str:
    """What the person may have meant."""
    try:
        names = [entry.name for entry in path.parent.iterdir()]
    except OSError:
        return f"The folder {path.parent} cannot be read either."
    near = difflib.get_close_matches(path.name, names, 1)
    return f"Did you mean {path.parent / near[0]}?" if near else "Check the name and the folder."
