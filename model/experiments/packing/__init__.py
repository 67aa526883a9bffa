"""Several conversations in a row: who sees whom, and what that does to loss and gradient.

Imports what model.experiments may, and the gallery for what was measured.
"""
