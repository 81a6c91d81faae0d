"""A plan names data sets that a normalisation has no scales for, and networks that lack a time."""

import pytest
import yaml
from evolution_sets import evolution_plan

from lightning_sciml.pde.grid import Grid
from lightning_sciml.study.definition.reading import load_study
from lightning_sciml.study.execution.normalization_faults import normalization_faults

BURGERS = {"equation": "burgers", "state_fields": ("velocity_x", "velocity_y")}


@pytest.fixture
def faults(tmp_path):
    """Faults of runs on one set of trajectories with a recipe for each normalisation."""

    def found(model=(), **changes):
        names = ("paper", "dimensionless", "standard")
        tree = {
            "output": str(tmp_path / "study"),
            "data_dir": str(tmp_path),
            "models": {"tiny": {"num_channels": 4, "num_modes": 4, **dict(model)}},
            "pretrainings": {},
            "recipes": {name: {"model": {"normalization": name}} for name in names},
            "downstream": {"min_steps": 4},
            "grids": [
                {
                    "datasets": ["set"],
                    "inits": ["scratch"],
                    "num_samples": [8],
                    "learning_rates": [1.0],
                    "recipes": list(names),
                }
            ],
        }
        path = tmp_path / "small.yaml"
        path.write_text(yaml.safe_dump(tree))
        study = load_study(path)
        known = {"name": "set", "grid": Grid(shape=(8, 8)), "input_fields": ()}
        plan = evolution_plan(**{**known, **changes})
        return [*normalization_faults(study, study.runs(), {"set": plan})]

    return found


def test_a_time_that_is_scaled_is_given_to_the_network(faults):
    of_paper, of_time = faults(**BURGERS)
    assert of_paper.startswith(
        "recipes.paper: no equation is known of set that normalization paper takes its scales from"
    )
    assert of_time == (
        "models.tiny: normalization dimensionless (recipe dimensionless) scales the time of set; "
        "add coefficient_names: [lead_time] to the model"
    )
    assert faults({"coefficient_names": ["lead_time"]}, **BURGERS) == [of_paper]
    assert faults(equation="allen_cahn", state_fields=("u",)) == [of_paper]


def test_data_without_an_equation_have_no_units(faults):
    found = faults(equation="none", state_fields=("u",))
    assert [fault.partition(":")[0] for fault in found] == [
        "recipes.paper",
        "recipes.dimensionless",
    ]
