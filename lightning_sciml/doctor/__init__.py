"""`sciml doctor`: what breaks on clusters, looked at before a job is queued for it."""
