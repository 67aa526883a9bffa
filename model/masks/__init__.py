"""Loss masks: which tokens a policy counts, and the batches that training reads. Imports model.text."""
