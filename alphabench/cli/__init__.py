"""The command line: one command a file; the only place that knows click and rich."""

from alphabench.cli.app import main

__all__ = ["main"]
