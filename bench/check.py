"""How fast a chat file is checked, beside what others do with the same rows on the same machine.

Rows of chat JSON Lines (about 1.2 kB, two to six turns, one in five with a system message, one in ten in French, no
two alike) are written to a temporary folder and read once, so that they lie in the page cache. Then, each in a fresh
process: `orjson.loads` of every line, one core; the checks of the OpenAI cookbook ("Data preparation and analysis
for chat model fine-tuning": json.loads of every line into a list, then types, keys, roles, content, an assistant
message), one core, on a part of the rows, since it keeps them all; Diapason's structural pass, with exact duplicates
and contradictions (`check(near=None, languages=False)`), on all cores; and with `--full` the whole `diapason data
check` with near duplicates. Printed: seconds, MB/s, the largest memory of all processes together, and the ratios.
Issue 3 asks for 1 GB in 8 s where parsing alone goes at 690 MB/s and the cookbook's checks at 100 MB/s, which is 0.18
times and 1.25 times their speed, and for 300 MB of memory. Exit code 0 only where these hold.

    python bench/check.py [--megabytes 1000] [--full] [--folder DIR]
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
GOALS = {"orjson": 0.18, "cookbook": 1.25}
MEMORY = 300.0
_PART = 100
_PHRASES, _BLOCK = 20_000, 1000
_ENGLISH = """
    the order was sent yesterday and should arrive before Friday please tell me where my parcel is now thank you
    for your message we are sorry to hear that it came late our team will look at it today could you give the
    address again a refund takes five working days after we have it back in our store would you like another one
"""
_FRENCH = """
    la commande a été envoyée hier et devrait arriver avant vendredi dites-moi où est mon colis merci pour votre
    message nous sommes désolés d'apprendre ce retard notre équipe s'en occupe dès aujourd'hui à bientôt
"""
_PARSE = """
import orjson, sys
with open(sys.argv[1], "rb") as file:
    for line in file:
        orjson.loads(line)
"""
_COOKBOOK = """
import json, sys
from collections import defaultdict
with open(sys.argv[1], encoding="utf-8") as file:
    dataset = [json.loads(line) for line in file]
errors = defaultdict(int)
for ex in dataset:
    if not isinstance(ex, dict):
        errors["data_type"] += 1
        continue
    messages = ex.get("messages", None)
    if not messages:
        errors["missing_messages_list"] += 1
        continue
    for message in messages:
        if "role" not in message or "content" not in message:
            errors["message_missing_key"] += 1
        if any(k not in ("role", "content", "name", "function_call", "weight") for k in message):
            errors["message_unrecognized_key"] += 1
        if message.get("role", None) not in ("system", "user", "assistant", "function"):
            errors["unrecognized_role"] += 1
        content = message.get("content", None)
        if (not content and not message.get("function_call", None)) or not isinstance(content, str):
            errors["missing_content"] += 1
    if not any(message.get("role", None) == "assistant" for message in messages):
        errors["example_missing_assistant_message"] += 1
assert not errors, errors
"""
_OURS = """
import sys
from core.data.report import check
report = check(sys.argv[1], near=None, languages=False)
assert report.rows_valid == report.rows_total and not report.findings, report.findings
"""


def write_rows(path: Path, megabytes: float) -> int:
    """Write chat rows until the file has `megabytes`; return how many. The same ones each time."""
    rng = random.Random(0)
    pools = [_phrases(rng, words) for words in (_ENGLISH, _FRENCH)]
    rows = 0
    with path.open("wb") as file:
        while file.tell() < megabytes * 1_000_000:
            file.write(b"".join(_row(rng, pools[rng.random() < 0.1]) for _ in range(_BLOCK)))
            rows += _BLOCK
    return rows


def _phrases(rng: random.Random, words: str) -> list[bytes]:
    """Runs of twelve words, as they stand inside a JSON string."""
    known = words.split()
    return [" ".join(rng.choices(known, k=12)).encode() for _ in range(_PHRASES)]


def _row(rng: random.Random, phrases: list[bytes]) -> bytes:
    turns = [b'{"role": "system", "content": "You answer customers of a small shop."}'] if rng.random() < 0.2 else []
    pairs = rng.choices((1, 2, 3), (5, 3, 2))[0]
    for _ in range(pairs):
        for role in (b"user", b"assistant"):
            said = b" ".join(rng.choices(phrases, k=rng.randint(4, 12) // pairs + 2))
            turns.append(b'{"role": "%b", "content": "%b."}' % (role, said[:1].upper() + said[1:]))
    return b'{"messages": [%b]}\n' % b", ".join(turns)


def measured(command: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """Seconds that a command takes, and the largest resident memory in MB of it and its children together."""
    peak, done = 0.0, threading.Event()
    began = time.perf_counter()
    process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL)

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.05):
            try:
                family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
                peak = max(peak, sum(one.memory_info().rss for one in family) / 1e6)
            except psutil.Error:
                continue

    watcher = threading.Thread(target=watch)
    watcher.start()
    code = process.wait()
    seconds = time.perf_counter() - began
    done.set()
    watcher.join()
    if code not in (0, 1):
        raise RuntimeError(f"{command[-1]} ended with {code}")
    return seconds, peak


def main() -> int:
    """Measure and print; 0 where the goals are met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, default=1000)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--folder", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "DIAPASON_HOME": name + "/home"}
        path, part = Path(name, "chat.jsonl"), Path(name, "part.jsonl")
        rows = write_rows(path, args.megabytes)
        write_rows(part, min(args.megabytes, _PART))
        size, less = path.stat().st_size / 1e6, part.stat().st_size / 1e6
        print(f"{rows:,} rows of {size * 1e6 / rows:,.0f} bytes, {size:,.0f} MB, {os.cpu_count()} cores")
        speeds: dict[str, float] = {}
        memory = 0.0
        runs = [("orjson", _PARSE, path, size), ("cookbook", _COOKBOOK, part, less), ("ours", _OURS, path, size)]
        for what, code, file, megabytes in runs:
            file.read_bytes() if megabytes < 500 else subprocess.run(
                ["cat", file], stdout=subprocess.DEVNULL, check=True
            )
            seconds, peak = measured([sys.executable, "-c", code, str(file)], environment)
            speeds[what], memory = megabytes / seconds, peak
            print(f"{what:<10} {seconds:6.1f} s {speeds[what]:7.1f} MB/s {peak:6.0f} MB")
        if args.full:
            command = [sys.executable, "-m", "tui", "data", "check", str(path)]
            seconds, peak = measured(command, environment)
            print(f"{'full check':<10} {seconds:6.1f} s {size / seconds:7.1f} MB/s {peak:6.0f} MB")
        good = memory <= MEMORY
        for what, goal in GOALS.items():
            ratio = speeds["ours"] / speeds[what]
            good &= ratio >= goal
            print(f"ours is {ratio:.2f} times as fast as {what} (asked: {goal})")
        print(f"memory {memory:.0f} MB (asked: {MEMORY:.0f})")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
