"""The host over HTTP: the listening side, and the faces that stand on it."""
