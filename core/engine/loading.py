"""Load a model and its tokenizer: device, type of the weights, 4-bit quantisation, adapter."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig, GenerationConfig

from core.engine.job import JobError
from core.hardware import gpus

transformers.utils.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()
# Advice to developers, printed once a step: a person reading the run's log can do nothing with it.
warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
warnings.filterwarnings("ignore", message=".*(use_reentrant|attention mask|torch_dtype|past_key_values).*")

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def pick_device(wanted: str = "auto", number: int = 0, count: int = 1) -> torch.device:
    """The device to compute on: the visible GPU `number` of the `count` that are wanted, or the CPU where there is
    none or `wanted` is ``cpu``.

    Raises:
        JobError: where the machine has a visible GPU that torch cannot use, or has fewer than `count`.
    """
    if wanted == "cpu":
        return torch.device("cpu")
    if torch.cuda.is_available():
        if torch.cuda.device_count() < count:
            raise JobError("refused", f"torch sees {torch.cuda.device_count()} GPUs of {count}", where="gpus")
        torch.cuda.set_device(number)
        return torch.device("cuda", number)
    cards = [card for card in gpus() if card.visible]
    if cards:
        built = f"CUDA {torch.version.cuda}" if torch.version.cuda else "the CPU only"
        raise JobError(
            "gpu_unusable",
            f"torch {torch.__version__} (built for {built}) cannot use the {cards[0].name} "
            f"(driver {cards[0].driver or 'unknown'})",
            hint="`diapason doctor` says how to mend it; `device: cpu` in the recipe trains without the card.",
        )
    return torch.device("cpu")


def pick_dtype(wanted: str, device: torch.device) -> torch.dtype:
    """The type of frozen weights and of autocast; auto: bfloat16 on a card that has it, else float32.

    Raises:
        JobError: for float16 without a GPU, on which torch cannot train with it.
    """
    if wanted == "auto":
        wanted = "bfloat16" if device.type == "cuda" and torch.cuda.is_bf16_supported(False) else "float32"
    if wanted == "float16" and device.type == "cpu":
        raise JobError(
            "refused", "float16 needs a GPU", where="train.dtype", hint="Use auto, float32 or bfloat16 on a CPU."
        )
    return DTYPES[wanted]


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer in `folder`, with a pad token: its own, else the end of a text."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_model(folder: Path, device: torch.device, dtype: torch.dtype, *, quantise: bool = False) -> Any:
    """The causal LM in `folder`, on `device`, its weights in `dtype`; with `quantise` linear layers in 4-bit nf4.

    Generation settings of the model's makers are set aside: every answer here is greedy unless said otherwise.
    """
    extra: dict[str, Any] = {}
    if quantise:
        extra["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype,
        )
        extra["device_map"] = {"": device}
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, attn_implementation="sdpa", **extra)
    if not quantise:
        model.to(device)
    model.generation_config = GenerationConfig(
        bos_token_id=model.generation_config.bos_token_id,
        eos_token_id=model.generation_config.eos_token_id,
        pad_token_id=model.generation_config.pad_token_id,
    )
    return model


def load_adapter(model: Any, folder: Path) -> Any:
    """`model` with the PEFT adapter in `folder`, ready to answer; adapter weights in float32."""
    from peft import PeftModel

    return PeftModel.from_pretrained(model, folder).eval()


def resident_bytes() -> int:
    """Bytes of memory that this process has in RAM."""
    import psutil

    return int(psutil.Process(os.getpid()).memory_info().rss)
