"""Studies of transfer: their definition, their runs, tables and figures."""
