"""Where things lie in the tree that is tested."""

from __future__ import annotations

from pathlib import Path

__all__ = ["RECORDINGS", "TOP"]

TOP = Path(__file__).parents[2]
RECORDINGS = TOP / "tests" / "recordings"
"""Dialogues with real agents, a directory for each program and version."""
