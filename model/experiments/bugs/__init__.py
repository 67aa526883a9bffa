"""The gallery of mask bugs: a model trained under each, its symptoms, a diagnosis, public reports.

Imports what model.experiments may; no other experiment.
"""
