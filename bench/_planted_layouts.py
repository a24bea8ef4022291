"""Defects of a file's packing, encoding, line ends and layout, each in a file of clean rows."""

from __future__ import annotations

import bz2
import gzip
import json
import random
from collections.abc import Sequence
from pathlib import Path

from _planted_files import Made, Pair, json_lines, plants_file, rows_of, saved, table


def _parquet(path: Path, pairs: Sequence[Pair]) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist(rows_of(pairs)), path)
    return path


@plants_file("bad_parquet")
def half_a_table(folder: Path, pairs: Sequence[Pair], rng: random.Random) -> Made:
    """A Parquet file cut off or with noise where its foot was."""
    path = _parquet(folder / "rows.parquet", pairs)
    raw = path.read_bytes()
    cut = raw[: rng.randrange(8, len(raw) - 8)]
    path.write_bytes(cut if rng.random() < 0.5 else cut + rng.randbytes(len(raw) - len(cut)))
    return Made(path)


@plants_file("columnar")
def by_column(folder: Path, pairs: Sequence[Pair], rng: random.Random) -> Made:
    """Parquet, or a dict of lists as pandas writes it."""
    if rng.random() < 0.5:
        return Made(_parquet(folder / "rows.parquet", pairs))
    columns = {"prompt": [asked for asked, _ in pairs], "completion": [said for _, said in pairs]}
    return saved(folder, "rows.json", json.dumps(columns, indent=rng.choice([None, 2])) + "\n")


@plants_file("compressed")
def packed(folder: Path, pairs: Sequence[Pair], rng: random.Random) -> Made:
    """Packed with gzip, under its own name or another."""
    raw = json_lines(pairs)
    if rng.random() < 0.3:
        return saved(folder, "rows.jsonl.bz2", bz2.compress(raw))
    return saved(folder, rng.choice(["rows.jsonl.gz", "rows.jsonl"]), gzip.compress(raw))


@plants_file("truncated_gzip", "compressed", "no_final_newline", "bad_json", "too_few_rows")
def packed_and_cut(folder: Path, pairs: Sequence[Pair], rng: random.Random) -> Made:
    """Cut off, or with another checksum than its rows have."""
    raw = gzip.compress(json_lines(pairs))
    if rng.random() < 0.7:
        return saved(folder, "rows.jsonl.gz", raw[: rng.randrange(len(raw) // 3, len(raw) - 1)])
    return saved(folder, "rows.jsonl.gz", raw[:-8] + bytes(4) + raw[-4:])


@plants_file("parts", "columnar", "wrapped_list")
def several(folder: Path, pairs: Sequence[Pair], rng: random.Random) -> Made:
    """A folder of shards, of splits, a file of splits."""
    half = len(pairs) * 4 // 5
    inside = folder / "data"
    inside.mkdir()
    way = rng.randrange(3)
    if way == 0:
        for number in range(3):
            name = f"train-{number:05d}-of-00003.jsonl"
            (inside / name).write_bytes(json_lines(pairs[number::3]))
    elif way == 1:
        (inside / "train.jsonl").write_bytes(json_lines(pairs[:half]))
        (inside / "test.jsonl").write_bytes(json_lines(pairs[half:]))
    else:
        _parquet(inside / "train-00000-of-00001.parquet", pairs[:half])
        _parquet(inside / "test-00000-of-00001.parquet", pairs[half:])
    return Made(inside)


@plants_file("wrapped_list")
def wrapped(folder: Path, pairs: Sequence[Pair], rng: random.Random) -> Made:
    """The rows in a field of an object, between others."""
    name = rng.choice(["data", "rows", "examples", "train"])
    value = {"version": "1.0", name: rows_of(pairs), "licence": "MIT"}
    return saved(folder, "rows.json", json.dumps(value, indent=rng.choice([None, 1, 4])) + "\n", (1,))


@plants_file("pretty_printed_jsonl")
def pretty(folder: Path, pairs: Sequence[Pair], rng: random.Random) -> Made:
    """Objects over several lines one after the other."""
    text = "".join(json.dumps(row, indent=rng.choice([1, 2, 4])) + "\n" for row in rows_of(pairs))
    return saved(folder, "rows.jsonl", text, (1,))


@plants_file("extension_mismatch")
def misnamed(folder: Path, pairs: Sequence[Pair], rng: random.Random) -> Made:
    """A layout under the name of another."""
    array = json.dumps(rows_of(pairs)) + "\n"
    ways: list[tuple[str, str | bytes]] = [
        ("rows.json", json_lines(pairs)), ("rows.csv", json_lines(pairs)), ("rows.jsonl", array), ("rows.csv", array),
        ("rows.jsonl", table(pairs)), ("rows.json", table(pairs)), ("rows.txt", json_lines(pairs)),
    ]  # fmt: skip
    return saved(folder, *rng.choice(ways))


@plants_file("terminal_escape_in_name")
def acting_name(folder: Path, pairs: Sequence[Pair], rng: random.Random) -> Made:
    """Control characters in the name."""
    mark = rng.choice(["\x1b[31m", "\x07", "\n", "\u202e", "\u200b", "\x7f", "\u2066"])
    return saved(folder, f"ro{mark}ws.jsonl", json_lines(pairs))


@plants_file("unknown_format")
def of_no_kind(folder: Path, pairs: Sequence[Pair], rng: random.Random) -> Made:
    """Fields of which nobody can tell the prompt."""
    names = rng.choice([("premise", "entails"), ("context", "target_x"), ("a", "b"), ("sentence1", "sentence2")])
    text = "".join(json.dumps(dict(zip(names, pair, strict=True))) + "\n" for pair in pairs)
    return saved(folder, "rows.jsonl", text, tuple(range(1, len(pairs) + 1)))


@plants_file("text_rows")
def plain_text(folder: Path, pairs: Sequence[Pair], rng: random.Random) -> Made:
    """Plain text, a paragraph or a line a row."""
    gap = rng.choice(["\n", "\n\n"])
    texts = [" ".join(f"{asked} {said}".split()) for asked, said in pairs]
    return saved(folder, "rows.txt", gap.join(texts) + "\n")


# -- encoding and lines ---------------------------------------------------------------------------------------


@plants_file("bom")
def marked(folder: Path, pairs: Sequence[Pair], rng: random.Random) -> Made:
    """A byte-order mark, as Notepad and Excel write it."""
    name, raw = rng.choice([("rows.jsonl", json_lines(pairs)), ("rows.csv", table(pairs).encode())])
    return saved(folder, name, b"\xef\xbb\xbf" + raw, (1,))


@plants_file("encoding")
def wide(folder: Path, pairs: Sequence[Pair], rng: random.Random) -> Made:
    """UTF-16 and its kin, with a mark or without."""
    name = rng.choice(["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
    return saved(folder, "rows.jsonl", json_lines(pairs).decode().encode(name), (1,))


@plants_file("crlf")
def windows(folder: Path, pairs: Sequence[Pair], rng: random.Random) -> Made:
    """Windows line ends, in all lines or in a few appended on Windows."""
    lines = json_lines(pairs).splitlines(keepends=True)
    first = rng.choice([0, len(lines) - 3])
    lines[first:] = [line[:-1] + b"\r\n" for line in lines[first:]]
    return saved(folder, "rows.jsonl", b"".join(lines))


@plants_file("cr_only")
def old_mac(folder: Path, pairs: Sequence[Pair], rng: random.Random) -> Made:
    """Carriage returns alone."""
    return saved(folder, "rows.jsonl", json_lines(pairs).replace(b"\n", b"\r"), (1,))


@plants_file("no_final_newline")
def unended(folder: Path, pairs: Sequence[Pair], rng: random.Random) -> Made:
    """The last line without its end."""
    return saved(folder, "rows.jsonl", json_lines(pairs)[:-1], (len(pairs),))


@plants_file("blank_lines")
def gaps(folder: Path, pairs: Sequence[Pair], rng: random.Random) -> Made:
    """Lines of nothing or of blanks between the rows."""
    lines = json_lines(pairs).splitlines(keepends=True)
    places = sorted(rng.sample(range(1, len(lines)), 3), reverse=True)
    for place in places:
        lines.insert(place, rng.choice([b"\n", b"  \n", b"\t\n"]))
    blank = tuple(number for number, line in enumerate(lines, 1) if not line.strip())
    return saved(folder, "rows.jsonl", b"".join(lines), blank)


# -- tables ---------------------------------------------------------------------------------------------------


@plants_file("delimiter")
def other_mark(folder: Path, pairs: Sequence[Pair], rng: random.Random) -> Made:
    """Fields parted by what is no comma."""
    return saved(folder, "rows.csv", table(pairs, rng.choice([";", "\t", "|"])), (1,))


@plants_file("no_header", "unknown_format")
def headless(folder: Path, pairs: Sequence[Pair], rng: random.Random) -> Made:
    """A table that begins with its first row."""
    return saved(folder, "rows.csv", table(pairs, names=()), (1,))


@plants_file("duplicate_column", "key_case", "extra_field")
def doubled(folder: Path, pairs: Sequence[Pair], rng: random.Random) -> Made:
    """A column's name twice, in the same letters or not."""
    again = rng.choice(["prompt", "Prompt", "completion"])
    rows = [(asked, said, asked if again != "completion" else said) for asked, said in pairs]
    return saved(folder, "rows.csv", table(rows, names=("prompt", "completion", again)), (1,))
