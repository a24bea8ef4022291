"""How fast a large file opens: 1 GB of chat rows, beside `wc -l` and Python's own loop over lines.

A million rows of chat JSON Lines are written to a temporary folder (and removed again), and read once so that they
lie in the page cache. Then, each in a fresh process and by turns: `wc -l`; a Python loop that counts lines and keeps
their offsets; Diapason's first page (open, find the first rows, read 50), its whole index, and 200 rows anywhere.
Then the first page of the same rows packed (gzip, Parquet, UTF-16, a JSON array, CSV), each in a fresh process too.
Printed: medians, the ratio to the peers, the largest resident memory. Exit code 0 only where the goals are met.

    python bench/index_speed.py [--megabytes 1000] [--times 5] [--folder DIR]
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROW_BYTES = 1000
# Issue 3: first page and any row in milliseconds, the index in seconds, browsing in MB.
OTHERS = ("gzip", "parquet", "utf-16", "array", "csv")
GOALS = {"first page": 150.0, "any row": 70.0, "index": 1500.0, "memory": 300.0, **dict.fromkeys(OTHERS, 300.0)}
_LOOP = """
import sys, time
began = time.perf_counter()
offsets, at = [], 0
with open(sys.argv[1], "rb") as file:
    for line in file:
        offsets.append(at)
        at += len(line)
print(time.perf_counter() - began, len(offsets))
"""
_OURS = """
import json, random, resource, sys, time
from pathlib import Path
import numpy, orjson
from core.data.dataset import open_dataset
import core.data.index
path = Path(sys.argv[1])
began = time.perf_counter()
dataset = open_dataset(path)
count = dataset.peek()
page = [dataset.row(number) for number in range(50)]
first = time.perf_counter() - began
assert all(row.usable for row in page)
began = time.perf_counter()
total = len(dataset)
index = time.perf_counter() - began
slowest = 0.0
for number in random.Random(0).sample(range(total), 200):
    began = time.perf_counter()
    assert dataset.row(number).usable
    slowest = max(slowest, time.perf_counter() - began)
began = time.perf_counter()
again = len(open_dataset(path))
cached = time.perf_counter() - began
assert again == total
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"first page": first * 1e3, "index": index * 1e3, "any row": slowest * 1e3,
                  "cached": cached * 1e3, "memory": peak, "rows": total}))
"""

_FIRST_PAGE = """
import sys, time
import numpy, orjson, pyarrow.parquet
from core.data.dataset import open_dataset
from core.data.preview import open_preview
import core.data.index
began = time.perf_counter()
first = open_preview(sys.argv[1]) or open_dataset(sys.argv[1])
assert first.peek() >= 50
assert all(first.row(number).usable for number in range(50))
print(time.perf_counter() - began)
"""


def write_rows(path: Path, megabytes: int) -> int:
    """Write chat rows of about a kilobyte until the file has `megabytes`; return how many."""
    rng = random.Random(0)
    words = ["order", "parcel", "invoice", "tomorrow", "été", "livraison", "please", "address", "Straße", "\\n", "42"]
    rows = 0
    with path.open("wb") as file:
        while file.tell() < megabytes * 1_000_000:
            block: list[bytes] = []
            for _ in range(200):
                said = [" ".join(rng.choices(words, k=31)) for _ in range(4)]
                roles = ("user", "assistant", "user", "assistant")
                turns = [{"role": role, "content": text} for role, text in zip(roles, said, strict=True)]
                block.append(json.dumps({"messages": turns}, ensure_ascii=False).encode())
            # The same block with other numbers: making a gigabyte of new text would take longer than measuring.
            for number in range(25):
                file.write(b"".join(line[:-1] + b', "id": %d}\n' % (rows + number) for line in block))
                rows += len(block)
    return rows


def write_other(path: Path, kind: str) -> Path:
    """The rows of a JSON Lines file in another layout, beside it."""
    other = path.with_suffix({"gzip": ".jsonl.gz", "utf-16": ".txt.jsonl", "array": ".json"}.get(kind, f".{kind}"))
    with path.open("rb") as source:
        if kind == "gzip":
            with gzip.open(other, "wb", compresslevel=1) as packed:
                shutil.copyfileobj(source, packed, 1 << 22)
        elif kind == "utf-16":
            with other.open("w", encoding="utf-16") as text:
                text.writelines(line.decode() for line in source)
        elif kind == "array":
            with other.open("wb") as array:
                array.writelines((b"[" if not row else b",") + line for row, line in enumerate(source))
                array.write(b"]")
        elif kind == "csv":
            with other.open("w", newline="") as table:
                writer = csv.writer(table)
                writer.writerow(["prompt", "completion"])
                for line in source:
                    turns = json.loads(line)["messages"]
                    writer.writerow([turns[0]["content"], turns[1]["content"] + "\n" + turns[3]["content"]])
        else:
            _write_parquet(source, other)
    return other


def _write_parquet(source: Iterable[bytes], other: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer = None
    lines = iter(source)
    while block := list(islice(lines, 50_000)):
        table = pa.Table.from_pylist([json.loads(line) for line in block])
        writer = writer or pq.ParquetWriter(other, table.schema)
        writer.write_table(table)
    if writer:
        writer.close()


def run(command: list[str], environment: dict[str, str]) -> str:
    """The output of a command. Raises RuntimeError with its errors."""
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout


def timed_wc(path: Path, environment: dict[str, str]) -> float:
    """Milliseconds that `wc -l` takes by its own clock."""
    code = "import subprocess, sys, time\nb = time.perf_counter()\nsubprocess.run(['wc', '-l', sys.argv[1]], "
    code += "stdout=subprocess.DEVNULL, check=True)\nprint(time.perf_counter() - b)"
    return float(run([sys.executable, "-c", code, str(path)], environment)) * 1e3


def main() -> int:
    """Measure and print; 0 where every goal is met."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=None, help="where the file is written for the while")
    options = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="diapason-bench-", dir=options.folder))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "DIAPASON_HOME": str(work / "home")}
    try:
        path = work / "rows.jsonl"
        rows = write_rows(path, options.megabytes)
        print(f"{path.stat().st_size / 1e6:,.0f} MB, {rows:,} rows")
        timed_wc(path, environment)
        found: dict[str, list[float]] = {}
        for _ in range(options.times):
            found.setdefault("wc -l", []).append(timed_wc(path, environment))
            loop, count = run([sys.executable, "-c", _LOOP, str(path)], environment).split()
            assert int(count) == rows
            found.setdefault("python loop", []).append(float(loop) * 1e3)
            # The index is kept in the home: each time a new one.
            shutil.rmtree(work / "home", ignore_errors=True)
            ours = json.loads(run([sys.executable, "-c", _OURS, str(path)], environment))
            assert ours.pop("rows") == rows
            for name, value in ours.items():
                found.setdefault(name, []).append(value)
        for kind in OTHERS:
            other = write_other(path, kind)
            code = [sys.executable, "-c", _FIRST_PAGE, str(other)]
            run(code, environment)
            found[kind] = [float(run(code, environment)) * 1e3 for _ in range(options.times)]
            other.unlink()
    finally:
        shutil.rmtree(work, ignore_errors=True)
    medians = {name: statistics.median(values) for name, values in found.items()}
    worst = 0
    for name, value in medians.items():
        unit = "MB" if name == "memory" else "ms"
        goal = GOALS.get(name)
        met = goal is None or value <= goal * min(1.0, max(options.megabytes / 1000, 0.1) if name == "index" else 1.0)
        worst |= not met
        title = f"first page, {name}" if name in OTHERS else name
        print(
            f"{title:<20} {value:>9,.1f} {unit}"
            + (f"   goal {goal:,.0f}" + ("" if met else "  MISSED") if goal else "")
        )
    print(f"index: {medians['index'] / medians['wc -l']:.2f} x wc -l, "
          f"{medians['index'] / medians['python loop']:.2f} x the loop")  # fmt: skip
    return int(worst)


if __name__ == "__main__":
    raise SystemExit(main())
