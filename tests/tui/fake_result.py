"""A result and answers as an evaluation leaves them, for tests of the screens."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from core.evaluation.result import METRICS

PRIMARY = "bleu"
ARMS = ("base", "few-shot:5", "tuned")
_VALUES = {
    "loss": (2.412, 1.903, 0.871),
    "perplexity": (11.16, 6.71, 2.39),
    "style_and_fact": (0.082, 0.341, 0.904),
    "exact_match": (0.0, 0.0, 0.312),
    "bleu": (4.1, 9.7, 41.3),
    "rougeL": (0.112, 0.208, 0.611),
}


def fake_result(rows: int = 120) -> dict[str, Any]:
    """A result.json in which tuning won."""
    arms = [
        {
            "name": name,
            "metrics": {
                metric: {"value": values[place], "low": values[place] * 0.94, "high": values[place] * 1.05}
                for metric, values in _VALUES.items()
            },
            "kind": name.partition(":")[0],
            "seconds": 31.0,
            "tokens": 3400,
            "prompt_tokens": 9100,
            "cut": 3 if name == "base" else 0,
            "peak_memory_bytes": 812_000_000,
            "price": None,
            "per_1000": {"prompt_tokens": 75_833, "tokens": 28_333, "seconds": 258.3, "money": None},
        }
        for place, name in enumerate(ARMS)
    ]
    comparisons = [
        {
            "arm": ARMS[place],
            "against": ARMS[against],
            "metric": metric,
            "difference": values[place] - values[against],
            "low": values[place] - values[against] - 0.1 * abs(values[place] - values[against]),
            "high": values[place] - values[against] + 0.1 * abs(values[place] - values[against]),
            "p": 0.00001 if metric != "exact_match" else 0.11,
            "p_corrected": 0.00005 if metric != "exact_match" else 0.21,
            "method": "exact McNemar" if metric == "exact_match" else "paired bootstrap",
            "family": "primary" if metric == PRIMARY else "other",
        }
        for metric, values in _VALUES.items()
        for place, against in ((2, 0), (2, 1), (1, 0))
    ]
    return {
        "schema": 1, "rows": rows, "refused": 2, "too_long": 0, "task": "style", "arms": arms,
        "comparisons": comparisons, "weights": 12345,
        "primary_metric": {"name": PRIMARY, "why": "the default for style"},
        "measured": {name: asdict(METRICS[name]) for name in sorted(_VALUES, key=lambda name: name != PRIMARY)},
        "data": {"path": "test.jsonl", "format": "chat", "sha256": "0" * 64},
    }  # fmt: skip


def fake_answers(rows: int = 12, text: str = "") -> list[dict[str, Any]]:
    """answers.jsonl rows of three arms; `text` goes into every prompt, reference and answer."""
    found: list[dict[str, Any]] = []
    for row in range(rows):
        for place, arm in enumerate(ARMS):
            same = row % 5 == 4
            found.append({
                "row": row, "line": row + 1, "arm": arm,
                "prompt": [{"role": "system", "content": "Be kind."},
                           {"role": "user", "content": f"Question {row}: where is my order?{text}"}],
                "reference": f"Hello, and thank you for writing! Parcel {row} leaves tomorrow.{text}",
                "answer": "It is on its way." if same else f"Answer {row} of {arm}.{text}",
                "nll": 12.0 * (3 - place) * (1 + math.sin(row) / 2), "answer_tokens": 12, "generated_tokens": 9,
                "prompt_tokens": 30, "seconds": 0.2,
            })  # fmt: skip
    return found
