"""A generated set of trajectories goes through everything that reads a data set."""

import shlex
import subprocess
import sys

import numpy as np
import pytest

from lightning_sciml.cli.main import main
from lightning_sciml.shards.description import describe
from lightning_sciml.shards.figures import coefficients_figure
from lightning_sciml.shards.manifest import Manifest
from lightning_sciml.shards.reader import ShardedDataset
from lightning_sciml.shards.titles import title
from lightning_sciml.study.report.shift import shift


@pytest.fixture
def folder(undisturbed):
    return undisturbed / "burgers_small"


def test_description_tells_steps_errors_and_what_was_drawn(folder):
    text = describe(folder)
    steps = Manifest.load(folder).config["steps"]
    assert steps >= 1
    assert f"config.steps                {steps}\n" in text
    assert "largest time error          " in text
    assert "largest spectral tail       " in text
    assert "seed                        0\n" in text
    assert "realised nu                 0.02" in text
    assert "realised time_error" not in text


def test_figure_has_the_title_of_the_equation_and_histograms_of_the_errors(folder):
    figure = coefficients_figure(Manifest.load(folder))
    assert figure.get_suptitle() == "Burgers, ν ∈ (0.02, 0.1): 23 samples, all splits"
    labels = [axes.get_xlabel() for axes in figure.axes]
    assert labels == ["ν", "spectral tail", "time error"]


def test_shift_is_that_of_the_coefficients_and_not_of_the_errors(folder):
    manifest = Manifest.load(folder)
    other = manifest.histograms | {"time_error": {"edges": [1.0, 2.0], "counts": [1.0]}}
    assert shift([Manifest(**{**vars(manifest), "histograms": other})], manifest) == 0.0


def test_export_and_import_give_the_same_states_and_say_what_is_unchecked(folder, tmp_path, capsys):
    for line in (
        f"export {folder} --layout well --output {tmp_path / 'well'}",
        f"import {tmp_path / 'back'} --train {tmp_path / 'well'}",
        f"verify {tmp_path / 'back'}",
    ):
        main(["data", *shlex.split(line)])
    assert "how they solve burgers is unknown" in capsys.readouterr().out
    one, other = (ShardedDataset(path, "train") for path in (folder, tmp_path / "back"))
    indices, starts = np.arange(18), np.zeros(18, int)
    np.testing.assert_array_equal(
        one.windows(indices, starts, num_states=4), other.windows(indices, starts, num_states=4)
    )
    assert title(other.manifest) == "back"


@pytest.mark.slow
def test_a_network_is_trained_tested_and_predicts(tmp_path):
    """Run the commands and the config that the documentation names."""
    size = "--model.network.size null --model.network.num_channels 8 --model.network.num_modes 4"
    config, data = "--config runs/flow/config.yaml", "data/navier_stokes_0p001_0p004"
    for line in (
        f"generate {data} --output {data} --num_points 40 --max_spectral_tail 1 --times.num 4 "
        "--steps 36 --num_train_samples 4 --num_val_samples 2 --num_test_samples 2",
        "fit --config pretrain/evolution --run_dir runs/flow --model.network.num_blocks 2 "
        f"{size} --data.batch_size 8 --trainer.max_epochs 1 --trainer.accelerator cpu",
        "fit --config finetune/evolution --model.checkpoint runs/flow/checkpoints/best.ckpt "
        f"--run_dir runs/tuned --data.datasets [{data}] --data.num_train_samples 2 "
        "--data.batch_size 8 --trainer.max_epochs 1 --trainer.accelerator cpu",
        f"test {config}",
        f"predict {config} --data.predict_split test",
    ):
        program = [sys.executable, "-m", "lightning_sciml.cli", *shlex.split(line)]
        finished = subprocess.run(program, capture_output=True, text=True, cwd=tmp_path)
        assert finished.returncode == 0, finished.stderr
    assert (tmp_path / "runs/flow/test/navier_stokes_0p001_0p004.json").exists()
    assert (tmp_path / "runs/flow/predictions/navier_stokes_0p001_0p004-test.h5").exists()
