"""Defects of a whole file: what it is, how it is packed, encoded and laid out, each in files of clean rows."""

from __future__ import annotations

import csv
import io
import json
import os
import random
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Made:
    """A file with one defect: where it lies, the lines to be told (None: none or all), what `check` is told."""

    path: Path | str
    lines: tuple[int, ...] | None = None
    options: dict[str, Any] = field(default_factory=dict[str, Any])


Case = Callable[[Path, Sequence[Pair], random.Random], Made]
CASES: list[tuple[str, frozenset[str], Case]] = []


def plants_file(code: str, *also: str) -> Callable[[Case], Case]:
    """Enter the function below as one that makes a file with the defect `code`, from which `also` follow."""

    def enter(case: Case) -> Case:
        CASES.append((code, frozenset(also), case))
        return case

    return enter


def rows_of(pairs: Sequence[Pair]) -> list[dict[str, Any]]:
    """A row of prompt and completion for each pair."""
    return [{"prompt": asked, "completion": said} for asked, said in pairs]


def json_lines(pairs: Sequence[Pair]) -> bytes:
    """The pairs as JSON Lines."""
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows_of(pairs))


def table(
    pairs: Sequence[tuple[str, ...]], delimiter: str = ",", names: Sequence[str] = ("prompt", "completion")
) -> str:
    """The pairs as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    writer.writerows([names, *pairs] if names else pairs)
    return text.getvalue()


def saved(folder: Path, name: str, data: bytes | str, lines: tuple[int, ...] | None = None, **options: Any) -> Made:
    """Write the file `name` and say what is planted in it."""
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return Made(path, lines, options)


# -- no data --------------------------------------------------------------------------------------------------


@plants_file("empty_file")
def nothing(folder: Path, pairs: Sequence[Pair], rng: random.Random) -> Made:
    """No bytes, blanks, an empty list, a header alone."""
    ways = [("a.jsonl", ""), ("a.jsonl", "\n \n"), ("a.json", "[]\n"), ("a.csv", "prompt,completion\n")]
    return saved(folder, *rng.choice(ways))


@plants_file("not_found")
def absent(folder: Path, pairs: Sequence[Pair], rng: random.Random) -> Made:
    """A name that is none."""
    return Made(folder / rng.choice(["train.json", "no/train.jsonl", "trein.jsonl"]))


@plants_file("read_error")
def failing_disk(folder: Path, pairs: Sequence[Pair], rng: random.Random) -> Made:
    """A file whose first byte cannot be read: the memory of this process, of which nothing lies at address 0."""
    (folder / "rows.jsonl").symlink_to("/proc/self/mem")
    return Made(folder / "rows.jsonl")


@plants_file("symlink_loop")
def loop(folder: Path, pairs: Sequence[Pair], rng: random.Random) -> Made:
    """Two links, each to the other."""
    (folder / "a.jsonl").symlink_to("b.jsonl")
    (folder / "b.jsonl").symlink_to("a.jsonl")
    return Made(folder / "a.jsonl")


@plants_file("is_directory")
def directory(folder: Path, pairs: Sequence[Pair], rng: random.Random) -> Made:
    """A folder without data files."""
    (folder / "data").mkdir()
    (folder / "data" / rng.choice(["notes.docx", "run.py"])).write_bytes(b"\0\1")
    return Made(folder / "data")


@plants_file("not_regular_file")
def pipe(folder: Path, pairs: Sequence[Pair], rng: random.Random) -> Made:
    """A pipe, a device, a socket."""
    way = rng.randrange(3)
    if way == 0:
        os.mkfifo(folder / "rows.jsonl")
    elif way == 1:
        return Made(rng.choice(["/dev/null", "/dev/zero"]))
    else:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(str(folder / "rows.jsonl"))
    return Made(folder / "rows.jsonl")


@plants_file("permission_denied")
def forbidden(folder: Path, pairs: Sequence[Pair], rng: random.Random) -> Made:
    """A file that may not be read, or one in a folder that may not be entered."""
    made = saved(folder, "rows.jsonl", json_lines(pairs))
    if rng.random() < 0.5:
        (folder / "rows.jsonl").chmod(0)
        return made
    (folder / "closed").mkdir()
    os.replace(folder / "rows.jsonl", folder / "closed" / "rows.jsonl")
    (folder / "closed").chmod(0)
    return Made(folder / "closed" / "rows.jsonl")


@plants_file("binary_file")
def binary(folder: Path, pairs: Sequence[Pair], rng: random.Random) -> Made:
    """A picture, a program, an archive of weights, noise."""
    heads = [b"\x89PNG\r\n\x1a\n", b"\x7fELF\x02\x01\x01", b"%PDF-1.7\n", b"\xff\xd8\xff\xe0\0\x10JFIF", b""]
    return saved(
        folder,
        rng.choice(["rows.jsonl", "model.bin", "rows.json"]),
        rng.choice(heads) + bytes(2) + rng.randbytes(4000),
    )


@plants_file("html_not_data")
def page(folder: Path, pairs: Sequence[Pair], rng: random.Random) -> Made:
    """The page of a hub, an error of a store."""
    pages = [
        f"<!DOCTYPE html>\n<html><head><title>rows.jsonl</title></head><body>{pairs[0][0]}</body></html>\n",
        "<html>\n<body>404 Not Found</body></html>\n",
        "<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>\n",
        "\n\n  <!doctype HTML>\n<html lang=en><p>Sign in</p>\n",
    ]
    return saved(folder, rng.choice(["rows.jsonl", "rows.json", "rows.csv"]), rng.choice(pages))


@plants_file("lfs_pointer")
def pointer(folder: Path, pairs: Sequence[Pair], rng: random.Random) -> Made:
    """What Git LFS leaves where the data was not fetched."""
    digest = "".join(rng.choices("0123456789abcdef", k=64))
    text = f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {rng.randrange(10**6)}\n"
    return saved(folder, rng.choice(["rows.jsonl", "rows.parquet", "rows.csv.gz"]), text)
