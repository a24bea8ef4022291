"""The packages whose versions decide what a training computes, and how two sets of them differ."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

#: A resumed training would not be the same training with another major version of one of these.
DECISIVE = ("torch", "transformers", "trl", "peft", "bitsandbytes")
_ALL = (*DECISIVE[:4], "accelerate", "bitsandbytes", "datasets", "tokenizers", "diapason")


def installed() -> dict[str, str]:
    """Package → version of what is installed here, Python among them."""
    found = {"python": platform.python_version()}
    for package in _ALL:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def changes(before: Mapping[str, str], now: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """What changed among the decisive packages, as sentences: (major versions, smaller ones)."""
    major: list[str] = []
    smaller: list[str] = []
    for package in DECISIVE:
        old, new = before.get(package), now.get(package)
        if old is None or old == new:
            continue
        if new is None:
            major.append(f"{package} was {old} and is not installed now")
        else:
            kind = major if old.split(".")[0] != new.split(".")[0] else smaller
            kind.append(f"{package} was {old} and is {new} now")
    return major, smaller
