"""A random Llama of a hundred thousand parameters and its tokenizer, the same bytes each time it is made."""

from __future__ import annotations

import json
from pathlib import Path

TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>\n' }}"
    "{% if message['role'] == 'assistant' %}"
    "{% generation %}{{ message['content'] + '<|end|>' }}{% endgeneration %}{{ '\n' }}"
    "{% else %}{{ message['content'] + '<|end|>\n' }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
)
SPECIALS = ["<|bos|>", "<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]
_TEXT = (
    "Where is my order? Your order left our warehouse this morning. Can I return the lamp? "
    "Yes, of course: within thirty days, and we pay the way back. What is the capital of France? Paris. "
    "I love this product. It broke after two days. positive negative neutral hello thank you goodbye "
    "Où est ma commande ? Elle est partie ce matin. "
)


def make_tiny_model(
    path: Path, *, seed: int = 0, template: bool = True, hidden: int = 64, layers: int = 2, experts: int = 0
) -> Path:
    """Write a tiny random causal LM and its tokenizer to the folder `path`, which is made, and return it.

    The byte-level BPE tokenizer has about 430 tokens: <|bos|> (0), <|pad|> (1), <|end|> (2, the end of a turn and
    of a text), the role marks (3-5), bytes and merges. `template=False` leaves the chat template out, as base
    models do. Positions: 1024. With `experts` it is a mixture of so many experts (Qwen3-MoE), two for each token.
    """
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, Qwen3MoeConfig, Qwen3MoeForCausalLM
    from transformers.utils import logging

    path.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=512,
        special_tokens=SPECIALS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([_TEXT] * 4, trainer)
    tokenizer.save(str(path / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<|bos|>",
        "eos_token": "<|end|>",
        "pad_token": "<|pad|>",
        "model_max_length": 1024,
        "clean_up_tokenization_spaces": False,
    }
    (path / "tokenizer_config.json").write_text(json.dumps(settings, indent=2))
    if template:
        (path / "chat_template.jinja").write_text(TEMPLATE)
    shape: dict[str, int | bool] = {
        "vocab_size": tokenizer.get_vocab_size(),
        "hidden_size": hidden,
        "intermediate_size": 2 * hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 1024,
        "tie_word_embeddings": True,
        "bos_token_id": 0,
        "pad_token_id": 1,
        "eos_token_id": 2,
    }
    logging.disable_progress_bar()
    state = torch.random.get_rng_state()
    torch.manual_seed(seed)
    try:
        if experts:
            config = Qwen3MoeConfig(
                **shape,
                num_experts=experts,
                num_experts_per_tok=2,
                moe_intermediate_size=hidden,
                head_dim=hidden // 4,
            )
            Qwen3MoeForCausalLM(config).save_pretrained(path)
        else:
            LlamaForCausalLM(LlamaConfig(**shape)).save_pretrained(path)
    finally:
        torch.random.set_rng_state(state)
    return path
