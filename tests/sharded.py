"""One of several gloo processes that train a tiny model dealt out with raw `fully_shard`, save and load it with our
own functions: ``python -m core.engine.launch 2 tests.sharded FOLDER``. Writes FOLDER/losses.json."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from torch.distributed.fsdp import fully_shard
from transformers import AutoModelForCausalLM

from core.engine import sharding
from core.engine.ranks import Ranks
from core.runs import checkpoints


def build(folder: Path, method: str, seed: int) -> tuple[Any, Any]:
    """The tiny model, its trained weights made with `seed`, sharded block by block, and its optimizer."""
    torch.manual_seed(seed)
    model: Any = AutoModelForCausalLM.from_pretrained(folder / "tiny", dtype=torch.float32)
    if method == "lora":
        model = get_peft_model(model, LoraConfig(r=4, target_modules="all-linear", init_lora_weights="gaussian"))
    elif seed:
        with torch.no_grad():
            for weight in model.parameters():
                weight.add_(0.1)
    layers = model.get_base_model().model.layers if method == "lora" else model.model.layers
    for layer in layers:
        fully_shard(layer)
    fully_shard(model)
    return model, torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)


def train(model: Any, optimizer: Any, steps: range, ranks: Ranks) -> list[float]:
    """The mean loss over all processes before each of `steps`; each process has rows of its own."""
    found: list[float] = []
    for step in steps:
        torch.manual_seed(100 * step + ranks.rank)
        ids = torch.randint(6, 400, (2, 16))
        loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        found.append(sum(ranks.gather([float(loss)])) / ranks.size)
    return found


def main(folder: Path) -> None:
    """Both methods: train, save, train on; then a fresh model loads what was saved and trains on."""
    ranks = Ranks()
    ranks.join("cpu")
    found: dict[str, Any] = {}
    for method in ("lora", "full"):
        model, optimizer = build(folder, method, 0)
        before = train(model, optimizer, range(2), ranks)
        saved = checkpoints.at(folder / method, 2)
        weights = sharding.whole_weights(model)
        if ranks.main:
            model.save_pretrained(saved, state_dict=weights)
        ranks.wait()
        sharding.save_optimizer(model, optimizer, saved, main=ranks.main)
        ranks.wait()
        if ranks.main:
            checkpoints.seal(saved, {"step": 2})
        on = train(model, optimizer, range(2, 5), ranks)
        other, fresh = build(folder, method, 7)
        sharding.load_weights(other, saved, main=ranks.main)
        sharding.load_optimizer(other, fresh, saved, main=ranks.main)
        again = train(other, fresh, range(2, 5), ranks)
        found[method] = {"before": before, "on": on, "again": again}
    if ranks.main:
        (folder / "losses.json").write_text(json.dumps(found))
    ranks.leave()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
