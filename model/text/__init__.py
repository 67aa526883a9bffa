"""Text: characters as tokens, the chat template, tasks and their right answers, the base model's corpus.

Imports only model.errors.
"""
