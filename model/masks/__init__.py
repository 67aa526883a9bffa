"""Loss masks: which tokens a policy counts; the shift; the batches that training reads.

Imports model.text and below.
"""
