"""Every shipped training config parses, with and without another laid over it."""

import json

import pytest
import yaml
from heat_sets import write_heat
from programs import ROOT

from data_gen import solve
from lightning_sciml.cli.main import main

CONFIGS = sorted((ROOT / "launch/configs").glob("*/*.yaml"))
TRAINING_CONFIGS = [c for c in CONFIGS if c.parent.name in ("pretrain", "finetune", "release")]
TRAINING_CONFIGS.append(ROOT / "docs/notebook/mixture/three_systems.yaml")


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


@pytest.mark.parametrize(
    ("recipe", "option", "value"),
    [("channel_mlp", "block", "mlp"), ("film", "conditioning", "film")],
)
def test_another_network_is_laid_over_any_pre_training(recipe, option, value, capsys):
    names = ("pretrain/poisson", f"recipe/{recipe}")
    with pytest.raises(SystemExit):
        main(
            ["fit", *(f"--config={ROOT}/launch/configs/{n}.yaml" for n in names), "--print_config"]
        )
    options = yaml.safe_load(capsys.readouterr().out)["model"]["init_args"]["network"]["init_args"]
    assert (options["size"], options[option]) == ("64M", value)


@pytest.mark.parametrize("name", ["pretrain/evolution", "pretrain/mixed_fields"])
def test_configs_of_trajectories_name_shipped_sets_and_all_their_fields(name):
    tree = yaml.safe_load((ROOT / f"launch/configs/{name}.yaml").read_text())
    network = tree["model"]["init_args"]["network"]["init_args"]
    plans = [
        solve.parse([f"--config={folder}", "--output=x"])[1].plan()
        for folder in tree["data"]["datasets"]
    ]
    targets = {f for plan in plans for f in (plan.state_fields or plan.output_fields)}
    assert targets == set(network["output_fields"])
    assert {c for p in plans for c in p.coefficient_names} == set(network["coefficient_names"])
    inputs = {field.partition("@")[0] for field in network["input_fields"]}
    assert {f for p in plans for f in (*p.input_fields, *p.state_fields)} == {
        field for field in inputs if not field.startswith("mask_")
    }


@pytest.mark.parametrize("name", ["evolution", "mixed_fields"])
def test_configs_of_trajectories_train_on_sets_with_their_fields(datasets, tmp_path, name):
    flow = write_heat(tmp_path / "flow", fields=("vorticity",), lengths=(1.0, 2.0))
    folders = [*([datasets["poisson_1_5"]] if name == "mixed_fields" else []), flow]
    words = ["fit", f"--config={ROOT}/launch/configs/pretrain/{name}.yaml"]
    words += [f"--run_dir={tmp_path / 'run'}", f"--data.datasets=[{', '.join(map(str, folders))}]"]
    words += [f"--model.network.{o}" for o in ("size=null", "num_channels=2", "num_modes=2")]
    words += ["--trainer.max_epochs=1", "--trainer.accelerator=cpu", "--trainer.logger=false"]
    main([*words, "--trainer.log_every_n_steps=1", "--trainer.devices=1"])
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    assert 0 < summary["best_val_relative_l2"] < 100
