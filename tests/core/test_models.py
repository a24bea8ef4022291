"""Reading models from their files, and saying what is wrong with them."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.errors import DiapasonError
from core.models import estimate_parameters, find_model, hub_cache, read_model
from core.weights import read_header
from tests.tiny import make_tiny_model

SMALL = {
    "vocab_size": 100,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 32,
}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def copy(tiny: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny, tmp_path / "copy"))


def write_weights(path: Path, tensors: dict[str, tuple[str, list[int], int]], *, extra: bytes = b"") -> None:
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name, (dtype, shape, size) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(offset) + extra)


@pytest.mark.parametrize("family", ["Llama", "Qwen3", "Mistral", "Mixtral", "Gemma", "Phi", "Gemma3"])
def test_parameters_equal_those_that_torch_counts(tmp_path: Path, family: str) -> None:
    import transformers

    if family == "Gemma3":
        config = transformers.Gemma3TextConfig(**SMALL, head_dim=8)
        model = transformers.Gemma3ForCausalLM(config)
    else:
        config = getattr(transformers, f"{family}Config")(**SMALL)
        model = getattr(transformers, f"{family}ForCausalLM")(config)
    transformers.utils.logging.disable_progress_bar()
    model.save_pretrained(tmp_path)
    info = read_model(tmp_path)
    assert info.parameters == sum(weight.numel() for weight in model.parameters())
    assert (info.layers, info.hidden_size, info.heads, info.kv_heads, info.vocab_size) == (2, 16, 4, 2, 100)
    assert info.head_dim == (getattr(config, "head_dim", None) or 4)
    assert info.dtype == "float32" and not info.quantised and info.experts == (8 if family == "Mixtral" else 0)
    assert info.tied == (family in ("Gemma", "Gemma3"))
    assert info.architecture == type(model).__name__
    if family != "Phi":  # its MLP has no gate
        assert abs(estimate_parameters(info) - info.parameters) <= 0.03 * info.parameters
    assert info.tensors["model.embed_tokens.weight"].shape == (100, 16)
    assert info.bytes_on_disk == (tmp_path / "model.safetensors").stat().st_size


def test_a_folder_and_its_name(tiny: Path) -> None:
    info = find_model(str(tiny))
    assert info.path == tiny and info.has_chat_template and info.tied and info.max_positions == 1024


def test_stored_tied_heads_count_once(copy: Path) -> None:
    (copy / "config.json").write_text(json.dumps({"tie_word_embeddings": True, "model_type": "llama"}))
    write_weights(
        copy / "model.safetensors",
        {"model.embed_tokens.weight": ("BF16", [10, 4], 80), "lm_head.weight": ("BF16", [10, 4], 80)},
    )
    assert read_model(copy).parameters == 40 and read_model(copy).dtype == "bfloat16"


def test_nested_and_quantised_configurations(copy: Path) -> None:
    inner = {**SMALL, "model_type": "llama", "head_dim": 4}
    config = {"model_type": "vlm", "text_config": inner, "quantization_config": {"quant_method": "bitsandbytes"}}
    (copy / "config.json").write_text(json.dumps(config))
    write_weights(copy / "model.safetensors", {"model.embed_tokens.weight": ("U8", [10], 10)})
    info = read_model(copy)
    assert info.quantised and info.layers == 2 and info.hidden_size == 16
    assert info.parameters == estimate_parameters(info) > 5000


def test_shards_are_read_together(copy: Path) -> None:
    (copy / "model.safetensors").unlink()
    for number in (1, 2):
        write_weights(copy / f"model-{number}.safetensors", {f"layer.{number}.weight": ("F16", [3, 5], 30)})
    mapping = {f"layer.{number}.weight": f"model-{number}.safetensors" for number in (1, 2)}
    (copy / "model.safetensors.index.json").write_text(json.dumps({"weight_map": mapping}))
    assert read_model(copy).parameters == 30
    (copy / "model-2.safetensors").unlink()
    with pytest.raises(DiapasonError, match="1 of 2 weight files are missing, model-2"):
        read_model(copy)


def _cut(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])


def _pointer(folder: Path) -> None:
    text = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 437\n"
    (folder / "model.safetensors").write_text(text)


def _bin_only(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def _adapter(folder: Path) -> None:
    (folder / "config.json").unlink()
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "org/base"}')


def _gguf(folder: Path) -> None:
    (folder / "config.json").unlink()
    (folder / "model-q4.gguf").write_bytes(b"GGUF")


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "cut": (_cut, "cut short: at least 100 bytes"),
    "pointer": (_pointer, "Git LFS pointer"),
    "bin": (_bin_only, "pickle"),
    "adapter": (_adapter, "PEFT adapter, not a model; it belongs to org/base"),
    "gguf": (_gguf, "GGUF"),
    "no config": (lambda folder: (folder / "config.json").unlink(), r"no config\.json"),
    "no weights": (lambda folder: (folder / "model.safetensors").unlink(), "no weights"),
    "empty weights": (lambda folder: (folder / "model.safetensors").write_bytes(b""), "not a whole safetensors"),
    "random": (
        lambda folder: (folder / "model.safetensors").write_bytes(b"\x10" + bytes(7) + b"{not json......."),
        "JSON",
    ),
    "huge header": (lambda folder: (folder / "model.safetensors").write_bytes(b"\xff" * 64), "not a whole"),
    "strange": (
        lambda folder: (folder / "model.safetensors").write_bytes(struct.pack("<Q", 8) + b'{"a": 1}'),
        "makes no sense",
    ),
    "config list": (lambda folder: (folder / "config.json").write_text("[]"), "does not hold an object"),
    "config text": (lambda folder: (folder / "config.json").write_text("{"), "not JSON"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_is_wrong_is_named_with_a_way_out(copy: Path, damage: str) -> None:
    change, message = DAMAGE[damage]
    change(copy)
    with pytest.raises(DiapasonError, match=message) as caught:
        find_model(str(copy))
    assert caught.value.hint and str(copy) in str(caught.value.where)


def test_names_that_are_no_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    for name, message in (
        ("", "no model is named"),
        ("./nowhere", "no such folder"),
        ("a/b/c", "no such folder"),
        ("../x/y", "no such folder"),
        ("org/name", "neither a folder here nor in"),
    ):
        with pytest.raises(DiapasonError, match=message):
            find_model(name)
    with pytest.raises(DiapasonError) as caught:
        find_model("org/name")
    assert "hf download org/name" in str(caught.value.hint)
    file = tmp_path / "config.json"
    file.write_text("{}")
    with pytest.raises(DiapasonError, match="a model is a folder"):
        find_model(str(file))


def test_the_hub_cache_is_read_as_huggingface_hub_lays_it_out(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    repo = hub_cache() / "models--org--tiny"
    snapshot = repo / "snapshots" / "abc123"
    shutil.copytree(tiny, snapshot)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text("abc123")
    assert find_model("org/tiny").path == snapshot
    found = subprocess.run(
        [sys.executable, "-c", "from huggingface_hub import try_to_load_from_cache as find, constants as c\n"
         "print(c.HF_HUB_CACHE); print(find('org/tiny', 'config.json'))"],
        capture_output=True, text=True, check=True, env={**os.environ, "HF_HUB_OFFLINE": "1"},
    ).stdout.split()  # fmt: skip
    assert found == [str(hub_cache()), str(snapshot / "config.json")]
    (snapshot / "model.safetensors").unlink()
    with pytest.raises(DiapasonError, match="only partly"):
        find_model("org/tiny")


def test_a_download_without_network_is_explained(tmp_path: Path) -> None:
    code = "from core.models import find_model\nfind_model('org/none', download=True)"
    environment = {**os.environ, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert "core.errors.DiapasonError: the model `org/none` could not be downloaded" in done.stderr
    assert "HF_HUB_OFFLINE" in done.stderr


def test_headers_equal_those_of_safetensors(tiny: Path) -> None:
    from safetensors import safe_open

    ours = read_header(tiny / "model.safetensors")
    with safe_open(tiny / "model.safetensors", "np") as theirs:
        assert set(ours) == set(theirs.keys())
        assert all(tuple(theirs.get_slice(name).get_shape()) == info.shape for name, info in ours.items())
