"""Bytes to values and back, without input or output of its own."""
