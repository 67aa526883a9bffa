"""Why the inspector could not go on: a template that refuses, a limit that was hit, an input nobody can read."""

from model.errors import MaskscopeError


class TemplateRefused(MaskscopeError, ValueError):
    """The template cannot be compiled or raised while it rendered; the message is its own words."""

    code = "template_refused"


class LimitHit(MaskscopeError, RuntimeError):
    """Template, tokenizer or data asked for more time, memory or output than is allowed. The message says which."""

    code = "limit_hit"


class UnreadableInput(MaskscopeError, ValueError):
    """Rows, a dump, a template or a tokenizer folder that cannot be read. The message says where."""

    code = "unreadable_input"
