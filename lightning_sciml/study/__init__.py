"""What transfer gives: results of runs side by side, as tables and figures."""
