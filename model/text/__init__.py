"""Characters as tokens, the chat template, tasks and their right answers, the base model's corpus.

Imports model.errors alone; no torch.
"""
