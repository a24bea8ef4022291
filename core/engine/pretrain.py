"""Make the starter model from nothing: `python -m core.engine.pretrain`, or `make starter`.

Generates the corpus of `core.starter.corpus`, trains a byte-level BPE tokenizer and a small Llama on it, measures
held-out loss and exact answers per skill, and writes model, tokenizer and card. Two processes of the corpus, one
of training; seeds are fixed, so with `--tokens` alone the same machine gives the same model.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import random
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor
from torch.nn import functional
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from core.engine.starter_card import write_card
from core.starter import MODEL_DIR
from core.starter.corpus import SHARD, SHARDS, Conversation, shard

END, START, PAD = "<|im_end|>", "<|im_start|>", "<|pad|>"
MAX_LENGTH = 1024
HELD_OUT_SHARDS = 2
ASK_WEIGHT = 0.3
"""Weight of the questions in the loss: the base also learns to read, but answers count for more."""

CHAT_TEMPLATE = (
    "{%- if tools %}{{- '<|im_start|>system\\nTools: ' + (tools | tojson) + '<|im_end|>\\n' }}{%- endif %}"
    "{%- for message in messages %}"
    "{{- '<|im_start|>' + message['role'] + '\\n' }}"
    "{%- if message['role'] == 'assistant' %}"
    "{%- generation %}{{- message['content'] or '' }}"
    "{%- for call in message['tool_calls'] or [] %}"
    "{{- '\\n<tool_call>' + ((call['function'] if call['function'] else call) | tojson) + '</tool_call>' }}"
    "{%- endfor %}{{- '<|im_end|>' }}{%- endgeneration %}"
    "{%- else %}{{- (message['content'] or '') + '<|im_end|>' }}{%- endif %}{{- '\\n' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)


@dataclass(frozen=True)
class Sample:
    """Token ids of one conversation, the weight of each in the loss, and its skill."""

    ids: list[int]
    weights: list[float]
    skill: str


def _shard(task: tuple[int, int]) -> list[Conversation]:
    return shard(*task)


def conversations(seed: int, numbers: Iterable[int], processes: int) -> Iterator[list[Conversation]]:
    """The shards asked for, made by several processes."""
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        yield from pool.imap(_shard, [(seed, number) for number in numbers])


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer with single digits, ChatML marks and the chat template."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[PAD, START, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(texts, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core,
        eos_token=END,
        pad_token=PAD,
        model_max_length=MAX_LENGTH,
        clean_up_tokenization_spaces=False,
        extra_special_tokens=[START],
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def encode(conversation: Conversation, tokenizer: PreTrainedTokenizerFast) -> Sample:
    """Ids and loss weights, as the chat template would render them."""
    core = tokenizer.backend_tokenizer
    ids: list[int] = []
    weights: list[float] = []
    for turn in conversation.turns:
        head = core.encode(f"{START}{turn.role}\n").ids
        body = core.encode(f"{turn.content}{END}")
        answer = turn.role == "assistant"
        weight = turn.weight if answer else ASK_WEIGHT if turn.role == "user" else ASK_WEIGHT / 3
        tail = core.encode("\n").ids
        ids += head + body.ids + tail
        inside = [0.0 if end <= turn.given else weight for _, end in body.offsets[:-1]]
        weights += [0.0] * len(head) + inside + [weight if answer else 0.0] + [0.0] * len(tail)
    return Sample(ids[:MAX_LENGTH], weights[:MAX_LENGTH], conversation.skill)


def batches(samples: list[Sample], tokens: int, seed: int) -> Iterator[list[Sample]]:
    """Endless batches of about `tokens` tokens, padding included, of samples of like length."""
    dice = random.Random(seed)
    while True:
        order = sorted(samples, key=lambda sample: (len(sample.ids), dice.random()))
        groups: list[list[Sample]] = [[]]
        for sample in order:
            if groups[-1] and len(sample.ids) * (len(groups[-1]) + 1) > tokens:
                groups.append([])
            groups[-1].append(sample)
        dice.shuffle(groups)
        yield from groups


def collate(group: list[Sample], pad: int) -> tuple[Tensor, Tensor]:
    """(ids, weights), both (rows, longest), padded on the right: causal attention never sees the padding."""
    longest = max(len(sample.ids) for sample in group)
    ids = torch.tensor([sample.ids + [pad] * (longest - len(sample.ids)) for sample in group])
    weights = torch.tensor([sample.weights + [0.0] * (longest - len(sample.weights)) for sample in group])
    return ids, weights


def weighted_loss(model: LlamaForCausalLM, ids: Tensor, weights: Tensor) -> Tensor:
    """Mean cross-entropy (nats) over the tokens, by weight. Only tokens with weight reach the output layer."""
    hidden = model.model(input_ids=ids[:, :-1], use_cache=False).last_hidden_state
    wanted = weights[:, 1:] > 0
    logits = model.lm_head(hidden[wanted])
    loss = functional.cross_entropy(logits, ids[:, 1:][wanted], reduction="none")
    kept = weights[:, 1:][wanted]
    return (loss * kept).sum() / kept.sum()


class Muon(torch.optim.Optimizer):
    """Momentum, orthogonalised by Newton-Schulz steps, for matrices.

    Formula and coefficients: K. Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024.
    In fp32, since these CPUs have no fast bf16.
    """

    def __init__(self, params: Iterable[Tensor], lr: float, momentum: float = 0.95, steps: int = 5) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "steps": steps})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """One update of all matrices; those of one shape go through the iterations together."""
        for group in self.param_groups:
            shapes: dict[torch.Size, list[Tensor]] = {}
            for weight in group["params"]:
                shapes.setdefault(weight.shape, []).append(weight)
            for (rows, columns), weights in shapes.items():
                pushes: list[Tensor] = []
                for weight in weights:
                    speed = self.state[weight].setdefault("speed", torch.zeros_like(weight))
                    speed.lerp_(weight.grad, 1 - group["momentum"])
                    pushes.append(weight.grad.lerp(speed, group["momentum"]))
                scale = max(1.0, rows / columns) ** 0.5
                for weight, push in zip(weights, orthogonal(torch.stack(pushes), group["steps"]), strict=True):
                    weight.add_(push, alpha=-group["lr"] * scale)


def orthogonal(matrices: Tensor, steps: int) -> Tensor:
    """The nearest matrices (n, rows, columns) with singular values of about 1, by quintic Newton-Schulz steps."""
    a, b, c = 3.4445, -4.7750, 2.0315
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if tall else matrices
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    return x.mT if tall else x


def build(tokenizer: PreTrainedTokenizerFast, hidden: int, layers: int) -> LlamaForCausalLM:
    """A small Llama with random weights."""
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        intermediate_size=hidden * 5 // 2,
        num_hidden_layers=layers,
        num_attention_heads=hidden // 32,
        num_key_value_heads=hidden // 32,
        max_position_embeddings=MAX_LENGTH,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return LlamaForCausalLM(config)


def optimizers(model: LlamaForCausalLM) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the blocks, AdamW for embeddings and norms."""
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    others = [p for name, p in model.named_parameters() if p.ndim != 2 or "embed" in name]
    return [Muon(matrices, lr=0.02), torch.optim.AdamW(others, lr=3e-3, betas=(0.9, 0.98), weight_decay=0.0)]


def rate(done: float) -> float:
    """Share of the full learning rate after `done` of the training (0 to 1): warm-up, plateau, linear to 0."""
    return min(1.0, done / 0.02 + 0.01, (1 - done) / 0.5)


def train(
    model: LlamaForCausalLM,
    samples: list[Sample],
    pad: int,
    *,
    tokens: int,
    minutes: float,
    batch: int,
    seed: int,
    save: Path,
) -> tuple[int, float]:
    """Train until `tokens` tokens or `minutes` minutes; returns (tokens seen, seconds)."""
    begun = time.monotonic()
    rules = optimizers(model)
    full = [rule.param_groups[0]["lr"] for rule in rules]
    seen = 0
    mean = math.nan
    model.train()
    for step, group in enumerate(batches(samples, batch, seed), 1):
        spent = time.monotonic() - begun
        done = max(seen / tokens, spent / (60 * minutes))
        if done >= 1:
            break
        ids, weights = collate(group, pad)
        loss = weighted_loss(model, ids, weights)
        for rule in rules:
            rule.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for rule, lr in zip(rules, full, strict=True):
            rule.param_groups[0]["lr"] = lr * rate(done)
            rule.step()
        seen += sum(len(sample.ids) for sample in group)
        mean = loss.item() if math.isnan(mean) else 0.98 * mean + 0.02 * loss.item()
        if step % 50 == 0:
            speed = seen / max(spent, 1e-9)
            print(
                f"step {step}  {seen / 1e6:.2f} M tokens  loss {mean:.3f}  {speed:.0f} tokens/s  {100 * done:.0f} %",
                flush=True,
            )
        if step % 500 == 0:
            torch.save(model.state_dict(), save)
    return seen, time.monotonic() - begun


@torch.no_grad()
def held_out_loss(model: LlamaForCausalLM, samples: list[Sample], pad: int) -> float:
    """Mean loss (nats per token) over the answers of held-out conversations."""
    model.eval()
    total = count = 0.0
    for start in range(0, len(samples), 32):
        group = [Sample(s.ids, [float(w == 1.0) for w in s.weights], s.skill) for s in samples[start : start + 32]]
        ids, weights = collate(group, pad)
        number = float((weights[:, 1:] > 0).sum())
        total += float(weighted_loss(model, ids, weights)) * number
        count += number
    return total / count


@torch.no_grad()
def exact_answers(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, held_out: list[Conversation], each: int
) -> dict[str, tuple[int, int]]:
    """Skill → (exact last answers, asked), greedy, over at most `each` held-out conversations a skill."""
    model.eval()
    tokenizer.padding_side = "left"
    asked: dict[str, list[Conversation]] = {}
    for conversation in held_out:
        if conversation.turns[-1].weight and not conversation.turns[-1].given:
            asked.setdefault(conversation.skill, []).append(conversation)
    scores: dict[str, tuple[int, int]] = {}
    for skill, found in sorted(asked.items()):
        right = 0
        for start in range(0, len(found[:each]), 32):
            group = found[:each][start : start + 32]
            prompts = [
                tokenizer.apply_chat_template(
                    [{"role": turn.role, "content": turn.content} for turn in one.turns[:-1]],
                    add_generation_prompt=True,
                    tokenize=False,
                )
                for one in group
            ]
            inputs = tokenizer(prompts, return_tensors="pt", padding=True, add_special_tokens=False)
            inputs.pop("token_type_ids", None)
            output = model.generate(**inputs, max_new_tokens=100, do_sample=False)
            texts = tokenizer.batch_decode(output[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
            right += sum(text.strip() == one.turns[-1].content for text, one in zip(texts, group, strict=True))
        scores[skill] = (right, len(found[:each]))
    tokenizer.padding_side = "right"
    return scores


def save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, out: Path) -> None:
    """Write bf16 weights, tokenizer and generation settings."""
    out.mkdir(parents=True, exist_ok=True)
    model.generation_config = GenerationConfig(
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id, do_sample=False, max_new_tokens=128
    )
    model.to(torch.bfloat16).save_pretrained(out)
    tokenizer.save_pretrained(out)
    # The class of transformers 5 is unknown to 4; both know this one.
    settings = out / "tokenizer_config.json"
    written = json.loads(settings.read_text(encoding="utf-8"))
    settings.write_text(
        json.dumps(written | {"tokenizer_class": "PreTrainedTokenizerFast"}, indent=2) + "\n", "utf-8"
    )


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m core.engine.pretrain", description="Make the starter model.")
    parser.add_argument("--tokens", type=int, default=5_000_000, help="stop after so many tokens (5 M)")
    parser.add_argument("--minutes", type=float, default=math.inf, help="or after so many minutes of training")
    parser.add_argument("--shards", type=int, default=SHARDS, help=f"size of the corpus, in {SHARD} conversations")
    parser.add_argument("--batch", type=int, default=3_000, help="tokens in a batch (3000)")
    parser.add_argument("--vocabulary", type=int, default=4096)
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2, help="processes that make the corpus (2)")
    parser.add_argument("--out", type=Path, default=MODEL_DIR)
    return parser.parse_args()


def main() -> None:
    """Corpus, tokenizer, training, measurement, card."""
    options = arguments()
    begun = time.monotonic()
    torch.manual_seed(options.seed)
    made: list[Conversation] = []
    for number, group in enumerate(conversations(options.seed, range(options.shards), options.processes), 1):
        made += group
        if number % 20 == 0:
            print(f"corpus: {len(made)} conversations in {time.monotonic() - begun:.0f} s", flush=True)
    told = {turn.content for one in made for turn in one.turns if turn.role == "user"}
    held_out = [
        one
        for group in conversations(options.seed, range(-HELD_OUT_SHARDS, 0), options.processes)
        for one in group
        if one.turns[-2].content not in told
    ]
    texts = (turn.content for one in made[: 30 * SHARD] for turn in one.turns)
    tokenizer = train_tokenizer(texts, options.vocabulary)
    samples = [encode(one, tokenizer) for one in made]
    total = sum(len(sample.ids) for sample in samples)
    print(f"corpus: {len(made)} conversations, {total / 1e6:.2f} M tokens, {len(held_out)} held out", flush=True)
    model = build(tokenizer, options.hidden, options.layers)
    parameters = sum(p.numel() for p in model.parameters())
    print(f"model: {parameters / 1e6:.2f} M parameters, {torch.get_num_threads()} threads", flush=True)
    options.out.mkdir(parents=True, exist_ok=True)
    unfinished = options.out / "unfinished.pt"
    pad = int(tokenizer.pad_token_id)
    seen, seconds = train(
        model,
        samples,
        pad,
        tokens=options.tokens,
        minutes=options.minutes,
        batch=options.batch,
        seed=options.seed,
        save=unfinished,
    )
    save(model, tokenizer, options.out)
    unfinished.unlink(missing_ok=True)
    model.to(torch.float32)
    loss = held_out_loss(model, [encode(one, tokenizer) for one in held_out], pad)
    scores = exact_answers(model, tokenizer, held_out, 60)
    write_card(
        options.out,
        parameters=parameters,
        vocabulary=len(tokenizer),
        conversations=len(made),
        corpus_tokens=total,
        seen=seen,
        seconds=seconds,
        seed=options.seed,
        loss=loss,
        scores=scores,
    )
    print(f"held-out loss {loss:.3f} nats a token")
    for skill, (right, asked) in scores.items():
        print(f"  {skill:<12} {right} of {asked} exact")
    print(f"done in {time.monotonic() - begun:.0f} s: {options.out}")


if __name__ == "__main__":
    main()
