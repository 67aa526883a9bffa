"""A `maskscope` command in a process of its own, by this Python and this code."""

import subprocess
import sys


def command_line(*words: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "app.cli", *words)


def run_command(*words: str) -> bool:
    """Its output goes where ours goes. False if it failed."""
    return subprocess.run(command_line(*words), check=False).returncode == 0
