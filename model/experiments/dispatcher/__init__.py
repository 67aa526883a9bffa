"""A base model, SFT from it and from random weights: what each arm knows, how far it drifts, what it says next.

Imports what model.experiments may; no other experiment.
"""
