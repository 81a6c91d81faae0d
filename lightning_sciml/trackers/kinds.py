"""The kinds of loggers that want more than Lightning's interface: see `Tracker`."""

from pathlib import Path

from lightning.pytorch.loggers import (
    CSVLogger,
    Logger,
    MLFlowLogger,
    TensorBoardLogger,
    WandbLogger,
)
from lightning.pytorch.utilities import rank_zero_only
from matplotlib.figure import Figure

from lightning_sciml.shards.figure_style import save_figure
from lightning_sciml.trackers.continued_table import ContinuedTable
from lightning_sciml.trackers.tracker import Hyperparameters, Tracker


class TensorBoardTracker(Tracker):
    """Figures as images; hyperparameters for the HPARAMS page."""

    @rank_zero_only
    def take_back(self, step: int) -> None:
        """Hide points from `step` on."""
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog

        restart = SessionLog(status=SessionLog.START)
        self.logger.experiment.file_writer.add_event(Event(step=step, session_log=restart))

    @rank_zero_only
    def hyperparameters(self, values: Hyperparameters) -> None:
        """Write the values of this session alone.

        Lightning also declares which names there are, and TensorBoard takes this of one run for all
        of a sweep. Without it TensorBoard looks at all runs, and marks what differs.
        """
        from torch.utils.tensorboard.summary import hparams

        _, start, _ = hparams(dict(values), {})
        self.logger.experiment.file_writer.add_summary(start)

    @rank_zero_only
    def figure(self, name: str, figure: Figure, step: int) -> None:
        """Write an image."""
        self.logger.experiment.add_figure(name, figure, step)

    @rank_zero_only
    def close(self, *, has_failed: bool) -> None:
        """Write that the session has ended well; of others TensorBoard says that it is unknown."""
        from torch.utils.tensorboard.summary import hparams

        if not has_failed:
            _, _, end = hparams({}, {})
            self.logger.experiment.file_writer.add_summary(end)
        self.logger.experiment.flush()


class TableTracker(Tracker):
    """Figures as PNG files beside metrics.csv; hyperparameters in hparams.yaml, by Lightning."""

    @rank_zero_only
    def take_back(self, step: int) -> None:
        """Remove rows from `step` on."""
        if step:
            self.logger._experiment = ContinuedTable(self.logger.log_dir, step)

    @rank_zero_only
    def figure(self, name: str, figure: Figure, step: int) -> None:
        """Write figures/NAME/STEP.png."""
        folder = Path(self.logger.log_dir) / "figures" / name
        folder.mkdir(parents=True, exist_ok=True)
        save_figure(figure, folder / f"{step:06d}", ["png"])


class WandbTracker(Tracker):
    """Figures by ``log_image``; the run goes on under its id."""

    @property
    def run_id(self) -> str | None:
        """Id of the run."""
        return str(self.logger.version)

    @rank_zero_only
    def close(self, *, has_failed: bool) -> None:
        """Write all there is: a process that a study has forked does nothing at its exit."""
        self.logger.experiment.finish(exit_code=int(has_failed))


class MLflowTracker(Tracker):
    """Figures as artifacts; the run goes on under its id."""

    @property
    def run_id(self) -> str | None:
        """Id of the run."""
        return str(self.logger.version)

    @rank_zero_only
    def hyperparameters(self, values: Hyperparameters) -> None:
        """Write values that the run does not have yet: MLflow changes none that are there."""
        known = self.logger.experiment.get_run(self.run_id).data.params
        super().hyperparameters({k: v for k, v in values.items() if k not in known})

    @rank_zero_only
    def figure(self, name: str, figure: Figure, step: int) -> None:
        """Write the artifact NAME/STEP.png."""
        self.logger.experiment.log_figure(self.run_id, figure, f"{name}/{step:06d}.png")


KINDS: dict[type[Logger], type[Tracker]] = {
    TensorBoardLogger: TensorBoardTracker,
    CSVLogger: TableTracker,
    WandbLogger: WandbTracker,
    MLFlowLogger: MLflowTracker,
}


def tracker_of(logger: Logger) -> Tracker:
    """Return what writes to a logger."""
    kind = next((KINDS[cls] for cls in type(logger).__mro__ if cls in KINDS), Tracker)
    return kind(logger)
