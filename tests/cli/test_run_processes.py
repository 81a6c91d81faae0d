"""Two processes train and measure what one does."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from command_line import rejection
from ranks import finish

from lightning_sciml.cli.main import main


def weights(checkpoint: Path) -> dict[str, torch.Tensor]:
    return torch.load(checkpoint, weights_only=True)["state_dict"]


def test_two_processes_measure_what_one_does(config, tmp_path):
    """11 test samples over 2 ranks: nothing padded, nothing dropped."""
    path = config(
        names=["poisson_1_5", "helmholtz_1_10"], coefficient_names=["k11", "k22", "k12", "omega"]
    )
    main(["fit", "--config", str(path)])
    saved = tmp_path / "run/config.yaml"
    main(["test", "--config", str(saved)])
    report = tmp_path / "run/test/poisson_1_5+helmholtz_1_10.json"
    one = json.loads(report.read_text())
    command = [sys.executable, "-m", "lightning_sciml.cli", "test", "--config", saved]
    subprocess.run([*command, "--trainer.devices=2"], check=True, capture_output=True)
    two = json.loads(report.read_text())
    assert one["num_samples"] == two["num_samples"] == 22
    assert two["relative_l2"]["mean"] == pytest.approx(one["relative_l2"]["mean"], rel=1e-6)
    assert set(one["datasets"]) == {"poisson_1_5", "helmholtz_1_10"}


def test_training_over_two_processes_follows_one(config, tmp_path):
    """The mean over the global batch is minimised, also where ranks have unequal shares."""
    finals = []
    for devices in (1, 2):
        path = config(
            f"on_{devices}",
            data_options={"num_train_samples": 15},
            model_options={"augmentations": ["square"]},
            max_steps=6,
        )
        finish(path, devices)
        finals.append(weights(tmp_path / f"on_{devices}/checkpoints/last.ckpt"))
    for name, one in finals[0].items():
        # Adam divides by the root of the squared gradient: round-off of 1e-7 in a gradient that
        # vanishes can move a weight by a step of 1e-3; elsewhere it stays round-off.
        close = torch.isclose(one.float(), finals[1][name].float(), rtol=1e-3, atol=1e-5)
        assert close.float().mean() > 0.98, name


def test_a_batch_that_does_not_divide_over_the_processes_is_rejected(config, capsys):
    path = config()
    line = rejection(
        ["fit", "--config", path, "--data.batch_size=7", "--trainer.devices=2"], capsys
    )
    assert "batch_size=7 over 2; try 6" in line
