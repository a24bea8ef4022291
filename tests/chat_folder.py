"""Model folders without weights, for the tests of core/chat: a small tokenizer, a template, special tokens."""

from __future__ import annotations

import json
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

_TEXT = [
    "Where is my order? It left our warehouse this morning. Can I return the lamp? Yes, within thirty days.",
    "user assistant system model hello world one two three because thinking answer question",
    "Où est ma commande ? Elle est partie ce matin. 日本語 🎉",
]
_SPECIAL = re.compile(
    r"<[|｜][^<>|｜\s]{1,40}[|｜]>|<(?:start|end)_of_turn>|\[/?INST\]|</?think>|<turn\|>|<\|turn>|<\|channel>|<channel\|>"
)

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{% if message['role'] == 'assistant' %}"
    "{% generation %}{{ message['content'] + '<|im_end|>' }}{% endgeneration %}"
    "{{ '\n' }}{% else %}{{ message['content'] + '<|im_end|>\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
# The format of Mistral's first instruct models: BOS once, the answer ends in eos, no header before it.
MISTRAL = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate user/assistant/user/assistant') }}{% endif %}"
    "{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}"
    "{% else %}{{ ' ' + message['content'] + eos_token }}{% endif %}{% endfor %}"
)


def trl_template(name: str) -> str:
    """The text of a chat template that the installed TRL ships."""
    spec = find_spec("trl")
    assert spec and spec.origin
    return (Path(spec.origin).parent / "chat_templates" / f"{name}.jinja").read_text("utf-8")


def make_chat_folder(
    path: Path,
    template: str | None,
    *,
    sentencepiece: bool = False,
    settings: dict[str, Any] | None = None,
    generation: dict[str, Any] | None = None,
    pad_is_eos: bool = False,
) -> Path:
    """Write tokenizer.json, tokenizer_config.json, config.json and the template to `path`, and return it.

    The tokenizer is byte-level BPE, or one with SentencePiece's leading spaces and byte fallback. It knows <bos>,
    <eos>, <pad> and every special token that the template names.
    """
    path.mkdir(parents=True, exist_ok=True)
    named = sorted(set(_SPECIAL.findall(template or "")))
    specials = ["<unk>", "<bos>", "<eos>", "<pad>", *named]
    if sentencepiece:
        model = models.BPE(unk_token="<unk>", byte_fallback=True)
        tokenizer = Tokenizer(model)
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        tokenizer.decoder = decoders.Sequence(
            [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
        )
        alphabet = [f"<0x{byte:02X}>" for byte in range(256)]
        trainer = trainers.BpeTrainer(vocab_size=700, special_tokens=[*specials, *alphabet], show_progress=False)
    else:
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=500,
            special_tokens=specials,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
    tokenizer.train_from_iterator(_TEXT * 3, trainer)
    layout = json.loads(tokenizer.to_str())
    # The bytes are ordinary entries of SentencePiece's vocabulary, not added tokens.
    layout["added_tokens"] = [token for token in layout["added_tokens"] if not token["content"].startswith("<0x")]
    (path / "tokenizer.json").write_text(json.dumps(layout, ensure_ascii=False), "utf-8")
    values = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<bos>",
        "eos_token": "<eos>",
        "pad_token": "<eos>" if pad_is_eos else "<pad>",
        "clean_up_tokenization_spaces": False,
    }
    (path / "tokenizer_config.json").write_text(json.dumps(values | (settings or {})))
    (path / "config.json").write_text("{}")
    if generation is not None:
        (path / "generation_config.json").write_text(json.dumps(generation))
    if template is not None:
        (path / "chat_template.jinja").write_text(template)
    return path
