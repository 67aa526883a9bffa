"""Ids and labels read as anybody's trainer made them: whose token, supervised or not, by which rule wrong.

Knows no policy and imports no torch. Imports model.masks and below.
"""
