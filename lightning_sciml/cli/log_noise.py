"""Remarks of the dependencies that no reader can act on, kept off the screen."""

import logging
import os
import warnings


class WithoutNoise(logging.Filter):
    """Drops what Lightning says in every run and no reader can act on."""

    NOISE = ("💡 Tip", "`weights_only` was not set", "TPU available")

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether to show the record."""
        return not record.getMessage().startswith(self.NOISE)


def silence_noise() -> None:
    """Keep the dependencies' remarks to themselves off the screen."""
    for name in ("lightning", "lightning.pytorch", "lightning.fabric"):
        for handler in logging.getLogger(name).handlers:
            handler.addFilter(WithoutNoise())
    os.environ.setdefault("JSONARGPARSE_DEPRECATION_WARNINGS", "off")  # Lightning's calls, not ours
    warnings.filterwarnings("ignore", r".*LeafSpec")
    # A compiled network's gradients of some small parameters have strides of their own: one copy.
    warnings.filterwarnings("ignore", r"Grad strides do not match bucket view strides")
    warnings.filterwarnings("ignore", r"The `srun` command is available on your system")
    warnings.filterwarnings("ignore", r"Checkpoint directory .* exists and is not empty")
