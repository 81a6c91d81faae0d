"""A run from `sciml fit` to test and predict: what it leaves behind, and how it resumes."""

import functools
import json
import operator
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
import yaml
from command_line import rejection
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lightning_sciml.cli.main import main
from lightning_sciml.shards.reader import ShardedDataset
from lightning_sciml.training.progress import Throughput


def weights(checkpoint: Path) -> dict[str, torch.Tensor]:
    return torch.load(checkpoint, weights_only=True)["state_dict"]


def test_fit_test_predict_leave_a_whole_run_behind(config, tmp_path, datasets):
    path, run = config(), tmp_path / "run"
    main(["fit", "--config", str(path)])
    assert sorted(p.name for p in (run / "checkpoints").iterdir()) == ["best.ckpt", "last.ckpt"]
    assert list((run / "tensorboard").glob("events.*"))
    assert json.loads((run / "summary.json").read_text())["num_steps"] == 2 * 5

    saved = str(run / "config.yaml")
    main(["test", "--config", saved])
    report = json.loads((run / "test/poisson_1_5.json").read_text())
    table = np.genfromtxt(run / "test/poisson_1_5.csv", delimiter=",", names=True, dtype=None)
    assert table["sample_index"].tolist() == list(range(11))
    for error in ("relative_l2", "vrmse", "max_error", "band_error_low", "pde_residual"):
        assert report[error]["mean"] == pytest.approx(table[error].mean(), rel=1e-12)

    main(["predict", "--config", saved])
    with h5py.File(run / "predictions/poisson_1_5-test.h5") as file:
        prediction, split = file["poisson_1_5/prediction/solution"][:], file.attrs["split"]
    assert split == "test"
    reference = ShardedDataset(datasets["poisson_1_5"], "test").fields(np.arange(11))[:, 1]
    error = np.linalg.norm(prediction - reference, axis=(1, 2)) / np.linalg.norm(
        reference, axis=(1, 2)
    )
    np.testing.assert_allclose(error, table["relative_l2"], rtol=1e-5)


def test_predictions_of_one_split_leave_those_of_another(config, tmp_path):
    path = str(config(max_epochs=1))
    main(["fit", "--config", path])
    for split in ("test", "val"):
        main(["predict", "--config", path, "--data.predict_split", split])
    for split, number in (("test", 11), ("val", 13)):
        with h5py.File(tmp_path / f"run/predictions/poisson_1_5-{split}.h5") as file:
            assert (file.attrs["split"], len(file["poisson_1_5/prediction/solution"])) == (
                split,
                number,
            )


def test_two_data_sets_of_one_name_are_told_apart(config, tmp_path, datasets, generate, capsys):
    wide, path = tmp_path / "wide", config(max_epochs=1)
    generate("poisson_1_5", wide, **{"coefficients.eigenvalue": "[2, 9]"})
    both = f"--data.datasets=[{datasets['poisson_1_5']},{wide}]"
    apart = ("--run_dir", tmp_path / "both", "--ckpt_path", tmp_path / "run/checkpoints/best.ckpt")
    main(["fit", "--config", str(path)])
    for verb, options in (("fit", apart[:2]), ("validate", apart), ("test", apart)):
        message = rejection([verb, "--config", path, both, *options], capsys)
        assert f"{datasets['poisson_1_5']} and {wide} are both called poisson_1_5" in message
    for verb, file in (("test", "test/poisson_1_5.json"), ("predict", "predictions/poisson_1_5-")):
        main([verb, "--config", str(path)])
        main([verb, "--config", str(path)])  # the same data set again
        message = rejection([verb, "--config", path, f"--data.datasets=[{wide}]"], capsys)
        assert file in message
        assert f"is of another data set called poisson_1_5 than {wide}; move that" in message


def test_a_run_can_be_tested_in_bfloat16(config, tmp_path):
    """Eight bits of a number: 4e-3 of its size, some times over."""
    path = str(config(max_epochs=1))
    main(["fit", "--config", path])
    means = []
    for precision in ("32-true", "bf16-true"):
        main(["test", "--config", path, "--trainer.precision", precision])
        report = json.loads((tmp_path / "run/test/poisson_1_5.json").read_text())
        means.append(report["relative_l2"]["mean"])
    assert means[1] == pytest.approx(means[0], rel=0.05)
    with np.load(tmp_path / "run/test/poisson_1_5.npz") as kept:
        assert {kept[name].dtype for name in ("inputs", "prediction")} == {np.dtype("f4")}


def test_a_finished_run_goes_on_when_given_more_epochs(config, tmp_path):
    constant = {"class_path": "torch.optim.lr_scheduler.ConstantLR", "init_args": {"factor": 1.0}}
    options = {"max_epochs": 3, "model_options": {"scheduler": constant}}
    main(["fit", "--config", str(config("whole", **options))])
    extended = str(config("extended", **options))
    main(["fit", "--config", extended, "--trainer.max_epochs=2"])
    main(["fit", "--config", extended])
    whole, resumed = (
        weights(tmp_path / n / "checkpoints/last.ckpt") for n in ("whole", "extended")
    )
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def forget_options(run: Path, *keys: str) -> None:
    """Make a run's last checkpoint one of a version that did not know these options."""
    path = run / "checkpoints/last.ckpt"
    checkpoint = torch.load(path, weights_only=True)
    config = yaml.safe_load(checkpoint["provenance"]["config"])
    for key in keys:
        *above, last = key.split(".")
        del functools.reduce(operator.getitem, above, config)[last]
    checkpoint["provenance"]["config"] = yaml.safe_dump(config)
    torch.save(checkpoint, path)


def test_a_run_begun_before_an_option_was_there_goes_on(config, tmp_path):
    path = config()
    main(["fit", "--config", str(path)])
    forget_options(tmp_path / "run", "data.val_split", "model.init_args.coordinates")
    main(["fit", "--config", str(path), "--trainer.max_epochs", "3"])
    assert json.loads((tmp_path / "run/summary.json").read_text())["num_steps"] == 3 * 5


def test_what_a_run_did_not_know_is_rejected_unless_it_is_the_default(config, tmp_path, capsys):
    path = config()
    main(["fit", "--config", str(path)])
    forget_options(tmp_path / "run", "model.init_args.coordinates")
    message = rejection(["fit", "--config", path, "--model.init_args.coordinates=[square]"], capsys)
    assert "coordinates=nothing, this one has ['square']" in message


def test_a_plateau_is_one_of_the_validation_error(config, tmp_path):
    """No error is better by its whole size: every epoch halves the rate."""
    path = "torch.optim.lr_scheduler.ReduceLROnPlateau"
    init_args = {"patience": 0, "factor": 0.5, "threshold": 1.0}
    plateau = {"scheduler": {"class_path": path, "init_args": init_args}}
    main(["fit", "--config", str(config(model_options=plateau))])
    checkpoint = torch.load(tmp_path / "run/checkpoints/last.ckpt", weights_only=True)
    assert checkpoint["optimizer_states"][0]["param_groups"][0]["lr"] == 1e-3 / 4


@pytest.mark.parametrize("normalization", ["paper", "dimensionless"])
def test_fine_tuning_starts_from_the_checkpoint_and_keeps_its_medians(
    config, tmp_path, normalization
):
    options = {"normalization": normalization}
    main(["fit", "--config", str(config("pretrained", model_options=options))])
    checkpoint = tmp_path / "pretrained/checkpoints/best.ckpt"
    tuned = config(
        "tuned",
        model="FineTuningModule",
        names=["poisson_5_10"],
        model_options={"checkpoint": str(checkpoint), **options},
        max_epochs=1,
    )
    rate = "--model.init_args.optimizer.init_args.lr=0"
    optimizer = "--model.init_args.optimizer=torch.optim.SGD"
    main(["fit", "--config", str(tuned), optimizer, rate])
    before, after = weights(checkpoint), weights(tmp_path / "tuned/checkpoints/last.ckpt")
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_waiting_for_data_is_logged_and_advised_against_once(config, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(Throughput, "WARM_UP_S", 0.0)
    monkeypatch.setattr(Throughput, "ADVISE_ABOVE", 0.0)  # where every run is
    main(["fit", "--config", str(config(max_epochs=5))])
    events = EventAccumulator(str(tmp_path / "run/tensorboard")).Reload()
    fractions = [event.value for event in events.Scalars("train/data_wait_fraction")]
    assert all(0 < fraction < 1 for fraction in fractions)
    assert len(fractions) == 2  # of 25 steps, every ten
    assert caplog.text.count("of the time is spent waiting for data: try --data.cache memory") == 1


def test_precision_of_float32_products_is_an_option(config, monkeypatch):
    asked = []
    monkeypatch.setattr(torch, "set_float32_matmul_precision", asked.append)
    path = str(config(max_epochs=1))
    main(["fit", "--config", path, "--matmul_precision", "high"])
    main(["test", "--config", path])
    assert asked == ["high", "highest"]


def test_no_checkpoint_is_written_after_a_loss_that_is_not_finite(config, tmp_path, capsys):
    """The loss of step 1 is looked at before the state after it is kept."""
    path = config(max_epochs=50)
    rate = "--model.init_args.optimizer.init_args.lr=1e30"
    every_step = "--checkpoint_every_n_steps=1"
    rejection(["fit", "--config", path, rate, every_step], capsys, exit_code=1)
    checkpoint = torch.load(tmp_path / "run/checkpoints/last.ckpt", weights_only=False)
    assert checkpoint["global_step"] == 1
    assert all(torch.isfinite(w).all() for w in checkpoint["state_dict"].values())
