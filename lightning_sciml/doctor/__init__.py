"""`sciml doctor`: checks of what breaks on clusters, before a job is queued."""
