"""`sciml test` and `predict` roll trajectories out from their first states to the last ones."""

import csv
import json

import h5py
import numpy as np
import pytest
import torch
from command_line import rejection
from heat_sets import heat
from PIL import Image
from ranks import join, set_rank, start
from tiny_run import fit, write_run
from torch import nn

from lightning_sciml import load_operator, write_dataset
from lightning_sciml.cli.main import main
from lightning_sciml.errors import InputError
from lightning_sciml.evaluation.kept_samples import load_sample
from lightning_sciml.evaluation.metrics import relative_l2
from lightning_sciml.evaluation.sample_fields import MOST_KEPT_STEPS
from lightning_sciml.pde.grid import Grid
from lightning_sciml.shards.reader import ShardedDataset
from lightning_sciml.streaming.datamodule import PDEDataModule

NUM_TIMES, NUM_TEST = 14, 3
STEPS = NUM_TIMES - 2


class Growing(nn.Module):
    """Keeps the state, but multiplies it by 10¹² where the coefficient is twice the usual one."""

    coefficient_names, input_fields, output_fields = ("growth",), ("u@-1", "u"), ("u",)

    def __init__(self) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.ones(()))

    def forward(self, fields, coefficients):
        grows = (coefficients[:, :, None, None] > 1.5).float()
        return self.factor * fields[:, 1:] * (1 + 1e12 * grows)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run on trajectories of which the second to be tested makes the network blow up."""
    root = tmp_path_factory.mktemp("rollouts")
    times = 0.1 * np.arange(NUM_TIMES)
    _, _, states = heat(Grid(shape=(8, 8)), times, 6 + NUM_TEST)
    growth = np.ones(6 + NUM_TEST)
    growth[-2] = 2.0
    write_dataset(
        root / "flow",
        states={"u": states[:, :, 0]},
        coefficients={"growth": growth},
        times=times.tolist(),
        split={"train": 4, "val": 2, "test": NUM_TEST},
    )
    config = write_run(
        root / "run",
        [root / "flow"],
        model={
            "network": {"class_path": f"{__name__}.Growing"},
            "normalization": "standard",
            "optimizer": {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.0}},
        },
        data={"history": 2, "num_unrolled_steps": 2},
        trainer={"max_epochs": 1},
    )
    fit(config)
    for verb, movie in (("test", ["--movie=gif"]), ("predict", [])):
        options = ["--data.rollout=all", "--data.eval_batch_size=1", *movie]
        main([verb, "--config", str(config), *options])
    return root / "run"


def report_of(run):
    return json.loads((run / "test/flow-rollout.json").read_text())


def test_a_rollout_feeds_predictions_back_up_to_the_last_stored_state(run):
    data = ShardedDataset(run.parent / "flow", "test")
    states = np.stack([data[i]["u"] for i in range(NUM_TEST)])
    with h5py.File(run / "predictions/flow-test-rollout.h5") as file:
        group = file["flow"]
        np.testing.assert_array_equal(group["sample_index"], range(NUM_TEST))
        np.testing.assert_array_equal(group["time_index"], 1)
        np.testing.assert_allclose(group["times"], [data.times[2:]] * NUM_TEST)
        predicted = group["prediction/u"][:]
    assert predicted.shape == (NUM_TEST, STEPS, 8, 8)
    given = {"u@-1": states[:, 0], "u": states[:, 1]}
    growth = np.array([1.0, 2.0, 1.0])
    operator = load_operator(run, network=Growing())
    np.testing.assert_allclose(operator.rollout(given, STEPS, growth=growth), predicted, rtol=1e-5)
    told = report_of(run)
    kept = [0, 2]
    errors = relative_l2(*(torch.tensor(f[kept]).double() for f in (predicted, states[:, 2:])))
    assert told["relative_l2"]["mean"] == pytest.approx(float(errors.mean()), rel=1e-5)
    by_step = [step["relative_l2"]["max"] for step in told["steps"]]
    np.testing.assert_allclose(by_step, errors.amax(dim=0), rtol=1e-5)
    np.testing.assert_allclose([s["lead_time"] for s in told["steps"]], 0.1 * np.arange(1, 13))
    six_to_twelve = told["windows"]["6:12"]["relative_l2"]["mean"]
    assert six_to_twelve == pytest.approx(float(errors[:, 5:].mean()), rel=1e-5)


def test_a_blow_up_is_a_result(run):
    told = report_of(run)
    assert (told["num_samples"], told["num_left_out"]) == (2, 1)
    assert told["blow_up"]["num_blown_up"] == 1
    assert told["blow_up"]["first"] == pytest.approx(0.1)
    rows = list(csv.DictReader((run / "test/flow-rollout.csv").read_text().splitlines()))
    assert [row["relative_l2"] == "nan" for row in rows] == [False, True, False]
    assert [row["blow_up_time"] == "nan" for row in rows] == [True, False, True]
    assert (run / "test/flow-rollout.png").read_bytes().startswith(b"\x89PNG")
    sample = load_sample(run / "test/flow-rollout.npz")
    assert len(sample.lead_times) == MOST_KEPT_STEPS
    np.testing.assert_allclose(sample.lead_times[[0, -1]], [0.1, 1.2])


def test_spectra_are_means_over_the_rollouts_that_are_left(run):
    text = (run / "test/flow-rollout-spectra.csv").read_text()
    rows = list(csv.DictReader(text.splitlines()))
    assert {row["num_samples"] for row in rows} == {"2"}
    times = sorted({float(row["lead_time"]) for row in rows})
    np.testing.assert_allclose(times, [0.1, 0.7, 1.2])  # steps 1, 7 and 12 of 12
    data = ShardedDataset(run.parent / "flow", "test")
    states = np.stack([data[i]["u"] for i in (0, 2)]).astype(float)
    with h5py.File(run / "predictions/flow-test-rollout.h5") as file:
        predicted = file["flow/prediction/u"][:][[0, 2]].astype(float)
    for time, step in zip(times, (0, 6, 11), strict=True):
        own = [row for row in rows if float(row["lead_time"]) == time]
        for kind, fields in (("reference", states[:, 2:]), ("prediction", predicted)):
            energy = sum(float(row[kind]) for row in own)  # Parseval
            assert energy == pytest.approx(np.square(fields[:, step]).mean(), rel=1e-5)


def test_a_movie_has_a_frame_for_each_step(run, capsys):
    with Image.open(run / "test/flow-rollout.gif") as movie:
        assert movie.n_frames == STEPS
    config = run.with_name("run.yaml")
    for words in (["test", "--movie=gif"], ["predict", "--movie=gif", "--data.rollout=all"]):
        line = rejection([words[0], "--config", config, *words[1:]], capsys)
        assert "movie=gif is of rollouts that sciml test makes, this is sciml" in line


def run_test(rank, num_ranks, port, config, folder):
    set_rank(rank, num_ranks, port)
    torch.set_num_threads(1)
    options = ("--data.rollout=all", f"--data.eval_batch_size={num_ranks}", f"--run_dir={folder}")
    main(["test", "--config", str(config), *options, f"--trainer.devices={num_ranks}"])


def test_statistics_do_not_depend_on_the_number_of_processes(run):
    other = run.with_name("two")
    checkpoint = run / "checkpoints/best.ckpt"
    other.joinpath("checkpoints").mkdir(parents=True)
    other.joinpath("checkpoints/best.ckpt").write_bytes(checkpoint.read_bytes())
    join(start(2, run_test, run.with_name("run.yaml"), other))
    for name in ("flow-rollout.json", "flow-rollout.csv", "flow-rollout-spectra.csv"):
        assert (other / "test" / name).read_text() == (run / "test" / name).read_text()


def test_rollouts_that_do_not_fit_are_rejected_in_one_line(run):
    data = PDEDataModule([str(run.parent / "flow")], history=2, rollout=13)
    with pytest.raises(InputError, match=r"rollout=13 after history=2 .* rollout up to 12 fits"):
        data.setup("test")
    with pytest.raises(InputError, match="rollout must be at least 1, got 0"):
        PDEDataModule([str(run.parent / "flow")], rollout=0)


def test_validation_keeps_the_windows_of_the_training(run):
    data = PDEDataModule([str(run.parent / "flow")], history=2, rollout="all")
    data.setup("validate")
    assert data.mixtures["val"].members[0].windows.num_starts == STEPS
