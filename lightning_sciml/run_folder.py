"""The folder of a run: the name of each file in it, written once. Nothing is read here."""

from pathlib import Path

LAST, PREVIOUS, BEST = "last.ckpt", "previous.ckpt", "best.ckpt"


class RunFolder:
    """Paths in the folder of a run.

    Args:
        path: the folder; it need not exist.

    Attributes:
        config: the whole configuration, replayable.
        checkpoints: folder of `last`, `previous` and `best`.
        last: what a run resumes from.
        best: the smallest validation error.
        curves: folder of TensorBoard's files.
        table: folder of metrics.csv and its figures, by CSVLogger.
        store: folder of MLflow's database and figures.
        wandb: folder of Weights & Biases.
        trackers: ids under which loggers go on with the run.
        summary: what the training says of itself at its end.
        tests: folder of the reports of ``sciml test``.
        predictions: folder of the files of ``sciml predict``.
        stop_requested: asks the run to save and stop.
        preempted: says that it did, at which step.
        removing: says that the results of an earlier run are being removed.
        nodes: folder of the notes by which nodes find each other at the start.
        study_config: the configuration that a study gives the run.
        log: what the run of a study shows on its screen.
        result: what a study knows of the finished run.
        error: why a run of a study has no result.
        rungs: validation errors at the rungs of a search for the learning rate.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.config = self.path / "config.yaml"
        self.checkpoints = self.path / "checkpoints"
        self.last, self.best = self.checkpoints / LAST, self.checkpoints / BEST
        self.curves, self.table = self.path / "tensorboard", self.path / "csv"
        self.store, self.wandb = self.path / "mlflow", self.path / "wandb"
        self.trackers = self.path / "trackers.json"
        self.summary = self.path / "summary.json"
        self.tests, self.predictions = self.path / "test", self.path / "predictions"
        self.stop_requested, self.preempted = self.path / "STOP_REQUESTED", self.path / "PREEMPTED"
        self.removing = self.path / ".removing"
        self.nodes = self.path / ".nodes"
        self.study_config = self.path / "run.yaml"
        self.log = self.path / "log.txt"
        self.result, self.error = self.path / "result.json", self.path / "error.json"
        self.rungs = self.path / "rungs.json"
