"""Every logger gets metrics, figures and hyperparameters, below the folder of the run."""

from collections import Counter
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from lightning.pytorch.loggers import CSVLogger, Logger, MLFlowLogger, WandbLogger
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins.hparams.backend_context import Context
from tiny_run import fit, write_run

from lightning_sciml import extras
from lightning_sciml.errors import InputError
from lightning_sciml.trackers import placement
from lightning_sciml.trackers.placement import LoggerMaker


class Recorder(Logger):
    """A logger of the user's, which keeps what it is given.

    Args:
        save_dir: of what it would write.
    """

    made: "list[Recorder]" = []  # noqa: RUF012

    def __init__(self, save_dir: str = "records"):
        super().__init__()
        self.folder, self.hyperparameters = save_dir, {}
        self.metrics: list[tuple[int, str]] = []
        self.images: list[tuple[str, int, Any]] = []
        self.made.append(self)

    name, version = "records", 0

    def log_hyperparams(self, params):
        self.hyperparameters |= params

    def log_metrics(self, metrics, step=None):
        self.metrics += [(step, name) for name in metrics]

    def log_image(self, key, images, step):
        self.images += [(key, step, image) for image in images]


LOGGERS = ["CSVLogger", {"class_path": f"{__name__}.Recorder"}, "TensorBoardLogger"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory, datasets):
    """Folder of two runs of another rate; the first has three loggers, named without options."""
    folder = tmp_path_factory.mktemp("trackers") / "runs"
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder.parent)
        for name, loggers, rate in (("slow", LOGGERS, 1e-4), ("fast", None, 1e-2)):
            optimizer = {"class_path": "torch.optim.Adam", "init_args": {"lr": rate}}
            trainer = {"logger": loggers, "max_epochs": 1, "log_every_n_steps": 1}
            model = {"optimizer": optimizer}
            fit(write_run(folder / name, [datasets["poisson_1_5"]], model=model, trainer=trainer))
    return folder


def test_loggers_get_the_same_below_the_folder_of_the_run(runs):
    [recorder], run = Recorder.made, runs / "slow"
    events = EventAccumulator(str(run / "tensorboard")).Reload()
    scalars = {(e.step, name) for name in events.Tags()["scalars"] for e in events.Scalars(name)}
    assert scalars >= {pair for pair in recorder.metrics if pair[1] != "epoch"}
    assert {"train/loss", "val/relative_l2", "best_val_relative_l2"} <= {n for _, n in scalars}
    [(name, step, image)] = recorder.images
    assert (name, step) == ("val/samples", 4)
    assert np.ptp(image) > 0
    assert [e.step for e in events.Images("val/samples")] == [4]
    assert (run / "csv/figures/val/samples/000004.png").stat().st_size > 1000
    assert "best_val_relative_l2" in (run / "csv/metrics.csv").read_text()
    assert recorder.folder == str(run / "records")
    assert recorder.hyperparameters["model.optimizer.lr"] == 1e-4
    assert recorder.hyperparameters["model.network"] == "FNO"
    assert "model.optimizer.lr: 0.0001" in (run / "csv/hparams.yaml").read_text()
    assert Counter(path.name for path in runs.parent.iterdir()) == {"runs": 1}


def test_hparams_of_tensorboard_compares_the_runs_of_a_sweep(runs):
    """HPARAMS finds the names, which of them differ, and the metrics, asked as its page asks."""
    multiplexer = EventMultiplexer().AddRunsFromDirectory(str(runs))
    multiplexer.Reload()
    provider = MultiplexerDataProvider(multiplexer, str(runs))
    context = Context(SimpleNamespace(data_provider=provider))
    found = context.experiment_from_metadata(
        RequestContext(), "", True, context.hparams_metadata(RequestContext(), ""), []
    )
    infos = {info.name: info for info in found.hparam_infos}
    assert {name for name, info in infos.items() if info.differs} == {"model.optimizer.lr"}
    rates = infos["model.optimizer.lr"].domain_interval
    assert (rates.min_value, rates.max_value) == (1e-4, 1e-2)
    assert "best_val_relative_l2" in {metric.name.tag for metric in found.metric_infos}


def test_folders_are_placed_below_the_run_unless_they_are_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make = LoggerMaker(tmp_path / "run", is_resuming=False)
    assert make(CSVLogger, "", name="csv").name == "csv"
    for given, placed in (
        ("logs", tmp_path / "run/logs"),
        ("run/logs", tmp_path / "run/logs"),
        (str(tmp_path / "shared"), tmp_path / "shared"),
    ):
        assert make(Recorder, save_dir=given).folder == str(placed)


@pytest.mark.parametrize(
    ("given", "store", "artifacts"),
    [
        (None, "sqlite:///{run}/mlflow/mlflow.db", "{run}/mlflow/artifacts"),
        ("sqlite:///own.db", "sqlite:///{run}/own.db", "{run}/artifacts"),
        ("file:own", "file:{run}/own", "{run}/own/artifacts"),
        ("sqlite:////data/own.db", "sqlite:////data/own.db", "/data/artifacts"),
        ("http://host:5000", "http://host:5000", None),
    ],
)
def test_a_local_store_lies_below_the_run_and_a_server_is_left(tmp_path, given, store, artifacts):
    maker = LoggerMaker(tmp_path, is_resuming=False)
    options = maker._store({"tracking_uri": given, "save_dir": str(tmp_path / "mlflow")})
    assert options["tracking_uri"] == store.format(run=tmp_path)
    placed = options.get("artifact_location")
    assert placed == (artifacts and artifacts.format(run=tmp_path))


@pytest.mark.parametrize(("cls", "extra"), [(WandbLogger, "wandb"), (MLFlowLogger, "mlflow")])
def test_a_logger_that_is_not_installed_names_the_command(tmp_path, monkeypatch, cls, extra):
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    maker = LoggerMaker(tmp_path, is_resuming=False)
    with pytest.raises(InputError, match=rf"pip install 'lightning_sciml\[{extra}\]'"):
        maker(cls, save_dir=str(tmp_path))


@pytest.mark.parametrize(
    ("package", "logger"),
    [
        ("wandb", {"class_path": "WandbLogger", "init_args": {"offline": True}}),
        ("mlflow", "MLFlowLogger"),
    ],
)
@pytest.mark.filterwarnings("ignore")  # of these packages
def test_a_resumed_run_goes_on_under_its_id(config, tmp_path, package, logger):
    pytest.importorskip(package, reason=f"the extra [{package}] is not installed")
    run = tmp_path / "run"
    for num_epochs in (1, 2):
        fit(config("run", max_epochs=num_epochs, logger=[logger]))
        ids = placement.read_run_ids(run)
        if num_epochs == 1:
            first = ids
    assert first == ids
    assert first[0][1]
    assert (run / package).is_dir()
