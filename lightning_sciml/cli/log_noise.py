"""Remarks of the dependencies that no reader can act on, kept off the screen."""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

NOISE = ("💡 Tip", "`weights_only` was not set", "TPU available")  # said in every run


def _is_news(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith(NOISE)


def silence_noise() -> None:
    """Keep the dependencies' remarks to themselves off the screen."""
    for name in ("lightning", "lightning.pytorch", "lightning.fabric"):
        for handler in logging.getLogger(name).handlers:
            handler.addFilter(_is_news)
    os.environ.setdefault("JSONARGPARSE_DEPRECATION_WARNINGS", "off")  # Lightning's calls, not ours
    warnings.filterwarnings("ignore", r".*LeafSpec")
    # A compiled network's gradients of some small parameters have strides of their own: one copy.
    warnings.filterwarnings("ignore", r"Grad strides do not match bucket view strides")
    # Lightning counts the logging interval over epochs, so nothing is lost in short ones.
    warnings.filterwarnings("ignore", r"The number of training batches .* is smaller than the logg")
    warnings.filterwarnings("ignore", r"The `srun` command is available on your system")
    warnings.filterwarnings("ignore", r"Checkpoint directory .* exists and is not empty")


@contextmanager
def only_warnings() -> Iterator[None]:
    """Keep what Lightning and its callbacks say of each evaluation off the screen."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)
