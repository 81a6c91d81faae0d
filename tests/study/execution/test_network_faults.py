"""`sciml study plan` builds networks of other classes, and calls them on what the data hold."""

import pytest
import yaml
from heat_sets import write_heat
from small_study import grid, rejection

from lightning_sciml.cli.main import main

NETWORKS = """
import torch


class Net(torch.nn.Module):
    def __init__(
        self,
        coefficient_names=(),
        input_fields=("source",),
        output_fields=("solution",),
        num_taken=None,
        num_made=None,
        works_on="cpu",
    ):
        super().__init__()
        self.coefficient_names, self.works_on = coefficient_names, works_on
        self.input_fields, self.output_fields = input_fields, output_fields
        self.mix = torch.nn.Conv2d(num_taken or len(input_fields), 2, 1)
        self.out = torch.nn.Conv2d(2, num_made or len(output_fields), 1)

    def forward(self, fields, coefficients):
        if self.works_on != "cpu":
            raise RuntimeError("this kernel needs a CUDA device")
        return self.out(torch.tanh(self.mix(fields)))


class Other(Net):
    def __init__(self, coefficient_names=(), input_fields=("f",)):
        super().__init__(coefficient_names, input_fields)


class Fixed(Net):
    def __init__(self, coefficient_names=()):
        super().__init__(("k11", "tension"), ("f",), ("u",))


class Named(Net):
    channel_axes = {"mix.weight": 1}
    output_channel_axes = {"out.weight": 0, "out.bias": 0}
"""

STANDARD = {"plain": {"model": {"normalization": "standard"}}}


@pytest.fixture
def plan(tmp_path, monkeypatch, capsys):
    """Plans a study file of networks of the working folder; returns what is wrong with it."""
    (tmp_path / "nets_to_judge.py").write_text(NETWORKS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return lambda path: rejection("plan", path, capsys)


def own(name, **init_args):
    return {"class_path": f"nets_to_judge.{name}", "init_args": init_args}


def test_networks_that_do_not_fit_the_data_are_named_by_keys_of_the_study(study_file, plan):
    models = {
        "other": own("Other"),
        "fixed": own("Fixed"),
        "taken": own("Net", num_taken=4),
        "made": own("Net", num_made=2),
        "far": own("Net", works_on="a GPU"),
    }
    recipes = {
        "paper": {},
        "betas": {"model": {"optimizer": {"init_args": {"betas": [2.0, 0.9]}}}},
        "endless": {
            "model": {
                "scheduler": {
                    "class_path": "torch.optim.lr_scheduler.OneCycleLR",
                    "init_args": {"max_lr": 0.1},
                }
            }
        },
    }
    message = plan(
        study_file(**grid(inits=["scratch"], num_samples=[8]), models=models, recipes=recipes)
    )
    for fault in (
        "models.other: the network has input_fields ['f'], poisson_5_10 has ['source']; "
        "set models.other.init_args.input_fields to [source]\n",
        "models.fixed: the network has input_fields ['f'], poisson_5_10 has ['source']; "
        "give Fixed the attribute input_fields, or an argument of that name",
        "models.fixed: the network has coefficient_names ['k11', 'tension'], poisson_5_10 has",
        "models.fixed: the network has output_fields ['u'], poisson_5_10 has ['solution']; give",
        "models.taken: the network fails for inputs (2, 1, 32, 32) and coefficients (2, 3)",
        "models.made: the network must return a real field (2, 1, 32, 32)",
        "Invalid beta parameter",
        "either total_steps OR",
    ):
        assert fault in message
    assert "cannot start, 8 faults" in message


def test_weights_of_new_channels_need_to_be_told_from_others(heat_study, plan, heat_sets):
    write_heat(heat_sets / "sourced", fields=("u",), with_source=True)

    def study(network):
        path = heat_study(["sourced"], ["plain"], data={}, recipes=STANDARD)
        tree = yaml.safe_load(path.read_text())
        tree["models"] = {"tiny": own(network)}
        tree["grids"][0]["inits"] = ["fine_tune"]
        path.write_text(yaml.safe_dump(tree))
        return path

    assert (
        "fine_tune of heat on sourced: models.tiny wants network.mix.weight (2, 2, 1, 1), "
        "pre-training has (2, 1, 1, 1); say in channel_axes"
    ) in plan(study("Net"))
    main(["study", "plan", str(study("Named"))])


def test_fields_that_pre_training_has_never_seen_are_not_fine_tuned(heat_study, plan, heat_sets):
    write_heat(heat_sets / "other", fields=("w",))
    path = heat_study(["other"], ["plain"], data={}, recipes=STANDARD)
    assert "fine_tune of heat on other: the data have the input fields" in plan(path)
