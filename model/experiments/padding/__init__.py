"""What pads do: to one batch, to what a model answers, and to the cells that are computed. In: models, words.

Imports the wings above; nothing of the other experiments.
"""
