"""Data without an equation: one line says all that helps, and what it names trains."""

import re
import shlex

import numpy as np
import pytest
from tiny_run import fit, network, write_run

from lightning_sciml import write_dataset
from lightning_sciml.cli.main import main

RECIPE = {"normalization": "dimensionless", "augmentations": ["square"], "loss": "relative_l2"}
RNG = np.random.default_rng(0)
A = np.exp(RNG.normal(size=(12, 8, 8)))
SPLIT = {"train": 6, "val": 3, "test": 3}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An operator trained on Darcy flow, and data of which no equation is told."""
    folder = tmp_path_factory.mktemp("sets")
    for name, equation in (("told", "darcy"), ("mine", "none")):
        write_dataset(
            folder / name,
            inputs={"diffusivity": A},
            outputs={"solution": 1e-3 * RNG.normal(size=A.shape)},
            split=SPLIT,
            equation=equation,
        )
    run = write_run(
        folder / "run",
        [folder / "told"],
        model={"network": network([], input_fields=["diffusivity"]), **RECIPE},
        trainer={"max_epochs": 1},
    )
    fit(run)
    return folder


def tuned(folder, *options):
    config = write_run(
        folder / "tuned",
        [folder / "mine"],
        module="FineTuningModule",
        model={"checkpoint": str(folder / "run/checkpoints/best.ckpt")},
        trainer={"max_epochs": 1},
    )
    return fit(config, *options)


def test_one_line_says_how_to_import_again_and_what_to_train_with(folder, capsys):
    with pytest.raises(SystemExit):
        tuned(folder)
    error = capsys.readouterr().err.splitlines()[-1]
    assert "no equation is known of mine, by which normalization dimensionless and aug" in error
    (equation,) = re.findall(r"--equation (\w+) \(that of .*best.ckpt\)", error)
    assert equation == "darcy"
    options = error.partition(" with --model")[2]
    tuned(folder, *shlex.split(f"--model{options}"))


def test_a_test_names_the_equation_of_the_operator(folder, capsys):
    config = ["--config", str(folder / "run.yaml"), f"--data.datasets=[{folder}/mine]"]
    with pytest.raises(SystemExit):
        main(["test", *config])
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.endswith("again with --equation darcy (that of the operator) if they solve it")


def test_answers_of_another_size_than_the_learnt_are_warned_of(folder):
    options = "--model.statistics downstream --model.augmentations [] --model.normalization"
    with pytest.warns(UserWarning, match="answers of order one .* set normalization to standard$"):
        tuned(folder, *options.split(), "medians", f"--run_dir={folder}/medians")
