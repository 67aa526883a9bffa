"""The GPT and its twins by hand; loss, gradients by position, generation, export.

Imports model.masks and below.
"""
