"""Samples from disk to the trainer: mixtures, order, batches, and their resumption."""
