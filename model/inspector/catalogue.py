"""RULES: all rules by their ids, in order."""

from model.inspector.label_catalogue import LABEL_RULES
from model.inspector.render_catalogue import RENDER_RULES
from model.inspector.rule import Rule

RULES: dict[str, Rule] = {rule.id: rule for rule in sorted((*LABEL_RULES, *RENDER_RULES), key=lambda rule: rule.id)}
