"""JSON, one module per noun. API is the list of routers, in the schema's order.

Imports deps and below; never pages or commands.
"""

from app.api import (
    ablation,
    analyze,
    budget,
    chat,
    claims,
    completions,
    dispatcher,
    gallery,
    generate,
    health,
    inspect,
    limits,
    mask,
    models,
    packing,
    padding,
    races,
    reasoning,
    recipes,
    turns,
    votes,
)

API = tuple(
    module.router
    for module in (
        *(health, recipes, analyze, generate, races, ablation, gallery, mask, budget, padding, packing, dispatcher),
        *(limits, reasoning, turns, claims, inspect, models, completions, chat, votes),
    )
)
