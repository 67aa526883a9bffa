"""Variants of the cases whose labels are wrong."""

from tests.model.inspector.families import FAMILIES, Variant, chat, of, rules

CALL = {"id": "call00001", "type": "function", "function": {"name": "rain", "arguments": {"place": "Rome"}}}
CALLING = [
    *chat("rain?", "", tool_calls=[CALL], loss=False),
    {"role": "tool", "tool_call_id": "call00001", "name": "rain", "content": "yes"},
    {"role": "assistant", "content": "It rains.", "loss": True},
]
WITH_CALLS = of(
    "chatml",
    "{{ m.content }}",
    "{{ m.content }}{% for c in m.tool_calls or [] %}<call>{{ c.function.name }} {{ c.function.arguments | tojson }}"
    "</call>{% endfor %}",
)
CALLED = '<u>rain?<e><a><call>rain {"place": "Rome"}</call><e><t>yes<e><a>⟦It rains.<e>⟧'
TURN_SWITCHED = [
    {"role": "system", "content": "Be kind"},
    {"role": "user", "content": "rain?"},
    {"role": "assistant", "content": "maybe", "masked": True},
    {"role": "user", "content": "sure?"},
    {"role": "assistant", "content": "it will rain", "masked": False},
]
WRITES_EMPTY_THOUGHT = of(
    "chatml", "{{ m.content }}", "{% if m.role == 'assistant' %}<think>\n\n</think>\n\n{% endif %}{{ m.content }}"
).replace(
    "assistant\n{% endif %}",
    "assistant\n{% if enable_thinking is false %}<think>\n\n</think>\n\n{% endif %}{% endif %}",
)

LABEL_VARIANTS = (
    # The turn's own stop is trained, the end of the text is not
    Variant(
        "C03", "chatml", chat("sky", "blue"), "<u>sky<e><a>⟦blue<e>⟧<z>", None, rules(),
        FAMILIES["chatml"].template + "{% if not add_generation_prompt %}<|endoftext|>{% endif %}",
        folder={"eos_token": "<|endoftext|>", "generation_config": {"eos_token_id": ["<|im_end|>", "<|endoftext|>"]}},
    ),
    Variant(
        "C03", "headers", chat("sky", "blue", "sea", "green"), "<b><u>sky<e><a>⟦blue<e>⟧<u>sea<e><a>⟦green<e>⟧<z>",
        None, rules(),
        FAMILIES["headers"].template + "{% if not add_generation_prompt %}<|end_of_text|>{% endif %}",
        folder={"eos_token": "<|end_of_text|>"}, stays=rules("M04"),
    ),
    Variant("C03", "turns", chat("sky", "blue"), "<b><u>sky<e><a>⟦blue<e>⟧", None, rules(),
            folder={"eos_token": "<eos>"}, stays=rules("M04")),
    # A message's own switch
    Variant(
        "C04", "chatml", TURN_SWITCHED, "<s>Be kind<e><u>rain?<e><a>maybe<e><u>sure?<e><a>⟦it will rain<e>⟧",
        "<s>Be kind<e><u>rain?<e><a>⟦maybe<e>⟧<u>sure?<e><a>⟦it will rain<e>⟧", rules("M36"), says="`masked`",
    ),
    Variant(
        "C04", "headers", [*chat("a", "b", "c"), {"role": "assistant", "content": "d", "weight": 0}],
        "<b><u>a<e><a>⟦b<e>⟧<u>c<e><a>d<e>", "<b><u>a<e><a>⟦b<e>⟧<u>c<e><a>⟦d<e>⟧", rules("M36"), says="`weight`",
    ),
    Variant(
        "C04", "turns", [{**m, "train": True} if m["role"] == "assistant" else m for m in chat("a", "b", "c", "d")],
        "<b><u>a<e><a>⟦b<e>⟧<u>c<e><a>⟦d<e>⟧", "<b><u>a<e><a>b<e><u>c<e><a>⟦d<e>⟧", rules("M36"), says="`train`",
    ),
    Variant(
        "C04", "tiny", chat("a", "keep drop", training_detail=[
            {"begin_offset": 0, "end_offset": 4, "train": True}, {"begin_offset": 5, "end_offset": 8, "train": False}]),
        "<u>a<e><a>⟦keep⟧ drop⟦<e>⟧", "<u>a<e><a>⟦keep drop<e>⟧", rules("M36"), says="`training_detail`",
    ),
    Variant(
        "C04", "chatml", [
            *chat("a", "drop this, keep that", train_detail=[{"begin_offset": 0, "end_offset": 9, "train": False}]),
            *chat("b", "c"),
        ],
        "<u>a<e><a>drop this,⟦ keep that<e>⟧<u>b<e><a>⟦c<e>⟧", "<u>a<e><a>⟦drop this, keep that<e>⟧<u>b<e><a>⟦c<e>⟧",
        rules("M36"), says="`train_detail`",
    ),
    Variant(
        "C04", "chatml", CALLING, CALLED, CALLED.replace("<call>", "⟦<call>").replace("</call><e>", "</call><e>⟧"),
        rules("M36"), WITH_CALLS, says="`loss`",
    ),
    # A pack whose second conversation is labelled by other ranges
    *(
        Variant(
            "C12", family, None, f"{b}<u>sky<e><a>⟦blue<e>⟧{b}<u>sea now<e><a>⟦green<e>⟧",
            f"{b}<u>sky<e><a>⟦blue<e>⟧{b}<u>⟦sea now⟧<e><a>green<e>", rules("M13", "M14"), segments=f"{b}<u>sea",
        )
        for family, b in (("chatml", ""), ("headers", "<b>"), ("turns", "<b>"))
    ),
    # Rows of pads
    *(
        Variant(
            "C13", family, None, f"{b}<u>sky<e><a>⟦blue<e>⟧<p><p>", "<p>" * pads, rules("M01", "M20"), ignore=ignore
        )
        for family, b, pads, ignore in (("chatml", "", 5, -100), ("headers", "<b>", 9, -1), ("turns", "<b>", 16, -100))
    ),
    # A search for markers found nothing
    Variant(
        "C14", "brackets", chat("sky", "blue"), "<b><u>sky<a>⟦blue<e>⟧", "<b><u>sky<a>blue<e>", rules("M01"),
        says="the answer was not found",
    ),
    Variant(
        "C14", "headers", chat("sky", "blue", "sea", "green", system="x"),
        "<b><s>x<e><u>sky<e><a>⟦blue<e>⟧<u>sea<e><a>⟦green<e>⟧", "<b><s>x<e><u>sky<e><a>blue<e><u>sea<e><a>green<e>",
        rules("M01"), says="its header is",
    ),
    Variant(
        "C14", "tiny", chat("sky", "blue"), "<b><i>sky</i>⟦blue<e>⟧", "<b><i>sky</i>blue<e>", rules("M01"),
        "<b>{% for m in messages %}{{ '<i>' ~ m.content ~ '</i>' if m.role == 'user' else m.content ~ '<e>' }}"
        "{% endfor %}",
        says="header",
    ),
    # A cache of ids alone
    *(
        Variant("C15", family, chat(*texts), right, wrong, rules("M02"))
        for family, texts, right, wrong in (
            ("chatml", ("sky", "blue"), "<u>sky<e><a>⟦blue<e>⟧", "⟦<u>sky<e><a>blue<|im_end|>\n⟧"),
            (
                "headers", ("a", "b", "c", "d"), "<b><u>a<e><a>⟦b<e>⟧<u>c<e><a>⟦d<e>⟧",
                "⟦<b><u>a<e><a>b<e><u>c<e><a>d<e>⟧",
            ),
            ("brackets", ("sky", "blue"), "<b><u>sky<a>⟦blue<e>⟧", "<b>⟦<u>sky<a>blue<e>⟧"),
        )
    ),
    # Placeholders of images as targets
    *(
        Variant("C16", family, None, right, wrong, rules("M38"), folder=folder)
        for family, right, wrong, folder in (
            ("chatml", "<u><im><im>what<e><a>⟦a cat<e>⟧", "<u>⟦<im><im>⟧what<e><a>⟦a cat<e>⟧", {}),
            ("headers", "<b><u>what<im><e><a>⟦a cat<e>⟧", "<b><u>what⟦<im>⟧<e><a>⟦a cat<e>⟧",
             {"config": {"image_token_index": "<|image|>"}}),
            ("turns", "<b><u><im>what<e><a>⟦a cat<e>⟧", "<b><u><im>what<e><a>⟦<im>a cat<e>⟧",
             {"config": {"image_token_id": "<image_soft_token>"}}),
        )
    ),
    # An empty thought that the server supplies, or does not
    Variant(
        "C17", "chatml", chat("sky", "blue"), "<u>sky<e><a><think>\n\n</think>\n\n⟦blue<e>⟧",
        "<u>sky<e><a>⟦<think>\n\n</think>\n\nblue<e>⟧", rules("M12"),
        WRITES_EMPTY_THOUGHT,
        serving={"enable_thinking": False},
    ),
    Variant(
        "C17", "chatml", chat("sky", "blue"), "<u>sky<e><a>⟦<think>\n\n</think>\n\nblue<e>⟧", None, rules(),
        WRITES_EMPTY_THOUGHT,
        serving={"enable_thinking": True},
    ),
    Variant(
        "C17", "headers", chat("sky", "blue", "sea", "green"),
        "<b><u>sky<e><a>[nothought]⟦blue<e>⟧<u>sea<e><a>[nothought]⟦green<e>⟧",
        "<b><u>sky<e><a>⟦[nothought]blue<e>⟧<u>sea<e><a>⟦[nothought]green<e>⟧", rules("M12"),
        of("headers", "{{ m.content }}", "{{ '[nothought]' if m.role == 'assistant' }}{{ m.content }}")
        .replace("assistant<|end_header_id|>\n\n{% endif %}",
                 "assistant<|end_header_id|>\n\n{{ '[nothought]' if mode == 'quick' }}{% endif %}"),
        serving={"mode": "quick"},
    ),
    Variant(
        "C17", "turns", chat("sky", "blue"), "<b><u>sky<e><a><pre>⟦blue<e>⟧", "<b><u>sky<e><a>⟦<pre>blue<e>⟧",
        rules("M12"),
        of("turns", "{{ m.content }}", "{% if m.role == 'assistant' %}<pre>{% endif %}{{ m.content }}")
        .replace("<start_of_turn>model\n{% endif %}", "<start_of_turn>model\n<pre>{% endif %}"),
    ),
    # The template's own markers in a text
    Variant(
        "C18", "chatml", chat("say <|im_end|>\n<|im_start|>assistant\nok", "no"),
        "<u>say <|im_end|>\n<|im_start|>assistant\nok<e><a>⟦no<e>⟧",
        "<u>say <|im_end|>\n<|im_start|>assistant\n⟦ok<e>⟧<a>⟦no<e>⟧", rules("M37"), stays=rules("M37"),
        says="<|im_end|>",
    ),
    Variant(
        "C18", "headers", chat("sky", "end with <|eot_id|> always", "sea", "green"),
        "<b><u>sky<e><a>⟦end with <|eot_id|> always<e>⟧<u>sea<e><a>⟦green<e>⟧",
        "<b><u>sky<e><a>⟦end with <|eot_id|>⟧ always<e><u>sea<e><a>⟦green<e>⟧", rules("M37"), stays=rules("M37"),
        says="<|eot_id|>",
    ),
    Variant(
        "C18", "brackets", chat("what is [/INST] for", "an end"), "<b><u>what is [/INST] for<a>⟦an end<e>⟧",
        "<b><u>what is [/INST]⟦ for⟧<a>⟦an end<e>⟧", rules("M37"), stays=rules("M37"), says="[/INST]",
    ),
)  # fmt: skip
