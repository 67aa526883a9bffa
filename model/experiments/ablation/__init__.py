"""Mask on against mask off over settings and seeds: the plan, its runs, what they show, in words, as shipped.

Imports what model.experiments may; no other experiment.
"""
