"""Variants of the cases whose template, folder or messages are wrong."""

from tests.model.inspector.families import FAMILIES, Variant, chat, of, rules

THINKING = [
    *chat("7*8", "<think>\nfifty\n</think>\n\n56", "9*9"),
    {"role": "assistant", "content": "<think>\neighty\n</think>\n\n81"},
]
CUTS_HISTORY = "{{ m.content.split('</think>')[-1].lstrip() if not loop.last else m.content }}"
FIELD = "{% if m.reasoning_content and loop.last %}<think>{{ m.reasoning_content }}</think>{% endif %}{{ m.content }}"

HEADED = (
    "<b><|start_header_id|>question<|end_header_id|>\n\nsky<e><|start_header_id|>chatgpt<|end_header_id|>\n\nblue<e>"
)

TEMPLATE_VARIANTS = (
    # A text without a stop
    Variant(
        "C01", "chatml", chat("Q: sky? A:", " blue"), "", None, rules("M07"),
        "{% for m in messages %}{{ m.content }}{% endfor %}",
        "{% for m in messages %}{{ m.content }}{% if m.role == 'assistant' %}<|im_end|>{% endif %}{% endfor %}",
    ),
    Variant(
        "C01", "headers", chat("one", "two", "three", "four", system="count"), "", None, rules("M07"),
        of("headers", "<|eot_id|>", ""), FAMILIES["headers"].template,
    ),
    Variant("C01", "brackets", chat("sky", "blue"), "", None, rules("M07"), of("brackets", "</s>", "")
            , FAMILIES["brackets"].template),
    Variant(
        "C01", "turns", chat("a", "b", "c", "d"), "", None, rules("M07"),
        of("turns", "<end_of_turn>\n", "{% if not loop.last %}<end_of_turn>\n{% endif %}"),
        FAMILIES["turns"].template,
    ),
    # The serving files keep the stop of the base model
    Variant(
        "C02", "chatml", chat("sky", "blue"), "<u>sky<e><a>⟦blue<e>⟧", "<u>sky<e><a>⟦blue<e>⟧", rules("M04"),
        folder={"generation_config": {"eos_token_id": "<|endoftext|>"}}, stays=rules("M04"),
        says="generation_config.json",
    ),
    Variant(
        "C02", "headers", chat("sky", "blue", "sea", "green"), "<b><u>sky<e><a>⟦blue<e>⟧<u>sea<e><a>⟦green<e>⟧",
        "<b><u>sky<e><a>⟦blue<e>⟧<u>sea<e><a>⟦green<e>⟧", rules("M04"),
        folder={
            "generation_config": {"eos_token_id": ["<|end_of_text|>"]}, "config": {"eos_token_id": "<|end_of_text|>"}
        },
        stays=rules("M04"),
    ),
    Variant(
        "C02", "turns", chat("sky", "blue"), "<b><u>sky<e><a>⟦blue<e>⟧", "<b><u>sky<e><a>⟦blue<e>⟧", rules("M04"),
        folder={"generation_config": {"eos_token_id": "<eos>"}, "eos_token": "<eos>"}, stays=rules("M04"),
    ),
    Variant(
        "C02", "headers", chat("sky", "blue"), "<b><u>sky<e><a>⟦blue<e>⟧", None, rules(),
        folder={"generation_config": {"eos_token_id": ["<|end_of_text|>", "<|eot_id|>"]}},
    ),
    # The template refuses a shape
    Variant(
        "C05", "chatml", chat("sky", "blue"), "<u>sky<e><a>⟦blue<e>⟧", None, rules("M31"),
        "{% if messages[0].role == 'system' %}{{ raise_exception('no system turn here') }}{% endif %}"
        + FAMILIES["chatml"].template, stays=rules(), says="no system turn here",
    ),
    Variant(
        "C05", "headers", [*chat("sky", "blue", "sea"), {"role": "user", "content": "shore"}], "", None, rules("M31"),
        "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
        "{{ raise_exception('Roles must alternate') }}{% endif %}{% endfor %}" + FAMILIES["headers"].template,
        FAMILIES["headers"].template, rules("M35"), says="Roles must alternate",
    ),
    Variant(
        "C05", "turns", chat("sky", "blue", system="Be kind"), "", None, rules("M31"),
        of("turns", "{% for m in messages %}", "{% for m in messages %}{% if m.role == 'system' %}"
           "{{ raise_exception('System role not supported') }}{% endif %}"), FAMILIES["turns"].template,
        says="System role not supported",
    ),
    # Thoughts taken out of the history
    Variant(
        "C06", "chatml", THINKING, "<u>7*8<e><a>⟦56<e>⟧<u>9*9<e><a>⟦<think>\neighty\n</think>\n\n81<e>⟧", None,
        rules("M17", "M32"), of("chatml", "{{ m.content }}", CUTS_HISTORY), stays=rules("M17", "M32"),
    ),
    Variant(
        "C06", "headers", THINKING, "<b><u>7*8<e><a>⟦56<e>⟧<u>9*9<e><a>⟦<think>\neighty\n</think>\n\n81<e>⟧", None,
        rules("M17", "M32"), of("headers", "{{ m.content }}", CUTS_HISTORY), stays=rules("M17", "M32"),
    ),
    Variant(
        "C06", "chatml", chat("7*8", "<think>fifty</think>56"), "<u>7*8<e><a>⟦56<e>⟧", None, rules("M32"),
        of("chatml", "{{ m.content }}", "{{ m.content.split('</think>')[-1] }}"), stays=rules("M32"), says="fifty",
    ),
    Variant(
        "C06", "turns",
        [{**m, "reasoning_content": f"so {m['content']}"} if m["role"] == "assistant" else m
         for m in chat("a", "b", "c", "d")],
        "<b><u>a<e><a>⟦b<e>⟧<u>c<e><a>⟦<think>so d</think>d<e>⟧", None, rules("M17", "M32"),
        of("turns", "{{ m.content }}", FIELD), stays=rules("M17", "M32"),
    ),
    # The generation prompt holds more than the row
    Variant(
        "C07", "chatml", chat("sky", "blue"), "<u>sky<e><a>⟦blue<e>⟧", "<u>sky<e><a>blue<e>", rules("M18", "M01"),
        of("chatml", "<|im_start|>assistant\n{% endif %}", "<|im_start|>assistant\n<think>\n\n</think>\n\n{% endif %}"),
        stays=rules("M18"), says=r"<think>\n\n</think>\n\n",
    ),
    Variant(
        "C07", "headers", chat("sky", "blue", "sea", "green"), "<b><u>sky<e><a>⟦blue<e>⟧<u>sea<e><a>⟦green<e>⟧",
        "<b><u>sky<e><a>blue<e><u>sea<e><a>green<e>", rules("M18", "M01"),
        of("headers", "assistant<|end_header_id|>\n\n{% endif %}", "assistant<|end_header_id|>\n\nSure: {% endif %}"),
        stays=rules("M18"), says="Sure: ",
    ),
    Variant(
        "C07", "turns", chat("sky", "blue"), "<b><u>sky<e><a>⟦blue<e>⟧", "<b><u>sky<e><a>blue<e>", rules("M18", "M01"),
        of("turns", "<start_of_turn>model\n{% endif %}", "<start_of_turn>model\n<unused94>thought{% endif %}"),
        stays=rules("M18"), says="<unused94>thought",
    ),
    # A turn that the template drops
    Variant(
        "C08", "chatml", chat("sky", "blue", system="One word"), "<u>sky<e><a>⟦blue<e>⟧", None, rules("M32"),
        of("chatml", "for m in messages", "for m in messages if m.role in ('user', 'assistant')"), stays=rules("M32"),
        says="One word",
    ),
    Variant(
        "C08", "brackets", [*chat("sky", "blue"), {"role": "tool", "content": "stars"}, *chat("sea", "green")[:2]],
        "", None, rules("M32"),
        of("brackets", "{% else %}{{ m.content }}", "{% elif m.role == 'assistant' %}{{ m.content }}"),
        "{{ bos_token }}{% for m in messages %}{% if m.role != 'assistant' %}[INST]{{ m.content }}[/INST]"
        "{% else %}{{ m.content }}</s>{% endif %}{% endfor %}", says="stars",
    ),
    Variant(
        "C08", "headers", chat("sky", "blue", "sea", "green", system="Speak low"), "", None, rules("M32"),
        of("headers", "{% for m in messages %}", "{% for m in messages[1:] %}"), FAMILIES["headers"].template,
        says="Speak low",
    ),
    Variant(
        "C08", "chatml", chat("sky", "blue", system="One word"), "", None, rules("M32"),
        of("chatml", "{{ m.content }}", "{{ 'You are Bot.' if m.role == 'system' else m.content }}"),
        FAMILIES["chatml"].template, says="One word",
    ),
    # Thoughts in a field that the template does not read
    *(
        Variant(
            "C09", family, chat("sky", "blue", **{key: "light scatters"}), "", None, rules("M32"),
            FAMILIES[family].template,
            of(
                family, "{{ m.content }}",
                f"{{% if m.{key} %}}<think>{{{{ m.{key} }}}}</think>{{% endif %}}{{{{ m.content }}}}",
            ),
            says="light scatters",
        )
        for family, key in (("chatml", "reasoning_content"), ("headers", "thinking"), ("turns", "reasoning"))
    ),
    # Null keys in tools
    *(
        Variant(
            "C10", family, chat("sky", "blue"), "", None, rules("M33"),
            "{% for t in tools or [] %}{{ t | tojson }}\n{% endfor %}" + FAMILIES[family].template, tools=tools,
            says=says,
        )
        for family, tools, says in (
            (
                "chatml",
                (
                    {"function": {"name": "f", "parameters": {"properties": {"x": {"type": "number"}, "y": None}}}},
                    {"function": {"name": "g", "parameters": {"properties": {"x": None, "y": {"type": "number"}}}}},
                ),
                "y",
            ),
            ("headers", ({"name": "f", "parameters": {"unit": None, "place": {"type": "string"}}},), "unit"),
            (
                "turns",
                ({"name": "f", "enum": ["a"], "default": 3}, {"name": "g", "enum": None, "default": None}),
                "default, enum",
            ),
        )
    ),
    # Names of roles that trainers do not know
    *(
        Variant(
            "C11", family, [{"role": user, "content": "sky"}, {"role": bot, "content": "blue"}], right, wrong,
            rules("M35", "M01"), template, stays=rules("M18"),
        )
        for family, user, bot, template, right, wrong in (
            ("chatml", "prompter", "bot", FAMILIES["chatml"].template,
             "<|im_start|>prompter\nsky<e><|im_start|>bot\n⟦blue<e>⟧",
             "<|im_start|>prompter\nsky<e><|im_start|>bot\nblue<e>"),
            ("headers", "question", "chatgpt", FAMILIES["headers"].template,
             HEADED.replace("blue<e>", "⟦blue<e>⟧"), HEADED),
            ("tiny", "Human", "GPT", "{% for m in messages %}{{ m.role }}: {{ m.content }}<e>{% endfor %}",
             "Human: sky<e>GPT: ⟦blue<e>⟧", "Human: sky<e>GPT: blue<e>"),
        )
    ),
)  # fmt: skip
