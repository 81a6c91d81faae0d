"""What a study file says: runs, grids, recipes; all faults at once."""
