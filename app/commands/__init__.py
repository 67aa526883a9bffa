"""The command line, one module per command; app/cli.py registers them.

Imports catalog, workers, settings and model/; never pages or API.
"""
