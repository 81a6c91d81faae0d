"""What a run shows in a logger beside its metrics, written once for all kinds of loggers."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from lightning.pytorch.utilities import rank_zero_only
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

Hyperparameters = Mapping[str, bool | int | float | str]


class Tracker:
    """Writes hyperparameters and figures to a logger; a kind of logger that differs has a subclass.

    Metrics need none: Lightning passes them to every logger. All methods act on rank 0 alone.

    Args:
        logger: any logger of Lightning's.
    """

    def __init__(self, logger: Any) -> None:
        self.logger = logger

    @property
    def run_id(self) -> str | None:
        """Name by which the logger finds this run again; None where its folder is enough."""
        return None

    @rank_zero_only
    def take_back(self, step: int) -> None:
        """Remove or hide the points of an earlier start from `step` on, where that can be done."""

    @rank_zero_only
    def hyperparameters(self, values: Hyperparameters) -> None:
        """Write what tells this run from others."""
        self.logger.log_hyperparams(dict(values))

    @rank_zero_only
    def figure(self, name: str, figure: Figure, step: int) -> None:
        """Write a figure; loggers that take none have no method ``log_image``."""
        if log_image := getattr(self.logger, "log_image", None):
            canvas = FigureCanvasAgg(figure)
            canvas.draw()
            log_image(key=name, images=[np.asarray(canvas.buffer_rgba())], step=step)

    @rank_zero_only
    def close(self, *, has_failed: bool) -> None:
        """Finish the run, beyond what Lightning does at the end of a training."""
