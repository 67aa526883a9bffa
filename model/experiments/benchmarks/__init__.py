"""What `maskscope bench` measures: ratios against plain autograd, transformers and TRL.

Imports what model.experiments may; no other experiment.
"""
