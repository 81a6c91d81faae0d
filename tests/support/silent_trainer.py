"""Train in this process, on one CPU, without writing or showing anything."""

from typing import Any

import lightning.pytorch as pl


def silent_trainer(**options: Any) -> pl.Trainer:
    """Make a trainer with these options; the data module draws the samples itself."""
    return pl.Trainer(
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        **options,
    )
