"""Read a study file: runs, grids, recipes, and all its faults at once."""
