"""How much faster answers come in batches than one at a time, on the bundled starter model.

Pairs in changing order, in one process: the same prompts of the English support sample answered in batches of 32 and
one after the other, greedily, as an evaluation does. Printed: rows a second of each, the geometric mean of the pairs'
ratios with its 95 % interval (Student's t over their logarithms), and how many answers are the same, token for token.

Exit code 0 where the mean ratio is 5 or more and all answers are the same.

    OMP_NUM_THREADS=2 python bench/generate.py [--pairs 6] [--rows 64] [--tokens 64]
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch  # noqa: E402
from scipy import stats  # noqa: E402

from core.chat import load_chat  # noqa: E402
from core.data.dataset import examples  # noqa: E402
from core.engine.answering import answers  # noqa: E402
from core.engine.loading import load_model  # noqa: E402
from core.models import find_model  # noqa: E402
from core.starter import sample  # noqa: E402

GOAL = 5.0
BATCH = 32


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=6)
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=64)
    wanted = parser.parse_args()
    info = find_model("starter")
    chat = load_chat(info)
    model = load_model(info.path, torch.device("cpu"), torch.float32).eval()
    rows = [row for row in examples(sample("support_en.jsonl")) if row.prompt]
    prompts = [chat.prompt_ids([message.to_dict() for message in row.prompt]) for row in rows]
    draw = random.Random(0)

    def timed(some: list[list[int]], batch_size: int) -> tuple[float, dict[int, list[int]]]:
        began = time.perf_counter()
        options: dict[str, Any] = {"stop_ids": sorted(chat.stop_ids), "pad_id": chat.pad_id}
        batches = answers(
            model,
            some,
            max_new_tokens=wanted.tokens,
            batch_size=batch_size,
            max_positions=info.max_positions,
            **options,
        )
        found = {index: ids for batch in batches for index, ids, _ in batch}
        return time.perf_counter() - began, found

    timed(prompts[:4], BATCH)
    ratios: list[float] = []
    same = 0
    for pair in range(wanted.pairs):
        some = draw.sample(prompts, min(wanted.rows, len(prompts)))
        found = {size: timed(some, size) for size in ((BATCH, 1) if pair % 2 else (1, BATCH))}
        (many, together), (single, alone) = found[BATCH], found[1]
        ratios.append(single / many)
        same += sum(together[index] == alone[index] for index in alone)
        print(f"pair {pair + 1}: {len(some) / many:6.1f} rows/s in batches, {len(some) / single:5.1f} one at a time, "
              f"{ratios[-1]:.1f} times", flush=True)  # fmt: skip
    logs = [math.log(ratio) for ratio in ratios]
    mean = statistics.fmean(logs)
    half = 0.0
    if len(logs) > 1:
        half = float(stats.t.ppf(0.975, len(logs) - 1)) * statistics.stdev(logs) / math.sqrt(len(logs))
    total = wanted.pairs * min(wanted.rows, len(prompts))
    low, high = math.exp(mean - half), math.exp(mean + half)
    print(f"{math.exp(mean):.2f} times as fast, 95 % interval {low:.2f} to {high:.2f}; "
          f"{same} of {total} answers are the same; {torch.get_num_threads()} threads")  # fmt: skip
    return 0 if math.exp(mean) >= GOAL and same == total else 1


if __name__ == "__main__":
    sys.exit(main())
