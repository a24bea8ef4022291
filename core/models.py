"""Find a model and read what it is from its files: no torch, and no network unless asked for."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from core.errors import DiapasonError
from core.home import expand
from core.weights import TensorInfo, count, dtype, read_json_file, weight_files, weights

STARTER = Path(__file__).parent / "starter" / "model"
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_DOWNLOAD = ["*.json", "*.safetensors", "*.jinja", "*.model", "*.txt", "LICENSE*", "README.md"]


@dataclass(frozen=True, slots=True, eq=False)
class ModelInfo:
    """What a model folder says about itself.

    parameters: weights, each once (tied embeddings are not counted twice); from the safetensors headers, or
    estimated from the configuration where the stored weights are quantised. dtype: of the stored weights, as
    torch names it. bytes_on_disk: of the weight files. Missing configuration entries read as 0 or None.
    """

    name: str
    path: Path
    config: dict[str, Any]
    architecture: str
    model_type: str
    parameters: int
    dtype: str
    vocab_size: int
    hidden_size: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate_size: int
    experts: int
    tied: bool
    max_positions: int | None
    bytes_on_disk: int
    has_chat_template: bool
    quantised: bool
    tensors: dict[str, TensorInfo] = field(repr=False)


def find_model(name: str, *, download: bool = False) -> ModelInfo:
    """The model called `name`: ``starter``, a folder, or a Hugging Face hub id that is in the local cache.

    With `download` a hub id that is not in the cache is fetched first (the only use of the network).

    Raises:
        DiapasonError: where there is no such model, or its files are missing, incomplete or of another kind.
    """
    if not name.strip():
        raise DiapasonError("no model is named", hint="Give a folder, a Hugging Face hub id, or starter.")
    if name == "starter":
        if not (STARTER / "config.json").is_file():
            raise DiapasonError(
                "the bundled starter model is missing from this installation",
                where=str(STARTER),
                hint="`make starter` builds it again (in a clone); otherwise install Diapason again.",
            )
        return read_model(STARTER, name)
    folder = expand(name)
    if folder.exists():
        return read_model(folder.absolute(), name)
    if name.startswith((".", "/", "~")) or not _HUB_ID.fullmatch(name) or "--" in name or ".." in name:
        raise DiapasonError("there is no such folder", where=name, hint="Check the path of the model.")
    cached = hub_snapshot(name)
    if cached is None or not _complete(cached):
        if not download:
            state = "is only partly in" if cached else "is neither a folder here nor in"
            raise DiapasonError(
                f"the model `{name}` {state} the Hugging Face cache ({hub_cache()})",
                hint=f"Download it with `hf download {name}`, or name a folder, or use `starter`.",
            )
        cached = _fetch(name)
    return read_model(cached, name)


def hub_cache() -> Path:
    """The folder of downloaded models, where huggingface_hub keeps it.

    ``$HF_HUB_CACHE``, ``$HUGGINGFACE_HUB_CACHE``, ``$HF_HOME/hub``, ``$XDG_CACHE_HOME/huggingface/hub``, else
    ``~/.cache/huggingface/hub`` (huggingface_hub/constants.py).
    """
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if os.environ.get(variable):
            return expand(os.path.expandvars(os.environ[variable]))
    if os.environ.get("HF_HOME"):
        return expand(os.path.expandvars(os.environ["HF_HOME"])) / "hub"
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return expand(base) / "huggingface" / "hub"


def hub_snapshot(name: str) -> Path | None:
    """The cached snapshot of the hub id `name` (its main branch, else the newest one), or None."""
    repo = hub_cache() / f"models--{name.replace('/', '--')}"
    try:
        commit = (repo / "refs" / "main").read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        commit = ""
    if commit and (repo / "snapshots" / commit).is_dir():
        return repo / "snapshots" / commit
    try:
        found = [path for path in (repo / "snapshots").iterdir() if path.is_dir()]
    except OSError:
        return None
    return max(found, key=lambda path: path.stat().st_mtime, default=None)


def read_model(folder: Path, name: str | None = None) -> ModelInfo:
    """Read the model in `folder`.

    Raises:
        DiapasonError: naming what is missing or wrong, and what to do.
    """
    name = name or folder.name
    config = _config(folder)
    tensors, size = weights(folder)
    text = text_config(config)
    quantised = isinstance(config.get("quantization_config") or text.get("quantization_config"), dict)
    tied = bool(config.get("tie_word_embeddings", text.get("tie_word_embeddings", False)))
    # Gemma ties its embeddings without saying so: transformers' Gemma configs default to True.
    if "tie_word_embeddings" not in config and "tie_word_embeddings" not in text:
        tied = str(text.get("model_type", "")).startswith("gemma")
    heads = _integer(text, "num_attention_heads", "n_head", "n_heads", "num_heads")
    hidden = _integer(text, "hidden_size", "n_embd", "d_model", "dim")
    intermediate = _integer(text, "intermediate_size", "n_inner", "ffn_dim", "d_ff", "ffn_hidden_size")
    experts = _integer(text, "num_local_experts", "num_experts", "n_routed_experts")
    architectures = config.get("architectures")
    info = ModelInfo(
        name=name,
        path=folder,
        config=config,
        architecture=str(architectures[0]) if isinstance(architectures, list) and architectures else "",
        model_type=str(config.get("model_type", "")),
        parameters=count(tensors, tied=tied),
        dtype=dtype(tensors),
        vocab_size=_integer(text, "vocab_size"),
        hidden_size=hidden,
        layers=_integer(text, "num_hidden_layers", "n_layer", "n_layers", "num_layers"),
        heads=heads,
        kv_heads=_integer(text, "num_key_value_heads", "num_kv_heads", "n_head_kv") or heads,
        head_dim=_integer(text, "head_dim") or (hidden // heads if heads else 0),
        intermediate_size=intermediate or 4 * hidden,
        experts=experts,
        tied=tied,
        max_positions=_integer(text, "max_position_embeddings", "n_positions", "max_seq_len", "seq_length") or None,
        bytes_on_disk=size,
        has_chat_template=_has_template(folder),
        quantised=quantised,
        tensors=tensors,
    )
    if not quantised:
        return info
    estimate = estimate_parameters(info)
    return replace(info, parameters=estimate) if estimate else info


def estimate_parameters(info: ModelInfo) -> int:
    """Parameters of a decoder with gated MLPs, from its sizes alone (norms counted, biases not); 0: unknown.

    Per layer: query and output hidden·heads·head_dim each, key and value hidden·kv_heads·head_dim each, the
    MLP 3·hidden·intermediate (an expert's, times the experts, plus the router), two norms; then the
    embeddings, once where tied. (arxiv.org/abs/2302.13971 gives the block.)
    """
    if not (info.hidden_size and info.layers and info.vocab_size):
        return 0
    text = text_config(info.config)
    attention = 2 * info.hidden_size * info.head_dim * (info.heads + info.kv_heads)
    width = (_integer(text, "moe_intermediate_size") if info.experts else 0) or info.intermediate_size
    mlp = 3 * info.hidden_size * width * max(info.experts, 1) + info.hidden_size * info.experts
    layer = attention + mlp + 2 * info.hidden_size
    embeddings = info.vocab_size * info.hidden_size * (1 if info.tied else 2)
    return info.layers * layer + embeddings + info.hidden_size


def text_config(config: dict[str, Any]) -> dict[str, Any]:
    """The part of a configuration that describes the language model (nested in multimodal ones)."""
    for key in ("text_config", "llm_config", "language_config"):
        if isinstance(config.get(key), dict):
            return config[key]
    return config


def _config(folder: Path) -> dict[str, Any]:
    if folder.is_file():
        if folder.suffix == ".gguf":
            raise _gguf(folder)
        raise DiapasonError(
            "a model is a folder, this is a file", where=str(folder), hint="Name the folder it lies in."
        )
    path = folder / "config.json"
    if not path.is_file():
        adapter = folder / "adapter_config.json"
        if adapter.is_file():
            settings = read_json_file(adapter)
            base = settings.get("base_model_name_or_path") if isinstance(settings, dict) else None
            raise DiapasonError(
                "this is a PEFT adapter, not a model" + (f"; it belongs to {base}" if base else ""),
                where=str(folder),
                hint="Give its base model instead, or merge the two first.",
            )
        gguf = next(iter(sorted(folder.glob("*.gguf"))), None)
        if gguf:
            raise _gguf(gguf)
        raise DiapasonError(
            "there is no config.json in the folder, so this is no Hugging Face model",
            where=str(folder),
            hint="Give the folder that holds config.json, tokenizer.json and *.safetensors.",
        )
    config = read_json_file(path)
    if not isinstance(config, dict):
        raise DiapasonError("config.json does not hold an object", where=str(path), hint="Download the model again.")
    return config


def _gguf(path: Path) -> DiapasonError:
    return DiapasonError(
        "GGUF files are for running a model, not for training it",
        where=str(path),
        hint="Use the original Hugging Face model (safetensors) that this file was made from.",
    )


def _complete(folder: Path) -> bool:
    if not (folder / "config.json").is_file():
        # An adapter or GGUF repository: let read_model say so.
        return (folder / "adapter_config.json").is_file() or any(folder.glob("*.gguf"))
    files, missing = weight_files(folder)
    return not missing and (bool(files) or any(folder.glob("*.bin")))


def _integer(config: dict[str, Any], *names: str) -> int:
    for name in names:
        value = config.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
    return 0


def _has_template(folder: Path) -> bool:
    if (folder / "chat_template.jinja").is_file() or (folder / "chat_template.json").is_file():
        return True
    try:
        settings = json.loads((folder / "tokenizer_config.json").read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(settings, dict) and bool(settings.get("chat_template"))


def _fetch(name: str) -> Path:
    try:
        from huggingface_hub import snapshot_download

        return Path(snapshot_download(name, allow_patterns=_DOWNLOAD))
    except Exception as error:  # the hub client raises its own, httpx's and requests' errors
        kind = type(error).__name__
        hints = {
            "GatedRepoError": f"Accept its licence at huggingface.co/{name}, then `hf auth login`.",
            "RepositoryNotFoundError": "Check the name; for a private model run `hf auth login` first.",
            "LocalEntryNotFoundError": "There is no network, or HF_HUB_OFFLINE is set.",
            "OfflineModeIsEnabled": "HF_HUB_OFFLINE is set: unset it to download.",
        }
        raise DiapasonError(
            f"the model `{name}` could not be downloaded ({kind})",
            hint=hints.get(kind, "Check the network, or fetch it elsewhere and give its folder."),
        ) from error
