"""Plan the runs of a study, and execute them."""
