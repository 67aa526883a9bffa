"""The command line, one module per command; app/cli.py registers them. Never imports pages or API."""
