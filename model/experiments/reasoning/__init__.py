"""Sums answered at once and with a trace, and what else could explain the difference.

Imports what model.experiments may; no other experiment.
"""
