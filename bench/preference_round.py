"""Does a round of DPO move what the judge prefers?

The tuned demo model answers its own training prompts several times, a property of the answers (the sample data's
score, or brevity) says which is better, and the model before and after answers held-out test prompts.

    python bench/preference_round.py RUN --out DIR [--prefer score] [--rates 5e-6 5e-5 5e-4]

RUN: the folder of a finished run on the starter's sample data. Pairs that DIR holds from an earlier call are used
again. Prints, for each learning rate, the mean scores and their differences with paired bootstrap intervals.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core.chat import load_chat
from core.data.dataset import examples, fingerprint
from core.data.example import Example
from core.engine.answering import answers
from core.engine.loading import load_adapter, load_model
from core.files import read_json, write_json
from core.models import read_model
from core.recipe import make_recipe
from core.starter.score import fact, style, style_and_fact

NEW_TOKENS = 64


def prompts_of(rows: list[Example], chat: Any) -> list[list[int]]:
    """Token ids up to where the answer begins."""
    return [chat.prompt_ids([message.to_dict() for message in row.prompt]) for row in rows]


def sample(model: Any, chat: Any, rows: list[Example], count: int, seed: int) -> list[list[str]]:
    """`count` answers to each row, drawn at temperature 0.8."""
    torch.manual_seed(seed)
    found: list[list[str]] = [[] for _ in rows]
    prompts = prompts_of(rows, chat)
    order = sorted(range(len(rows)), key=lambda index: len(prompts[index]))
    for start in range(0, len(order), 32):
        batch = order[start : start + 32]
        width = max(len(prompts[index]) for index in batch)
        ids = torch.full((len(batch), width), chat.pad_id)
        mask = torch.zeros_like(ids)
        for at, index in enumerate(batch):
            ids[at, width - len(prompts[index]) :] = torch.tensor(prompts[index])
            mask[at, width - len(prompts[index]) :] = 1
        with torch.no_grad():
            output = model.generate(
                input_ids=ids, attention_mask=mask, do_sample=True, temperature=0.8, top_k=0,
                max_new_tokens=NEW_TOKENS, num_return_sequences=count,
                eos_token_id=sorted(chat.stop_ids), pad_token_id=chat.pad_id,
            )  # fmt: skip
        for place, line in enumerate(output[:, width:].tolist()):
            end = next((at for at, token in enumerate(line) if token in chat.stop_ids), len(line))
            found[batch[place // count]].append(chat.decode(line[:end]))
    return found


def greedy(model: Any, chat: Any, rows: list[Example]) -> list[str]:
    """The likeliest answer to each row."""
    texts = [""] * len(rows)
    batches = answers(
        model, prompts_of(rows, chat), stop_ids=sorted(chat.stop_ids), pad_id=chat.pad_id, max_new_tokens=NEW_TOKENS
    )
    for batch in batches:
        for index, ids, *_ in batch:
            texts[index] = chat.decode(ids)
    return texts


def brevity(text: str, _: str) -> float:
    """Minus the characters of an answer."""
    return -float(len(text))


PROPERTIES = {"score": style_and_fact, "style": style, "fact": fact, "brevity": brevity}


def pairs(rows: list[Example], drawn: list[list[str]], preferred: str) -> list[dict[str, Any]]:
    """Of each prompt the best and the worst answer by the preferred property, where they differ in it."""
    value = PROPERTIES[preferred]
    found: list[dict[str, Any]] = []
    for row, texts in zip(rows, drawn, strict=True):
        ranked = sorted((text for text in texts if text.strip()), key=lambda text: value(text, row.answer))
        worst, best = ranked[0], ranked[-1]
        if value(best, row.answer) > value(worst, row.answer):
            sides = {"chosen": best, "rejected": worst}
            answered = {side: [{"role": "assistant", "content": text}] for side, text in sides.items()}
            found.append({"prompt": [message.to_dict() for message in row.prompt], **answered})
    return found


def train(folder: Path, run: Path, files: dict[str, Path], rate: float, epochs: float) -> None:
    """A DPO run by the engine, in `folder`, on top of the adapter of `run`."""
    import shutil

    spec = read_json(run / "spec.json")
    assert isinstance(spec, dict)
    recipe = make_recipe(
        {
            "method": "dpo", "device": "cpu", "model": spec["model"]["path"],
            "train": {
                "learning_rate": rate, "epochs": epochs, "micro_batch_size": 8, "accumulation": 1, "max_length": 256,
            },
            "samples": {"count": 0},
        }
    )  # fmt: skip
    folder.mkdir(parents=True)
    shutil.copytree(run / "adapter", folder / "reference")
    data = {role: {**fingerprint(path), "format": "preference"} for role, path in files.items()}
    write_json(
        folder / "spec.json",
        {
            "schema": 1, "kind": "train", "id": folder.name, "name": folder.name, "recipe": recipe.model_dump(),
            "model": spec["model"], "data": {**data, "test": None}, "reference": {"kind": "adapter"},
        },
    )  # fmt: skip
    with (folder / "log.txt").open("w") as log:
        subprocess.run(
            [sys.executable, "-m", "core.engine", str(folder)], check=True, stdout=log, stderr=subprocess.STDOUT
        )


def difference(before: list[float], after: list[float]) -> str:
    """Mean of after minus before with a 95 % bootstrap interval over the prompts."""
    gaps = np.asarray(after) - np.asarray(before)
    drawn = np.random.default_rng(0).choice(gaps, (10_000, len(gaps))).mean(1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return f"{gaps.mean():+.3f} ({low:+.3f} to {high:+.3f})"


def main() -> None:
    """Run the rounds and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--rates", type=float, nargs="+", default=[5e-6, 5e-5, 5e-4])
    parser.add_argument("--epochs", type=float, default=1.0)
    parser.add_argument("--prefer", choices=PROPERTIES, default="score")
    parser.add_argument("--prompts", type=int, default=1000, help="training and validation prompts, at most")
    parser.add_argument("--samples", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    spec = read_json(args.run / "spec.json")
    assert isinstance(spec, dict)
    info = read_model(Path(spec["model"]["path"]), spec["model"]["name"])
    chat = load_chat(info)
    parts = {role: list(examples(spec["data"][role]["path"])) for role in ("train", "validation", "test")}
    parts |= {role: parts[role][: args.prompts] for role in ("train", "validation")}
    args.out.mkdir(parents=True, exist_ok=True)

    def load(folder: Path) -> Any:
        return load_adapter(load_model(info.path, torch.device("cpu"), torch.float32), folder)

    model = load(args.run / "adapter")
    began = time.monotonic()
    files: dict[str, Path] = {}
    for role in ("train", "validation"):
        files[role] = args.out / f"{role}.jsonl"
        if files[role].is_file():
            continue
        made = pairs(parts[role], sample(model, chat, parts[role], args.samples, args.seed), args.prefer)
        files[role].write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in made), "utf-8")
        print(
            f"{role}: {len(made)} pairs from {len(parts[role])} prompts, {time.monotonic() - began:.0f} s", flush=True
        )
    test = parts["test"]
    before = greedy(model, chat, test)
    scores = {
        name: [value(text, row.answer) for text, row in zip(before, test, strict=True)]
        for name, value in PROPERTIES.items()
    }
    means = ", ".join(f"{name} {np.mean(values):.3f}" for name, values in scores.items())
    print(f"before: {means} on {len(test)} test prompts", flush=True)
    for rate in args.rates:
        folder = args.out / f"rate-{rate:g}-{args.epochs:g}-{time.time_ns()}"
        train(folder, args.run, files, rate, args.epochs)
        after = greedy(load(folder / "adapter"), chat, test)
        told: list[str] = []
        for name, value in PROPERTIES.items():
            now = [value(text, row.answer) for text, row in zip(after, test, strict=True)]
            told.append(f"{name} {np.mean(now):.3f} {difference(scores[name], now)}")
        print(f"rate {rate:g}: " + "; ".join(told), flush=True)


if __name__ == "__main__":
    main()
