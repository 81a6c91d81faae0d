"""`sciml` as a user types it: dispatch, whole runs, resume, and one-line rejections."""

import functools
import json
import operator
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
import yaml
from command_line import rejection
from programs import ROOT
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lightning_sciml.cli.main import main
from lightning_sciml.shards.reader import ShardedDataset
from lightning_sciml.training.progress import Throughput

CONFIGS = sorted((ROOT / "launch/configs").glob("*/*.yaml"))
TRAINING_CONFIGS = [c for c in CONFIGS if c.parent.name in ("pretrain", "finetune")]


def weights(checkpoint: Path) -> dict[str, torch.Tensor]:
    return torch.load(checkpoint, weights_only=True)["state_dict"]


def test_help_comes_at_once_and_loads_no_torch():
    code = (
        "import sys, lightning_sciml.cli.main as cli; cli.parser(); print('torch' in sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "False"


@pytest.mark.parametrize("path", TRAINING_CONFIGS, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_every_training_config_parses(path, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["fit", "--config", str(path), "--print_config"])
    assert stop.value.code == 0
    assert yaml.safe_load(capsys.readouterr().out)["run_dir"]


@pytest.mark.parametrize("stage", ["pretrain/mixture", "pretrain/helmholtz"])
def test_the_second_recipe_is_laid_over_any_training_config(stage, capsys):
    files = [f"{ROOT}/launch/configs/{name}.yaml" for name in (stage, "recipe/dimensionless")]
    with pytest.raises(SystemExit) as stop:
        main(["fit", *(f"--config={file}" for file in files), "--print_config"])
    assert stop.value.code == 0
    options = yaml.safe_load(capsys.readouterr().out)["model"]["init_args"]
    assert options["network"]["init_args"]["size"] == "64M"
    wanted = {
        "normalization": "dimensionless",
        "augmentations": ["square", "superposition"],
        "coordinates": ["lattice", "square"],
        "loss": "relative_l2",
    }
    assert {name: options[name] for name in wanted} == wanted


def test_soap_is_laid_over_any_training_config(capsys):
    files = [f"{ROOT}/launch/configs/{name}.yaml" for name in ("pretrain/poisson", "recipe/soap")]
    with pytest.raises(SystemExit):
        main(["fit", *(f"--config={file}" for file in files), "--print_config"])
    optimizer = yaml.safe_load(capsys.readouterr().out)["model"]["init_args"]["optimizer"]
    assert optimizer["class_path"] == "pytorch_optimizer.SOAP"
    assert optimizer["init_args"]["max_precondition_dim"] == 128
    assert optimizer["init_args"]["betas"] == [0.9, 0.999]


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
        prediction, split = file["prediction"][:], file.attrs["split"]
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
            assert (file.attrs["split"], len(file["prediction"])) == (split, number)


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
        assert {kept[name].dtype for name in ("source", "prediction")} == {np.dtype("f4")}


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


def test_two_processes_measure_what_one_does(config, tmp_path):
    """11 test samples over 2 ranks: nothing padded, nothing dropped."""
    path = config(
        names=["poisson_1_5", "helmholtz_1_10"], coefficient_names=["k11", "k22", "k12", "omega"]
    )
    main(["fit", "--config", str(path)])
    saved = tmp_path / "run/config.yaml"
    reports = []
    for devices in (1, 2):
        subprocess.run(
            [
                *(sys.executable, "-m", "lightning_sciml.cli", "test", "--config", saved),
                *("--trainer.devices", str(devices)),
            ],
            check=True,
            capture_output=True,
        )
        reports.append(
            json.loads((tmp_path / "run/test/poisson_1_5+helmholtz_1_10.json").read_text())
        )
    one, two = reports
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
        subprocess.run(
            [
                *(sys.executable, "-m", "lightning_sciml.cli", "fit", "--config", path),
                *("--trainer.devices", str(devices)),
            ],
            check=True,
            capture_output=True,
        )
        finals.append(weights(tmp_path / f"on_{devices}/checkpoints/last.ckpt"))
    for name, one in finals[0].items():
        # Adam divides by the root of the squared gradient: round-off of 1e-7 in a gradient that
        # vanishes can move a weight by a step of 1e-3; elsewhere it stays round-off.
        close = torch.isclose(one.float(), finals[1][name].float(), rtol=1e-3, atol=1e-5)
        assert close.float().mean() > 0.98, name


def test_waiting_for_data_is_logged_and_advised_against_once(config, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(Throughput, "WARM_UP_S", 0.0)
    monkeypatch.setattr(Throughput, "ADVISE_ABOVE", 0.0)  # where every run is
    main(["fit", "--config", str(config(max_epochs=5))])
    events = EventAccumulator(str(tmp_path / "run/tensorboard")).Reload()
    fractions = [event.value for event in events.Scalars("train/data_wait_fraction")]
    assert all(0 < fraction < 1 for fraction in fractions)
    assert len(fractions) == 2  # of 25 steps, every ten
    assert caplog.text.count("of the time is spent waiting for data: try --data.cache memory") == 1


def test_a_loss_that_is_not_finite_names_epoch_step_and_samples(config, capsys):
    path = config(max_epochs=50)
    rate = "--model.init_args.optimizer.init_args.lr=1e30"
    message = rejection(["fit", "--config", path, rate], capsys, exit_code=1)
    assert "the loss is not finite at epoch 0, step 1, on 8 of 8 samples" in message
    assert "poisson_1_5:" in message


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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--trainer.max_epoch_s=3"], "max_epoch_s"),
        (["--data.datasets=[/nowhere]"], "/nowhere"),
        (["--data.batch_size=0"], "batch_size must be at least 1, got 0"),
        (["--data.num_train_samples=999"], "has 40 train samples, 999 were asked for"),
        (["--model.init_args.network.init_args.num_modes=17"], "num_modes=17"),
        (["--model.init_args.network.init_args.coefficient_names=[k11]"], "coefficient_names"),
        (["--run_dir=/proc/nothing"], "run_dir must be a folder that can be written"),
        (["--seed_everything=-1"], "seed_everything must be at least 0, got -1"),
        (["--trainer.max_epochs=0"], "trainer.max_epochs must be at least 1"),
        (["--trainer.overfit_batches=1"], "to overfit a few, set data.num_train_samples"),
        (["--model.init_args.augmentations=[square, square]"], "must name each entry once"),
        (["--model.init_args.coordinates=[lattice, lattice]"], "must name each entry once"),
        (["--model.init_args.scheduler_interval=epoch"], "needs a scheduler, got none"),
        (["--data.replay_share=0.25"], "needs data sets in replay, got none"),
        (["--checkpoint_every_n_steps=0"], "checkpoint_every_n_steps must be at least 1, got 0"),
        (["--ckpt_path=/nowhere.ckpt"], "nothing is at /nowhere.ckpt"),
    ],
)
def test_invalid_options_are_rejected_in_one_line(config, capsys, arguments, message):
    assert message in rejection(["fit", "--config", config(), *arguments], capsys)


def test_a_misspelt_key_is_named(config, capsys):
    path = config()
    tree = yaml.safe_load(path.read_text())
    tree["trainer"]["max_epoch"] = 3
    path.write_text(yaml.safe_dump(tree))
    assert "max_epoch" in rejection(["fit", "--config", path], capsys)


def test_another_run_in_the_same_folder_is_rejected(config, capsys):
    path = config()
    main(["fit", "--config", str(path)])
    message = rejection(["fit", "--config", path, "--data.batch_size=4"], capsys)
    assert "data.batch_size=8, this one has 4" in message


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


def test_a_checkpoint_of_another_network_is_rejected(config, tmp_path, capsys):
    main(["fit", "--config", str(config("pretrained"))])
    options = {
        "model": "FineTuningModule",
        "model_options": {"checkpoint": str(tmp_path / "pretrained/checkpoints/best.ckpt")},
    }
    path = config("modes", **options)
    wider = "--model.init_args.network.init_args.num_channels=6"
    assert (
        "(4, 4), " in (line := rejection(["fit", "--config", path, wider], capsys)) or "(6" in line
    )


def test_missing_checkpoints_are_rejected(config, capsys):
    assert "needs a checkpoint" in rejection(["test", "--config", config()], capsys)
    path = config(model="FineTuningModule", model_options={"checkpoint": "none.ckpt"})
    assert "nothing is there" in rejection(["fit", "--config", path], capsys)


def test_a_batch_that_does_not_divide_over_the_processes_is_rejected(config):
    result = subprocess.run(
        [
            *(sys.executable, "-m", "lightning_sciml.cli", "fit", "--config", config()),
            *("--data.batch_size=7", "--trainer.devices=2"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode != 0
    lines = [x for x in result.stderr.splitlines() if "error:" in x]
    assert len(lines) == 1
    assert "batch_size=7 over 2; try 6" in lines[0]


def test_a_data_set_can_be_described_and_verified(datasets, tmp_path, capsys):
    main(["data", "describe", str(datasets["helmholtz_1_10"])])
    assert "realised omega" in capsys.readouterr().out
    main(["data", "verify", str(datasets["helmholtz_1_10"])])
    assert "is good" in capsys.readouterr().out
    assert "has no manifest.json" in rejection(["data", "describe", tmp_path], capsys)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["verify", "--jobs=0"], "jobs must be at least 1, got 0"),
        (["bench", "--num_repeats=0"], "num_repeats must be at least 1, got 0"),
        (["bench", "--max_samples=-1"], "max_samples must be at least 1, got -1"),
        (["bench", "--batch_sizes=[8,0]"], "batch_sizes must be at least 1, got [8, 0]"),
        (["bench", "--batch_sizes=[]"], "batch_sizes must be at least 1, got []"),
    ],
)
def test_invalid_looks_at_data_are_rejected(datasets, words, message, capsys):
    command, *options = words
    assert message in rejection(["data", command, datasets["poisson_1_5"], *options], capsys)


def test_weights_are_exported_to_a_folder_that_is_made(config, tmp_path, capsys):
    main(["fit", "--config", str(config(max_epochs=1))])
    words = ["inspect", str(tmp_path / "run/checkpoints/best.ckpt"), "--export"]
    main([*words, str(tmp_path / "new/folder")])
    assert {p.name for p in (tmp_path / "new/folder").iterdir()} == {
        "config.json",
        "model.safetensors",
    }
    (tmp_path / "file").touch()
    for place in ("file", "file/weights"):
        assert f"{place} cannot be written" in rejection([*words, tmp_path / place], capsys)


TORCHRUN = {"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "2"}


@pytest.mark.parametrize(
    ("variables", "waits", "speaks"),
    [
        ({"SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "0"}, False, True),
        ({"SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "1"}, True, True),
        ({**TORCHRUN, "RANK": "1", "LOCAL_RANK": "0"}, True, True),
        ({"LOCAL_RANK": "1", "SLURM_PROCID": "0"}, False, False),
    ],
    ids=["first of srun", "other of srun", "other of torchrun", "started by Lightning"],
)
def test_of_several_processes_the_first_speaks_unless_it_sees_nothing_wrong(
    variables, waits, speaks, tmp_path, monkeypatch, capsys
):
    waited = []
    monkeypatch.setattr("lightning_sciml.cli.main.sleep", waited.append)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as stop:
        main(["data", "describe", str(tmp_path)])
    assert stop.value.code == 2
    assert bool(waited) == waits
    assert ("has no manifest.json" in capsys.readouterr().err) == speaks
