"""A full report with exact tokens on 55,000 short rows, and the tokens alone beside a peer's way of counting them.

The peer does what mistral-finetune's validator (utils/validate_data.py) does with each row of a file, on one core:
it parses the row, checks the roles, writes each message in turn with the template and encodes it by itself, with
nothing kept from one message to the next. It is written anew here, from its description, so that both sides use the
same rows and the same tokenizer. Ours is the pass of `data check --model`, on one core too: the structural checks,
and the tally of tokens with template, loss masks and all.

Rows are made from a seed, or taken from a JSON Lines file and varied: numbers change, so that no row comes twice.

    python bench/tokens.py [--rows 55000] [--model starter] [FILE]
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from core.chat import ChatModel, load_chat  # noqa: E402
from core.data.checks.tokens import TokenTally, reader_for, token_maker  # noqa: E402
from core.data.dataset import open_dataset  # noqa: E402
from core.data.report import check  # noqa: E402
from core.data.scan import Scanner  # noqa: E402
from core.models import find_model  # noqa: E402

RATIO, SECONDS = 1.5, 12.0
_NUMBER = re.compile(r"\d+")
_NAMES = "Ann Ben Clara David Ella Farid Grace Hugo Ines Jonas Kira Liam Mona Nils Olga Paul".split()  # noqa: SIM905
_THINGS = "apples books coins stickers pencils marbles cards eggs tickets boxes flowers".split()  # noqa: SIM905
_VERBS = "buys sells finds loses gives away packs collects counts paints returns".split()  # noqa: SIM905


def made(number: int, chance: random.Random) -> tuple[str, str]:
    """A word problem with its answer, about as long as one of GSM8K."""
    steps, said, total = [], [], chance.randint(2, 90)
    name, thing = chance.choice(_NAMES), chance.choice(_THINGS)
    for _ in range(chance.randint(2, 5)):
        more = chance.randint(2, 60)
        steps.append(f"On the next day {chance.choice(_NAMES)} {chance.choice(_VERBS)} {more} {thing} at the market.")
        said.append(
            f"Together that makes {total} + {more} = <<{total}+{more}={total + more}>>{total + more} {thing}."
        )
        total += more
    ask = f"{name} has some {thing} in box {number}. {' '.join(steps)} How many {thing} does {name} see in the end?"
    return ask, "\n".join([*said, f"#### {total}"])


def rows(count: int, path: Path | None) -> Iterator[bytes]:
    """`count` rows of prompt and completion."""
    chance = random.Random(7)
    taken: list[tuple[str, str]] = []
    if path:
        known = (row.example for row in open_dataset(path))
        taken = [(example.prompt_text, example.answer) for example in known if example]
    for number in range(count):
        if taken:
            prompt, answer = taken[number % len(taken)]
            if number >= len(taken):
                prompt = _NUMBER.sub(lambda _: str(chance.randint(2, 99)), prompt) + f" ({number})"
        else:
            prompt, answer = made(number, chance)
        yield json.dumps({"prompt": prompt, "completion": answer}).encode() + b"\n"


def peer(path: Path, chat: ChatModel) -> int:
    """The tokens of a file, message by message."""
    total = 0
    for line in path.read_bytes().splitlines():
        row = json.loads(line)
        messages = [
            {"role": "user", "content": row["prompt"]},
            {"role": "assistant", "content": row["completion"]},
        ]
        if [message["role"] for message in messages][-1] != "assistant":
            raise ValueError("the last message is not the assistant's")
        for message in messages:
            total += len(chat.tokenizer.ids(chat.render([message])))
    return total


def ours(path: Path, model: str) -> int:
    """The tokens of a file as the check counts them while it looks at each row, in this process alone."""
    dataset = open_dataset(path)
    total = len(dataset)
    dataset.detect_format()
    (tally,) = Scanner(dataset, [token_maker(reader_for(find_model(model), dataset))]).scan(0, total).tallies
    assert isinstance(tally, TokenTally)
    return sum(tally.length)


def main() -> int:
    """Print both figures; 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("--rows", type=int, default=55_000)
    parser.add_argument("--peer-rows", type=int, default=6_000, help="rows for the comparison (default: 6000)")
    parser.add_argument("--model", default="starter")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        whole, part = Path(folder) / "whole.jsonl", Path(folder) / "part.jsonl"
        lines = list(rows(args.rows, args.file))
        whole.write_bytes(b"".join(lines))
        part.write_bytes(b"".join(lines[: args.peer_rows]))
        size = part.stat().st_size / 1e6
        chat = load_chat(find_model(args.model))
        results: dict[str, tuple[float, int]] = {}
        for name, run in (("peer", lambda: peer(part, chat)), ("ours", lambda: ours(part, args.model))):
            began = time.perf_counter()
            results[name] = (0.0, run())
            results[name] = (time.perf_counter() - began, results[name][1])
        seconds = {name: figures[0] for name, figures in results.items()}
        for name, (took, tokens) in results.items():
            print(
                f"{name:<5} {size / took:6.2f} MB/s  {tokens:>10,} tokens  {took:6.2f} s for {args.peer_rows:,} rows"
            )
        ratio = seconds["peer"] / seconds["ours"]
        print(f"ratio {ratio:.2f} (bar {RATIO})")
        began = time.perf_counter()
        report = check(whole, model=find_model(args.model), max_length=1024)
        took = time.perf_counter() - began
        tokens = report.tokens.total if report.tokens else 0
        print(
            f"full report, {args.rows:,} rows, {whole.stat().st_size / 1e6:.1f} MB, {tokens:,} tokens: {took:.1f} s"
        )
        against = took / args.rows / (seconds["peer"] / args.peer_rows)
        print(f"that is {against:.2f} of the peer's time for the tokens alone (bar {SECONDS:.0f} s)")
    return 0 if ratio >= RATIO and took <= SECONDS else 1


if __name__ == "__main__":
    raise SystemExit(main())
