"""`sciml study plan` finds what `sciml study run` would stumble over."""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from small_study import grid, rejection

from lightning_sciml.cli.main import main
from lightning_sciml.study.definition.runs import Init
from lightning_sciml.study.execution.config_faults import config_faults
from lightning_sciml.study.execution.plan import checked_plan
from lightning_sciml.study.execution.run_config import run_config

NETWORK = """
import torch


class Net(torch.nn.Module):
    def __init__(self, coefficient_names, width=2):
        super().__init__()
        self.coefficient_names = coefficient_names
        self.mix = torch.nn.Conv2d(1, width, 1)
        self.out = torch.nn.Conv2d(width, 1, 1)

    def forward(self, source, coefficients):
        return self.out(torch.tanh(self.mix(source)))


class Broken(Net):
    def __init__(self, coefficient_names):
        raise RuntimeError("no such kernel")
"""


@pytest.fixture
def working_folder(tmp_path, monkeypatch):
    """A folder with a user's module, in which the command is typed."""
    (tmp_path / "nets_of_this_test.py").write_text(NETWORK)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_faults_of_every_configuration_are_listed_at_once(study_file, working_folder, capsys):
    path = study_file(
        **grid(inits=["scratch", "fine_tune"], num_samples=[8], learning_rates=[1e-3]),
        recipes={
            "paper": {},
            "loss": {"model": {"losss": "relative_l2"}},
            "clip": {"trainer": {"gradient_clip": 1.0}},
            "limit": {"trainer": {"limit_val_batches": 1.5}},
            "freeze": {"fine_tune": {"freezz": []}, "pretrained_as": "paper"},
        },
        models={
            "tiny": {"num_channels": 4, "num_modes": 4},
            "own": {"class_path": "nets_of_this_test.Net", "init_args": {"width": 3}},
            "far": {"class_path": "nets_of_this_test.Far"},
            "broken": {"class_path": "nets_of_this_test.Broken"},
            "odd": {"num_channels": 4, "num_modes": -1},
        },
    )
    message = rejection("plan", path, capsys)
    for fault in (
        "no option losss",
        "no option trainer.gradient_clip",
        "invalid value 1.5 for limit_val_batches",
        "no option freezz",
        "nets_of_this_test.Far",
        "RuntimeError: no such kernel",
        "num_modes",
    ):
        assert fault in message
    assert "-own-" not in message
    assert "cannot start, 7 faults" in message
    assert not (working_folder / "study").exists()


def test_a_fault_of_a_model_does_not_hide_that_of_a_recipe(study_file):
    """Find faults of m0, m2, r0 and r2 in few checks, each of which tells only the first."""
    options = {"num_channels": 4, "num_modes": 4}
    path = study_file(
        **grid(inits=["scratch"], num_samples=[8], learning_rates=[1e-3]),
        models={f"m{i}": options for i in range(4)},
        recipes={f"r{i}": {"model": {"loss": f"r{i}"}} for i in range(4)},
    )
    study, runs, datasets = checked_plan(path)
    models, num_checked = {run_config(study, r, datasets)["run_dir"]: r.model for r in runs}, []

    def config_fault(config):
        num_checked.append(1)
        model, recipe = models[config["run_dir"]], config["model"]["init_args"]["loss"]
        return next((f"{name} is wrong" for name in (model, recipe) if name[1] in "02"), None)

    found = config_faults(study, runs, datasets, config_fault)
    assert {fault.split(": ")[1] for fault in found} == {
        f"{n} is wrong" for n in ["m0", "m2", "r0", "r2"]
    }
    assert len(num_checked) < 4 * 4


def test_options_of_the_data_are_checked(study_file, capsys):
    downstream = {"min_steps": 4, "data": {"batchsize": 3}}
    assert "no option data.batchsize" in rejection(
        "plan", study_file(downstream=downstream), capsys
    )


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        (
            {"pretrain": {"min_steps": 4, "data": {"num_train_samples": 41}}},
            "poisson_1_5 has 40 train samples, pretrain.data.num_train_samples wants 41",
        ),
        (
            {"downstream": {"min_steps": 4, "data": {"num_val_samples": 14}}},
            "poisson_5_10 has 13 val samples, downstream.data.num_val_samples wants 14",
        ),
        (
            {"pretrainings": {"poisson": {"datasets": ["poisson_1_5"], "checkpoint": "no.ckpt"}}},
            "no.ckpt",
        ),
        (grid(learning_rates=[1e-3, 1.0000001e-3]), "would be the name of 2 runs"),
        ({"models": {"m" * 240: {"num_channels": 4, "num_modes": 4}}}, "a run may have 250"),
        (
            {"models": {"u": {"class_path": "a.B", "width": 3}}},
            "models.u: width must stand below init_args",
        ),
        ({"models": {"u": {"class_path": "a.B", "init_args": 3}}}, "init_args must be a mapping"),
    ],
)
def test_faults_that_need_no_network_are_found(study_file, capsys, changes, fault):
    assert fault in rejection("plan", study_file(**changes), capsys)


def test_an_output_below_a_file_is_a_fault_of_the_plan(study_file, tmp_path, capsys):
    (tmp_path / "file").touch()
    message = rejection("plan", study_file(output=str(tmp_path / "file/study")), capsys)
    assert "file/study cannot be written" in message


def test_a_set_without_an_equation_is_not_normalised_by_it(study_file, datasets, tmp_path, capsys):
    data = tmp_path / "data"
    for name in ("poisson_1_5", "poisson_5_10"):
        shutil.copytree(datasets[name], data / name)
    manifest = data / "poisson_5_10/manifest.json"
    content = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(content | {"equation": "none"}))
    assert "no equation is known of poisson_5_10" in rejection(
        "plan", study_file(data_dir=str(data)), capsys
    )


def test_steady_sets_take_neither_increments_nor_noise(study_file, capsys):
    recipes = {"moving": {"model": {"predicts": "increment", "input_noise": 0.1}}}
    message = rejection("plan", study_file(recipes=recipes), capsys)
    assert "recipes.moving: poisson_5_10 is steady; set model.predicts to state" in message
    assert "recipes.moving: poisson_5_10 is steady; leave out model.input_noise" in message


def test_problems_between_walls_are_neither_superposed_nor_sheared(
    study_file, datasets, tmp_path, capsys
):
    data = tmp_path / "data"
    for name in ("poisson_1_5", "poisson_5_10"):
        shutil.copytree(datasets[name], data / name)
    manifest = data / "poisson_5_10/manifest.json"
    content = json.loads(manifest.read_text())
    content["grid"]["boundary"] = ["dirichlet", "dirichlet"]
    manifest.write_text(json.dumps(content))
    moved = {"augmentations": ["square", "superposition"], "coordinates": ["lattice", "square"]}
    changes = {"recipes": {"moved": {"model": moved}}, "data_dir": str(data)}
    message = rejection("plan", study_file(**changes), capsys)
    assert "recipes.moved: superposition takes translates on periodic grids, poisson_5" in message
    assert "recipes.moved: coordinates lattice are those of a periodic square, poisson_5" in message
    message = rejection("plan", study_file(**changes, **grid(inits=["zero_shot"])), capsys)
    assert "superposition" not in message  # tests augment nothing
    moved["coordinates"], moved["augmentations"] = ["square"], ["square"]
    main(["study", "plan", str(study_file(**changes))])


def test_a_network_of_the_working_folder_is_trained_and_tested(study_file, working_folder):
    own = {"u": {"class_path": "nets_of_this_test.Net", "init_args": {"width": 3}}}
    path = study_file(**grid(inits=["scratch"], num_samples=[8], learning_rates=[1e-3]), models=own)
    study, runs, _ = checked_plan(path)
    main(["study", "run", str(path), "--index", "0"])
    folder = study.run_dir(runs[0])
    assert runs[0].init == Init.SCRATCH
    saved = yaml.safe_load((folder / "config.yaml").read_text())["model"]["init_args"]["network"]
    assert saved["class_path"] == "nets_of_this_test.Net"
    assert json.loads(Path(folder / "result.json").read_text())["num_parameters"] == 3 * 2 + 4
