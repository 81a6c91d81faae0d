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


def small_study(folder, recipe, **grid):
    """A study on one data set, "set", and on one to pre-train on, "before"."""
    arms = {"datasets": ["set"], "inits": ["scratch"], "num_samples": [8], "learning_rates": [1.0]}
    tree = {
        "output": str(folder / "study"),
        "data_dir": str(folder),
        "models": {"tiny": {"num_channels": 4, "num_modes": 4}},
        "pretrainings": {"before": {"datasets": ["before"]}},
        "recipes": {"moved": recipe, "plain": {}},
        "pretrain": {"min_steps": 4},
        "downstream": {"min_steps": 4},
        "grids": [{**arms, "recipes": ["moved"], **grid}],
    }
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump(tree))
    return load_study(path)


@pytest.fixture
def faults(tmp_path):
    """Faults of runs on one set of trajectories of a square with all augmentations."""
    model = {"augmentations": NAMES, "coordinates": ["lattice", "square"]}
    study = small_study(tmp_path, {"model": {**model, "conserves_means": True}})

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


def test_augmentations_are_exact_for_what_is_replayed(tmp_path):
    """Burgers has no sign that heat has; the pre-trained weights are those of another recipe."""
    heat = {"state_fields": ("u",), "coefficient_names": ("k11", "k22", "k12")}
    on = {"grid": Grid(shape=(8, 8)), "input_fields": ()}
    plans = {
        "set": evolution_plan(name="set", equation="heat", **heat, **on),
        "before": evolution_plan(name="before", **BURGERS, **on),
    }
    recipe = {"model": {"augmentations": ["sign"]}, "pretrained_as": "plain"}
    arms = {"inits": ["fine_tune"], "pretrainings": ["before"]}
    study = small_study(tmp_path, recipe, **arms)
    assert not list(symmetry_faults(study, study.runs(), plans))
    study = small_study(tmp_path, {**recipe, "replay_share": 0.5}, **arms)
    [fault] = symmetry_faults(study, study.runs(), plans)
    assert "sign takes -u for u, which does not solve burgers, that of before" in fault


def test_a_mean_must_be_conserved_to_be_kept(faults):
    found = faults(**BURGERS)
    assert "no mean is conserved by the equations of set; leave out model.conserves_means" in found


def test_boosts_need_equal_intervals(faults):
    assert "boost moves states by their time" in faults(**BURGERS, times=(0.0, 0.1, 0.3))


def test_data_of_other_channels_than_their_equation_are_not_moved(faults):
    found = faults(equation="heat", state_fields=("u",))
    for key in ("augmentations", "coordinates"):
        assert f"no equation is known of set; leave out model.{key}" in found
