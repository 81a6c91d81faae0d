"""Data sets of others: their layouts, and their conversion to ours."""
