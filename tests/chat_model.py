"""A model folder that everything but torch takes for one: tokenizer, template, and a header of weights."""

from __future__ import annotations

import json
import struct
from pathlib import Path

from tests.chat_folder import CHATML, make_chat_folder


def make_chat_model(path: Path, template: str | None = CHATML) -> Path:
    """Write the folder `path` without importing torch, and return it. Turns end in <|im_end|>."""
    make_chat_folder(path, template)
    config = json.loads((path / "config.json").read_text())
    size = len(json.loads((path / "tokenizer.json").read_text())["model"]["vocab"]) + 100
    config |= {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": size, "hidden_size": 2}
    (path / "config.json").write_text(json.dumps(config))
    header = {"model.embed_tokens.weight": {"dtype": "BF16", "shape": [size, 2], "data_offsets": [0, size * 4]}}
    text = json.dumps(header).encode()
    (path / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + bytes(size * 4))
    return path
