"""Equations on a periodic grid, written so that NumPy and torch evaluate the same lines."""
