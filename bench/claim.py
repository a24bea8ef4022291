"""The demo's claim, measured through the program itself: tuned beats base, and base with 5 examples.

For each seed (of the split, the training and the examples): split the English support sample, write the
recommended recipe, train, evaluate, all by the `diapason` command with an empty home. Printed: answer loss and
style-and-fact score of the three arms, the p-values of the paired bootstrap, the time of each step, and the
highest similarity of a test prompt to a training row and to the starter's corpus. Exit code 0 only where every
comparison holds at p < .01 on at least 100 test prompts and no similarity reaches 0.6.

    python bench/claim.py [--seeds 0 1 2] [--shards N]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from core.starter import sample  # noqa: E402
from core.starter.corpus import SHARDS, corpus, parts  # noqa: E402
from core.starter.similarity import NEAR, Index  # noqa: E402

ARMS = ("base", "few-shot:5", "tuned")
METRICS = {"loss": -1, "style_and_fact": 1}  # the sign of a difference that favours tuned
LIMIT = 0.01
ROWS = 100


@dataclass
class Outcome:
    """What one seed gave: seconds of each step, the evaluation's document, the test prompts' highest similarity."""

    seed: int
    seconds: dict[str, float] = field(default_factory=dict[str, float])
    document: dict[str, Any] = field(default_factory=dict[str, Any])
    nearest_train: float = 0.0
    tests: list[str] = field(default_factory=list[str])

    def value(self, arm: str, metric: str) -> float:
        """The score of an arm."""
        return next(one for one in self.document["arms"] if one["name"] == arm)["metrics"][metric]["value"]

    def comparison(self, against: str, metric: str) -> dict[str, Any]:
        """Tuned against another arm on a metric."""
        return next(
            one
            for one in self.document["comparisons"]
            if (one["arm"], one["against"], one["metric"]) == ("tuned", against, metric)
        )

    def failures(self) -> list[str]:
        """What of the claim does not hold here."""
        found: list[str] = []
        if self.document["rows"] < ROWS:
            found.append(f"only {self.document['rows']} test prompts")
        if self.nearest_train >= NEAR:
            found.append(f"a test prompt is {self.nearest_train:.2f} like a training row")
        for against in ARMS[:2]:
            for metric, sign in METRICS.items():
                one = self.comparison(against, metric)
                if one["difference"] * sign <= 0 or one["p"] >= LIMIT:
                    found.append(f"tuned does not beat {against} on {metric} (p = {one['p']:.4f})")
        return found


def diapason(home: Path, *words: str) -> str:
    """Run the command with this home; its standard output. Raises SystemExit with what it said where it fails."""
    own = {"DIAPASON_HOME": str(home), "DIAPASON_LOCKS": str(home / "locks"), "HF_HUB_OFFLINE": "1"}
    environment = os.environ | own
    done = subprocess.run(
        [sys.executable, "-m", "tui", *words], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    )
    if done.returncode:
        raise SystemExit(f"diapason {' '.join(words)} ended with {done.returncode}\n{done.stdout}")
    return done.stdout


def prompts(path: Path) -> list[str]:
    """The prompts of a chat file."""
    return [json.loads(line)["messages"][0]["content"] for line in path.read_text(encoding="utf-8").splitlines()]


def measure(seed: int, folder: Path) -> Outcome:
    """Split, recommend, train and evaluate with one seed, in an empty folder."""
    home, data, recipe = folder / "home", folder / "data", folder / "run.yaml"
    home.mkdir(parents=True)
    outcome, source = Outcome(seed), sample("support_en.jsonl")
    steps: dict[str, tuple[str, ...]] = {
        "split": ("data", "split", str(source), "-o", str(data), "--test", "0.2", "--seed", str(seed)),
        "recipe": (
            *("recipe", "new", str(data / "train.jsonl"), "--val", str(data / "validation.jsonl")),
            *("--test", str(data / "test.jsonl"), "--task", "style", "-o", str(recipe)),
        ),
        "train": (
            *("train", str(recipe), "--follow", "--set", f"train.seed={seed}", "--set", f"data.split_seed={seed}"),
            *("--set", "evaluation.after_training=false"),
        ),
        "evaluate": ("evaluate", "last", "--json"),
    }
    for name, words in steps.items():
        begun = time.monotonic()
        said = diapason(home, *words)
        outcome.seconds[name] = time.monotonic() - begun
        if name == "evaluate":
            outcome.document = json.loads(said)
    outcome.tests = prompts(data / "test.jsonl")
    trained = Index(prompts(data / "train.jsonl") + prompts(data / "validation.jsonl"))
    outcome.nearest_train = max(trained.nearest(prompt)[0] for prompt in outcome.tests)
    return outcome


def nearest_in_corpus(tests: list[str], shards: int) -> float:
    """The highest similarity of a test prompt to a user turn of the starter's corpus, or to a part of one."""
    index = Index(tests)
    asked = {
        part
        for conversation in corpus(0, shards)
        for turn in conversation.turns
        if turn.role == "user"
        for part in parts(turn)
    }
    return max(index.nearest(part)[0] for part in asked)


def table(outcomes: list[Outcome]) -> list[str]:
    """The figures, a line for each seed and arm."""
    lines = [f"{'seed':>4}  {'arm':<11} {'rows':>4} {'loss':>7} {'p':>7} {'style+fact':>10} {'p':>7} {'fact':>6}"]
    for one in outcomes:
        for arm in ARMS:
            line = f"{one.seed:>4}  {arm:<11} {one.document['rows']:>4}"
            for metric, width in (("loss", 7), ("style_and_fact", 10)):
                p = "" if arm == "tuned" else f"{one.comparison(arm, metric)['p']:.4f}"
                line += f" {one.value(arm, metric):>{width}.3f} {p:>7}"
            line += f" {one.value(arm, 'right_fact'):>6.3f}"
            lines.append(line)
        lines.append("      " + ", ".join(f"{name} {seconds:.0f} s" for name, seconds in one.seconds.items()))
    return lines


def main() -> int:
    """Measure and print; 0 where the claim holds."""
    parser = argparse.ArgumentParser(description="Measure the demo's claim on several seeds.")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--shards", type=int, default=SHARDS, help=f"shards of the corpus to compare with ({SHARDS})")
    options = parser.parse_args()
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in options.seeds:
            outcomes.append(measure(seed, Path(folder) / str(seed)))
            print("\n".join(table(outcomes[-1:])), flush=True)
    tests = sorted({prompt for one in outcomes for prompt in one.tests})
    corpus_max = nearest_in_corpus(tests, options.shards)
    print(f"Highest similarity of a test prompt: to a training row {max(one.nearest_train for one in outcomes):.2f}, "
          f"to the starter's corpus {corpus_max:.2f} (near duplicate: {NEAR} and above)")  # fmt: skip
    failures = [f"seed {one.seed}: {failure}" for one in outcomes for failure in one.failures()]
    if corpus_max >= NEAR:
        failures.append(f"a test prompt is {corpus_max:.2f} like a turn of the corpus")
    print("\n".join(failures) if failures else "The claim holds on every seed.")
    return 1 if failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
