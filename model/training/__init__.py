"""Recipes, runs and their checkpoints, the loop as a generator of events, what a model can do.

Imports model.network and below.
"""
