"""Ids and labels as anybody's trainer made them: whose token, supervised or not, by which rule wrong.

Imports model.masks and below, but nothing with torch.
"""
