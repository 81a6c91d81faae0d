"""Validation trajectories are rolled out while a network is trained, which it does not notice."""

import csv
from types import SimpleNamespace

import pytest
import torch
from heat_sets import write_heat
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny_run import fit, network, write_run

from lightning_sciml import load_operator, write_dataset
from lightning_sciml.errors import InputError
from lightning_sciml.evaluation.metrics import relative_l2
from lightning_sciml.shards.reader import ShardedDataset
from lightning_sciml.streaming.datamodule import PDEDataModule
from lightning_sciml.training.rollout_panels import RolloutPanels

NUM_TIMES = 6


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Folder of a set that evolves, and of one that is steady."""
    folder = tmp_path_factory.mktemp("panels")
    write_heat(folder / "heat", num_times=NUM_TIMES)
    steady = torch.rand(6, 8, 8).numpy()
    write_dataset(
        folder / "still",
        inputs={"source": steady},
        outputs={"u": steady},
        coefficients={"nu": [1.0] * 6},
        split={"train": 4, "val": 1, "test": 1},
    )
    return folder


def config(folder, name, sets=("heat",), logger="CSVLogger", names=("nu",), **data):
    inputs = ["u", "source"] if "still" in sets else ["u"]
    curves = {"save_dir": str(folder / name), "name": "curves", "version": ""}
    return write_run(
        folder / name,
        [folder / one for one in sets],
        model={
            "network": network(names, input_fields=inputs, output_fields=["u"]),
            "normalization": "standard",
        },
        data=data,
        trainer={
            "max_epochs": 2,
            "log_every_n_steps": 1,
            "logger": {"class_path": f"lightning.pytorch.loggers.{logger}", "init_args": curves},
        },
    )


def curve(run, name):
    """Steps and values of a metric; none where it was not logged."""
    with (run / "curves/metrics.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row.get(name)]
    return [(int(row["step"]), float(row[name])) for row in rows]


@pytest.fixture(scope="module")
def run(folder):
    return fit(config(folder, "with", val_rollout="all"))


def test_the_error_of_a_rollout_is_logged_at_each_validation(run, folder):
    """The last value is that of the operator that the last checkpoint holds."""
    logged = curve(run, "val/rollout_relative_l2")
    assert [step for step, _ in logged] == [step for step, _ in curve(run, "val/relative_l2")]
    assert len(logged) == 2
    first = ShardedDataset(folder / "heat", "val")[0]
    operator = load_operator(run / "checkpoints/last.ckpt")
    predicted = operator.rollout({"u": first["u"][0]}, NUM_TIMES - 1, nu=first["nu"])
    expected = relative_l2(*(torch.as_tensor(f) for f in (predicted, first["u"][1:]))).mean()
    assert logged[-1][1] == pytest.approx(float(expected), rel=1e-4)


def test_training_does_not_notice_rollouts(run, folder):
    other = fit(config(folder, "without"))
    assert curve(other, "val/rollout_relative_l2") == []
    assert curve(run, "val/relative_l2") == curve(other, "val/relative_l2")
    mine, others = (
        torch.load(one / "checkpoints/last.ckpt", weights_only=False) for one in (run, other)
    )
    for name, values in mine["state_dict"].items():
        assert torch.equal(values, others["state_dict"][name])


@pytest.mark.slow
def test_a_run_resumes_with_rollouts_that_it_began_without(folder):
    """Steady sets have none; frames are drawn at the first validation with rollouts."""
    path = config(folder, "resumed", sets=("still", "heat"), logger="TensorBoardLogger")
    fit(path, "--trainer.max_epochs=1")
    resumed = fit(path, "--trainer.max_epochs=3", "--data.val_rollout=2")
    events = EventAccumulator(str(resumed / "curves")).Reload()
    assert len(events.Scalars("val/rollout_relative_l2")) == 2
    assert "val/rollout" in events.Tags()["images"]


def test_steps_of_several_lengths_are_not_rolled_out_as_one(folder, capsys):
    """The network is told the time of a step, here of one alone."""
    states = torch.rand(4, 4, 8, 8).numpy()
    write_dataset(
        folder / "uneven",
        states={"u": states},
        coefficients={"nu": [1.0] * 4},
        times=[0.0, 0.1, 0.2, 0.4],
        split={"train": 2, "val": 1, "test": 1},
    )
    path = config(folder, "told", sets=("uneven",), names=["nu", "lead_time"], val_rollout=1)
    fit(path)
    with pytest.raises(SystemExit):
        fit(path, "--data.val_rollout=2", "--trainer.max_epochs=3")
    assert "stored times of uneven lie 0.1 to 0.2 apart" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "steps", "message"),
    [
        ("heat", NUM_TIMES, r"val_rollout=6 after history=1 .* val_rollout up to 5 fits"),
        ("still", "all", "needs trajectories, still is steady; leave data.val_rollout out"),
    ],
)
def test_rollouts_that_do_not_fit_are_rejected(folder, name, steps, message):
    data = PDEDataModule([str(folder / name)], batch_size=2, val_rollout=steps)
    data.setup("fit")
    with pytest.raises(InputError, match=message):
        RolloutPanels().on_fit_start(SimpleNamespace(datamodule=data), None)
    with pytest.raises(InputError, match="val_rollout must be at least 1, got 0"):
        PDEDataModule([str(folder / name)], val_rollout=0)
