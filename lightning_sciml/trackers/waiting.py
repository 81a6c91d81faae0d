"""Make no file of a logger before the run begins."""

from collections.abc import Callable
from functools import cached_property, partial
from typing import Any

from lightning.pytorch.loggers import Logger

from lightning_sciml.trackers.kinds import tracker_of


class WaitingLogger(Logger):
    """Stands for a logger until the run begins: what is logged waits in memory.

    Args:
        make: makes the logger, where it is needed or the run begins.
        save_dir: its folder, where it is known before.
    """

    def __init__(self, make: Callable[[], Logger], save_dir: str | None = None) -> None:
        super().__init__()
        self._make, self._save_dir = make, save_dir
        self._waiting: list[Callable[[], Any]] = []

    @cached_property
    def _logger(self) -> Logger:
        return self._make()

    @property
    def name(self) -> str | None:
        """Return the logger's name."""
        return self._logger.name

    @property
    def version(self) -> int | str | None:
        """Return the logger's version."""
        return self._logger.version

    @property
    def save_dir(self) -> str | None:
        """Return the logger's folder."""
        return self._save_dir or self._logger.save_dir  # Lightning asks for it early

    @property
    def experiment(self) -> Any:
        """Return a stand-in of the logger's writer; its methods are called when it is `opened`."""
        return _WaitingWriter(self)

    def __getattr__(self, name: str) -> Any:
        """Return what this kind of logger has; a method is called when it is `opened`."""
        if name.startswith("_"):
            raise AttributeError(name)
        value = getattr(self._logger, name)
        return partial(self.wait, value) if callable(value) else value

    def log_metrics(self, *args: Any, **kwargs: Any) -> None:
        """Keep values until `opened`."""
        self.wait(lambda: self._logger.log_metrics(*args, **kwargs))

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """Keep hyperparameters until `opened`."""
        self.wait(lambda: self._logger.log_hyperparams(*args, **kwargs))

    def log_graph(self, *args: Any, **kwargs: Any) -> None:
        """Keep the graph of the network until `opened`."""
        self.wait(lambda: self._logger.log_graph(*args, **kwargs))

    def wait(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Keep a call until `opened`."""
        self._waiting.append(partial(call, *args, **kwargs))

    def opened(self, step: int) -> Logger:
        """Let the logger make its files and write what waits.

        Args:
            step: at which the run begins; what a killed run logged from there on is drawn anew.
        """
        tracker_of(self._logger).take_back(step)
        for call in self._waiting:
            call()
        return self._logger


class _WaitingWriter:
    """Stands for the writer of a logger, which makes its files as soon as it is asked for."""

    def __init__(self, logger: WaitingLogger) -> None:
        self._owner = logger

    def __getattr__(self, name: str) -> Callable[..., None]:
        def call(*args: Any, **kwargs: Any) -> None:
            logger: Any = self._owner._logger
            getattr(logger.experiment, name)(*args, **kwargs)

        return partial(self._owner.wait, call)
