"""Bundled weights of the mini models, each a folder with its card and the recipe it was trained by."""

from pathlib import Path

BUNDLED = Path(__file__).parent
"""The folder that holds the bundled checkpoints."""
