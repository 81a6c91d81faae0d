"""What a pre-training of a study has by itself: its steps, and shuffled pairs."""

import pytest
import yaml
from small_study import grid

from lightning_sciml.streaming.datamodule import PDEDataModule
from lightning_sciml.study.definition.runs import Init
from lightning_sciml.study.execution.plan import checked_plan
from lightning_sciml.study.execution.run_config import budget, run_config


def data_of(path):
    """Options of the data of all runs, by kind and pre-training."""
    study, runs, datasets = checked_plan(path)
    configs = {(r.init, r.pretraining): run_config(study, r, datasets)["data"] for r in runs}
    return study, configs


def test_a_pretraining_has_steps_of_its_own(study_file):
    single = {"datasets": ["poisson_1_5"]}
    mixture = {"datasets": ["poisson_1_5", "helmholtz_1_10"], "min_steps": 14}
    path = study_file(
        **grid(pretrainings=["single", "mixture"], inits=["zero_shot"]),
        pretrainings={"single": single, "mixture": mixture},
    )
    study, runs, datasets = checked_plan(path)
    steps = {r.pretraining: budget(study, r, datasets).num_steps for r in runs if not r.pretrained}
    assert steps == {"single": 6, "mixture": 14}


@pytest.mark.parametrize(("predicts", "pairs"), [("increment", "increments"), (None, "outputs")])
def test_a_shuffled_pretraining_pairs_what_the_network_predicts(heat_study, predicts, pairs):
    path = heat_study(recipes={"one": {"model": {"predicts": predicts or "state"}}})
    tree = yaml.safe_load(path.read_text())
    tree["pretrainings"]["shuffled"] = {"datasets": ["before"], "shuffled": True}
    tree["grids"][0]["pretrainings"].append("shuffled")
    tree["recipes"]["one"]["model"]["normalization"] = "standard"
    path.write_text(yaml.safe_dump(tree))
    _, configs = data_of(path)
    shuffled = {key for key, options in configs.items() if "shuffle_pairs" in options}
    assert shuffled == {(Init.PRETRAIN, "shuffled")}
    options = configs[Init.PRETRAIN, "shuffled"]
    assert options["shuffle_pairs"] == pairs
    true, other = (
        PDEDataModule(**{**options, "shuffle_pairs": chosen}) for chosen in (None, pairs)
    )
    for data in (true, other):
        data.setup("fit")
    batches = zip(true.train_dataloader(), other.train_dataloader(), strict=True)
    assert not any(bool((a.outputs == b.outputs).all()) for a, b in batches)
