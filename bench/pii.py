"""Personal data and secrets: throughput on one core, and precision and recall by kind on labelled texts.

Throughput is the finder's over the rows of a JSON Lines file, from raw bytes to spans, and beside it the same for
one naive `re` pattern per kind, tried one after the other on every text (the way of scrubadub and most scripts), and
for the union of those patterns. The bar is 25 MB/s on one core; the ratios do not hang on the machine.

Recall and precision are taken on presidio_synth_dataset_v2.json (presidio-research, MIT). A labelled span counts as
found where a span of its kind overlaps it; recall is the share of labelled spans found. A span counts as right where
it overlaps a label of its kind; precision is the share of spans that are right. The set labels e-mail, telephone,
card, IBAN, SSN and IP; it holds no NIR and no secret, so that any span of those is a false alarm.

    DIAPASON_DATA=FOLDER python bench/pii.py [FOLDER]
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from core.data.checks.characters import texts  # noqa: E402
from core.data.checks.gate import PRIVATE, flags  # noqa: E402
from core.data.pii.spans import KINDS, find_spans  # noqa: E402

BAR = 25.0
RECALL = {"pii_email": 0.95, "pii_card": 0.95, "pii_iban": 0.95, "pii_ip": 0.95}
LABELS = {
    "EMAIL_ADDRESS": "pii_email",
    "PHONE_NUMBER": "pii_phone",
    "CREDIT_CARD": "pii_card",
    "IBAN_CODE": "pii_iban",
    "US_SSN": "pii_ssn",
    "IP_ADDRESS": "pii_ip",
}
NAIVE = {
    "pii_email": r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}",
    "pii_phone": r"(?:\+|\b)\d[\d ().-]{7,}\d\b",
    "pii_card": r"\b(?:\d[ -]?){13,19}\b",
    "pii_iban": r"\b[A-Z]{2}\d{2}[A-Z0-9 ]{11,30}\b",
    "pii_nir": r"\b[12]\s?\d{2}\s?\d{2}\s?\d{2}\s?\d{3}\s?\d{3}\s?\d{2}\b",
    "pii_ssn": r"\b\d{3}-\d{2}-\d{4}\b",
    "pii_ip": r"\b(?:\d{1,3}\.){3}\d{1,3}\b",
    "secret": r"AKIA[0-9A-Z]{16}|ghp_[A-Za-z0-9]{36}|sk-[A-Za-z0-9]{20,}|hf_[A-Za-z0-9]{30,}|-----BEGIN [A-Z ]*KEY",
}


def ours(raw: bytes) -> int:
    """How many spans the row has, as the checker finds them: most rows stop at the gate."""
    found = flags(raw) & PRIVATE
    if not found:
        return 0
    return sum(len(find_spans(text)) for _, text in texts(orjson.loads(raw), ""))


def naive(pattern: dict[str, re.Pattern[str]]) -> Callable[[bytes], int]:
    """The peer: every pattern over every text of the row."""

    def count(raw: bytes) -> int:
        found = 0
        for _, text in texts(orjson.loads(raw), ""):
            for one in pattern.values():
                found += len(one.findall(text))
        return found

    return count


def speed(count: Callable[[bytes], int], rows: list[bytes], repeats: int = 3) -> tuple[float, int]:
    """MB/s of CPU time, the best of some runs, and what was found."""
    size = sum(map(len, rows)) / 1e6
    best, found = 0.0, 0
    for _ in range(repeats):
        began = time.process_time()
        found = sum(map(count, rows))
        best = max(best, size / max(1e-9, time.process_time() - began))
    return best, found


def throughput(path: Path) -> bool:
    """Print the figures; whether the bar is reached."""
    rows = path.read_bytes().splitlines()
    own, found = speed(ours, rows)
    print(f"throughput over {path.name}, {sum(map(len, rows)) / 1e6:.1f} MB, one core, CPU time")
    print(f"  this finder             {own:7.1f} MB/s   {found} spans")
    peers = {
        "one pattern per kind": {kind: re.compile(text) for kind, text in NAIVE.items()},
        "union of the patterns": {"all": re.compile("|".join(f"(?:{text})" for text in NAIVE.values()))},
    }
    for name, patterns in peers.items():
        rate, hits = speed(naive(patterns), rows, 1)
        print(f"  {name:<23} {rate:7.1f} MB/s   {hits} spans   ratio {own / rate:.1f}")
    return own >= BAR


def accuracy(path: Path, shown: int) -> bool:
    """Print recall and precision by kind; whether the bars are reached."""
    rows: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    labelled, recalled, right, said = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    missed: list[str] = []
    for row in rows:
        text = row["full_text"]
        spans = find_spans(text)
        truth = [
            (LABELS[span["entity_type"]], span["start_position"], span["end_position"])
            for span in row["spans"]
            if span["entity_type"] in LABELS
        ]
        for kind, start, end in truth:
            labelled[kind] += 1
            hit = any(span.kind == kind and span.start < end and start < span.end for span in spans)
            recalled[kind] += hit
            if not hit:
                missed.append(f"  missed {kind}: {text[max(0, start - 30) : end + 10]!r}")
        for span in spans:
            said[span.kind] += 1
            hit = any(kind == span.kind and span.start < end and start < span.end for kind, start, end in truth)
            right[span.kind] += hit
            if not hit:
                missed.append(f"  false {span.kind}: {text[max(0, span.start - 30) : span.end + 10]!r}")
    print(f"\n{path.name}: {len(rows)} texts")
    print(f"  {'kind':<10} {'labelled':>8} {'recall':>7} {'found':>6} {'precision':>9}")
    good = True
    for kind in KINDS:
        recall = recalled[kind] / labelled[kind] if labelled[kind] else None
        precision = right[kind] / said[kind] if said[kind] else None
        good &= recall is None or recall >= RECALL.get(kind, 0.0)
        cells = ["    -" if value is None else f"{value:.3f}" for value in (recall, precision)]
        print(f"  {kind:<10} {labelled[kind]:>8} {cells[0]:>7} {said[kind]:>6} {cells[1]:>9}")
    print("\n".join(missed[:shown]))
    return good


def main() -> int:
    """Measure and print; 0 where every bar is reached."""
    parser = argparse.ArgumentParser(description="Measure the finder of personal data and secrets.")
    parser.add_argument("folder", type=Path, nargs="?", default=os.environ.get("DIAPASON_DATA"))
    parser.add_argument("--show", type=int, default=0, help="how many misses and false alarms to print")
    given = parser.parse_args()
    if given.folder is None:
        parser.error("name the folder of the data, or set DIAPASON_DATA")
    fast = throughput(given.folder / "gsm8k_train.jsonl")
    return 0 if accuracy(given.folder / "presidio_synth_dataset_v2.json", given.show) and fast else 1


if __name__ == "__main__":
    raise SystemExit(main())
