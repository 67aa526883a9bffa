"""Templates that ask for more than they may have, and what each is told. Shared by tests of processes and servers."""

ROWS = [{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yo"}]}]
GOOD = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"
GROWS = (
    "{% set n = namespace(x='aaaaaaaa') %}{% for a in range(60) %}{% set n.x = n.x STEP %}{% endfor %}{{ n.x|length }}"
)

STOPPED = "longer than it may"
HOSTILE = {
    "nested loops": ("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", STOPPED),
    "sorting in a loop": ("{% for a in range(99999) %}{% set x = range(99999)|sort %}{% endfor %}", STOPPED),
    "a huge power": ("{{ 9 ** (9 ** 9) }}", "a power"),
    "a huge product": ("{{ 'a' * 1000000000 }}", "a product"),
    "an indentation": ("{{ 'a\nb'|indent(1000000000) }}", "width"),
    "a centred line": ("{{ 'a'|center(1000000000) }}", "width"),
    "a wide number": ("{{ '%1000000000d'|format(1) }}", "width"),
    "a batch": ("{{ [1]|batch(1000000000, 'x')|list }}", "linecount"),
    "an indented object": ("{{ {'a': 1}|tojson(indent=1000000000) }}", "indent"),
    "a long range": ("{{ range(1000000000)|list }}", "range"),
    "endless output": ("{% for a in range(99999) %}{{ 'abcdefghij' * 10 }}{% endfor %}", "4 MiB"),
    "growth": (GROWS.replace("STEP", "|replace('a', 'aaaaaaaaaaaaaaaa')"), "memory"),
    "a source of 50 MB": ("x" * (50 << 20), "256 KiB"),
    "deep nesting": ("{{ " + "(" * 20_000 + "1" + ")" * 20_000 + " }}", "depth"),
    "a macro that calls itself": ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "depth"),
}
