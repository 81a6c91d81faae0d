"""A small study on the tests' data sets."""

import pytest
import yaml
from heat_sets import write_heat
from small_study import TRAINER

WALLED = {"shape": (8, 12), "lengths": (1.0, 1.5), "boundary": ("neumann", "periodic")}
WINDOWS = {"history": 2, "num_unrolled_steps": 2}
STANDARD = {"standard": {"model": {"normalization": "standard"}}}


@pytest.fixture
def study_file(tmp_path, datasets):
    """Writes a small study and returns its path."""

    def write(**changes):
        tree = {
            "output": str(tmp_path / "study"),
            "data_dir": str(datasets["poisson_1_5"].parent),
            "models": {"tiny": {"num_channels": 4, "num_modes": 4}},
            "pretrainings": {"poisson": {"datasets": ["poisson_1_5"]}},
            "pretrain": {"min_steps": 6, "num_validations": 2, "trainer": TRAINER},
            "downstream": {
                "min_steps": 4,
                "num_validations": 2,
                "data": {"batch_size": 8},
                "trainer": TRAINER,
            },
            "grids": [
                {
                    "datasets": ["poisson_5_10"],
                    "inits": ["scratch", "zero_shot", "fine_tune"],
                    "pretrainings": ["poisson"],
                    "num_samples": [8],
                    "learning_rates": [1e-3],
                }
            ],
        }
        path = tmp_path / "small.yaml"
        path.write_text(yaml.safe_dump({**tree, **changes}))
        return path

    return write


@pytest.fixture(scope="module")
def heat_sets(tmp_path_factory):
    """Folder of two sets with equal fields on other grids, and of one that has fewer."""
    folder = tmp_path_factory.mktemp("sets")
    write_heat(folder / "before", fields=("u", "v"), with_source=True, **WALLED)
    write_heat(folder / "after", fields=("u", "v"), with_source=True, seed=1, shape=(12, 12))
    write_heat(folder / "plain", fields=("u",))
    return folder


@pytest.fixture
def heat_study(tmp_path, heat_sets):
    """Writes a study of them and returns its path."""

    def write(
        datasets=("after",), pretraining=("before",), data=WINDOWS, recipes=STANDARD, **model
    ):
        stage = {"min_steps": 2, "num_validations": 1, "data": data, "trainer": TRAINER}
        grid = {
            "datasets": list(datasets),
            "inits": ["scratch", "zero_shot", "fine_tune"],
            "pretrainings": ["heat"],
            "num_samples": [4],
            "learning_rates": [1e-3],
        }
        tree = {
            "output": str(tmp_path / "study"),
            "data_dir": str(heat_sets),
            "models": {"tiny": {"num_channels": 4, "num_modes": 4, **model}},
            "recipes": recipes,
            "pretrainings": {"heat": {"datasets": list(pretraining)}},
            "pretrain": stage,
            "downstream": stage,
            "grids": [grid],
        }
        path = tmp_path / "heat.yaml"
        path.write_text(yaml.safe_dump(tree))
        return path

    return write
