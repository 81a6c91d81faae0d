"""A small study on the tests' data sets."""

import pytest
import yaml
from small_study import TRAINER


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
