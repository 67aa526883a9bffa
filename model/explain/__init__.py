"""One conversation as plain values for a page: its analysis, its cells, its cut, its budget.

Imports model.training and below.
"""
