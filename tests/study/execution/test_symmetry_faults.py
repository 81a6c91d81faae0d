"""A plan names augmentations and coordinates that are not exact for the data sets of its runs."""

import pytest
import yaml
from evolution_sets import evolution_plan

from lightning_sciml.pde.grid import Grid
from lightning_sciml.study.definition.reading import load_study
from lightning_sciml.study.execution.symmetry_faults import symmetry_faults

NAMES = ["square", "sign", "boost", "superposition"]
BURGERS = {
    "equation": "burgers",
    "state_fields": ("velocity_x", "velocity_y"),
    "coefficient_names": ("nu",),
}


@pytest.fixture
def faults(tmp_path):
    """Faults of runs on one set of trajectories of a square with all augmentations."""
    model = {"augmentations": NAMES, "coordinates": ["lattice", "square"]}
    model["conserves_means"] = True
    tree = {
        "output": str(tmp_path / "study"),
        "data_dir": str(tmp_path),
        "models": {"tiny": {"num_channels": 4, "num_modes": 4}},
        "pretrainings": {},
        "recipes": {"moved": {"model": model}},
        "downstream": {"min_steps": 4},
        "grids": [
            {"datasets": ["set"], "inits": ["scratch"], "num_samples": [8], "learning_rates": [1.0]}
        ],
    }
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(tree))
    study = load_study(path)

    def found(**changes):
        known = {"name": "set", "grid": Grid(shape=(8, 8)), "input_fields": ()}
        plan = evolution_plan(**{**known, **changes})
        return "; ".join(symmetry_faults(study, study.runs(), {"set": plan}))

    return found


def test_augmentations_of_evolutions_are_those_of_their_equations(faults):
    found = faults(**BURGERS, times=(0.0, 0.1, 0.2))
    assert "recipes.moved: sign takes -u for u, which does not solve burgers, that of set" in found
    assert "superposition is for linear equations, that of set is burgers" in found
    assert "boost" not in found
    assert "recipes.moved: coordinates lattice are those of equations Lu = f, set has none" in found
    found = faults(equation="heat", state_fields=("u",), coefficient_names=("k11", "k22", "k12"))
    assert "boost adds to a velocity" in found
    assert "conserves_means" not in found
    assert "sign" not in found
    assert "superposition" not in found


def test_a_mean_must_be_conserved_to_be_kept(faults):
    found = faults(**BURGERS)
    assert "no mean is conserved by the equations of set; leave out model.conserves_means" in found


def test_boosts_need_equal_intervals(faults):
    assert "boost moves states by their time" in faults(**BURGERS, times=(0.0, 0.1, 0.3))


def test_data_of_other_channels_than_their_equation_are_not_moved(faults):
    found = faults(equation="heat", state_fields=("u",))
    for key in ("augmentations", "coordinates"):
        assert f"no equation is known of set; leave out model.{key}" in found
