"""What was measured and ships, one experiment each.

Imports model.explain and below.
"""
