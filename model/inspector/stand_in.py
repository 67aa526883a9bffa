"""A tokenizer where a family's own cannot be had: one token a byte, and that family's control tokens as one each.

In: a template's source. Out: the files of a tokenizer's folder. What it says of ids holds for no real model; owners,
stops and masks are those of the text, and these it tells as the real one would.
"""

import json
from functools import cache

from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from model.inspector.contract import CONTROL_TEXTS

BEGIN, END = "<s>", "</s>"


def stand_in_files(source: str) -> dict[str, str]:
    """tokenizer.json and its config. `<s>` and `</s>` are the begin and the end where the template asks for them."""
    found = {*CONTROL_TEXTS.findall(source), BEGIN, END}
    config = {"bos_token": BEGIN, "eos_token": END}
    return {"tokenizer.json": _tokenizer_json(tuple(sorted(found))), "tokenizer_config.json": json.dumps(config)}


@cache
def _tokenizer_json(special: tuple[str, ...]) -> str:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({one: number for number, one in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(special))
    return tokenizer.to_str()
