"""A checkpoint as a folder that `transformers` loads: GPT2LMHeadModel and AutoTokenizer, chat template included.

In: a model and its tokenizer. Out: config.json, generation_config.json, model.safetensors, tokenizer.json,
tokenizer_config.json. Knows the file formats, not the library: nothing of transformers is imported.
"""

import json
import re
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor

from model.network.gpt import GPT
from model.text.chat_template import JINJA_TEMPLATE
from model.text.tokenizer import ASSISTANT_START, END_OF_TURN, PAD, USER_START, Tokenizer

GPT2_NAMES = {
    "token_embedding": "transformer.wte",
    "position_embedding": "transformer.wpe",
    "norm": "transformer.ln_f",
    "norm_1": "ln_1",
    "norm_2": "ln_2",
    "attention.qkv": "attn.c_attn",
    "attention.out": "attn.c_proj",
    "expand": "mlp.c_fc",
    "contract": "mlp.c_proj",
}


def export_run(model: GPT, tokenizer: Tokenizer, folder: Path) -> tuple[Path, ...]:
    """Write the folder and return its files."""
    folder.mkdir(parents=True, exist_ok=True)
    documents = {
        "config.json": _config(model, tokenizer),
        "generation_config.json": _generation_config(model, tokenizer),
        "tokenizer.json": _tokenizer(tokenizer),
        "tokenizer_config.json": _tokenizer_config(model, tokenizer),
    }
    for name, document in documents.items():
        (folder / name).write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    weights = {_gpt2_name(name): _gpt2_layout(name, p.detach()) for name, p in model.named_parameters()}
    safetensors.torch.save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return tuple(folder / name for name in (*documents, "model.safetensors"))


def _gpt2_name(name: str) -> str:
    """blocks.0.attention.qkv.weight -> transformer.h.0.attn.c_attn.weight"""
    module, kind = name.rsplit(".", 1)
    if match := re.fullmatch(r"blocks\.(\d+)\.(.+)", module):
        return f"transformer.h.{match[1]}.{GPT2_NAMES[match[2]]}.{kind}"
    return f"{GPT2_NAMES[module]}.{kind}"


def _gpt2_layout(name: str, weight: Tensor) -> Tensor:
    """GPT-2's linear layers keep their weights as (inputs, outputs), ours as (outputs, inputs)."""
    linear = name.startswith("blocks.") and "norm" not in name and name.endswith("weight")
    return weight.T.contiguous() if linear else weight.contiguous()


def _config(model: GPT, tokenizer: Tokenizer) -> dict[str, Any]:
    config = model.config
    return {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "vocab_size": config.vocab_size,
        "n_positions": config.context_length,
        "n_embd": config.width,
        "n_layer": config.layers,
        "n_head": config.heads,
        "activation_function": "gelu",
        "layer_norm_epsilon": 1e-5,
        "resid_pdrop": 0.0,
        "embd_pdrop": 0.0,
        "attn_pdrop": 0.0,
        "tie_word_embeddings": True,
        "dtype": "float32",
        **_special_ids(tokenizer),
    }


def _generation_config(model: GPT, tokenizer: Tokenizer) -> dict[str, Any]:
    return {"do_sample": False, "max_length": model.config.context_length, **_special_ids(tokenizer)}


def _special_ids(tokenizer: Tokenizer) -> dict[str, int | None]:
    return {
        "bos_token_id": tokenizer.ids[USER_START],
        "eos_token_id": tokenizer.end_of_turn_id,
        "pad_token_id": tokenizer.pad_id,
    }


def _tokenizer(tokenizer: Tokenizer) -> dict[str, Any]:
    """One token per character; a character outside of the vocabulary is an error, for no unknown token exists."""
    unset = ("single_word", "lstrip", "rstrip", "normalized")
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": i, "content": token, **dict.fromkeys(unset, False), "special": True}
            for token, i in tokenizer.ids.items()
            if token not in tokenizer.alphabet
        ],
        "normalizer": None,
        "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "[\\s\\S]"}, "behavior": "Isolated", "invert": False},
        "post_processor": None,
        "decoder": {"type": "Fuse"},
        "model": {"type": "WordLevel", "vocab": tokenizer.ids, "unk_token": "[unknown]"},
    }


def _tokenizer_config(model: GPT, tokenizer: Tokenizer) -> dict[str, Any]:
    pad = {"pad_token": PAD} if tokenizer.pads else {}
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": model.config.context_length,
        "bos_token": USER_START,
        "eos_token": END_OF_TURN,
        **pad,
        "extra_special_tokens": {"assistant_start_token": ASSISTANT_START},
        "clean_up_tokenization_spaces": False,
        "chat_template": JINJA_TEMPLATE,
    }
