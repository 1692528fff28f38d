"""Figures, measured: ``python -m benchmarks.NAME``; README.md keeps the latest."""
