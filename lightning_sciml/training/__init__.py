"""Train an operator: Lightning modules, fine-tuning, and the callbacks of a run."""
