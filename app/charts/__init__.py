"""Values in, SVG out: places for the templates that draw.

Imports model/, and races/ for what a race told; knows no request.
"""
