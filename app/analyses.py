"""Analyses of words under a mask and a model: the last ones kept, equal ones in flight joined, others batched.

In: a recipe, a model, a policy, a prompt. Out: an Analysis with the right answer and five predictions. Over the engine.
"""

import asyncio
from collections import OrderedDict
from functools import partial
from weakref import ref

from app.engine import Engine
from app.shares import asking
from model.explain.analysis import Analysis, analyze_words
from model.masks.policies import MaskPolicy
from model.network.gpt import GPT
from model.training.conversations import render_prompt
from model.training.recipes import Recipe

KEPT = 1024
"""Analyses, about 50 KB each."""
Key = tuple[str, ref[GPT], str, str]
"""Weakly by model: what has left the catalog's memory does not stay in ours."""


class Analyses:
    """Made by the application's lifespan, in the event loop of its engine."""

    def __init__(self, engine: Engine, most: int = KEPT):
        self._engine = engine
        self._most = most
        self._kept: OrderedDict[Key, Analysis] = OrderedDict()
        self._coming: dict[tuple[Key, str], asyncio.Task[Analysis]] = {}
        """By who asks too: whoever joined another address would wait for its turns, and get its refusals."""

    def __len__(self) -> int:
        return len(self._kept)

    async def of(self, recipe: Recipe, model: GPT, policy: MaskPolicy, prompt: str) -> Analysis:
        """Raises what `analyze` raises, at once, and what the engine raises."""
        key = (recipe.slug, ref(model), policy.slug, prompt)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        coming = (key, asking.get())
        if coming not in self._coming:
            render_prompt(recipe, prompt)  # refuses before anything waits: one bad word would spoil a batch
            task = asyncio.get_running_loop().create_task(self._compute(coming, recipe, model, policy))
            self._coming[coming] = task
        return await asyncio.shield(self._coming[coming])  # one who leaves takes it from nobody else

    async def _compute(self, coming: tuple[Key, str], recipe: Recipe, model: GPT, policy: MaskPolicy) -> Analysis:
        key, _ = coming
        prompt = key[-1]
        try:
            function = partial(analyze_words, recipe, model, policy)
            analysis = await self._engine.call_together(function, (model, policy.slug), prompt, len(prompt))
        finally:
            del self._coming[coming]
        self._kept[key] = analysis
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return analysis
