"""Data sets that several modules compare with."""

import pytest
from generated_sets import FAMILIES, run


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory):
    """The data sets of one rank, one run, by system."""
    root = tmp_path_factory.mktemp("undisturbed")
    for name in (*FAMILIES, "helmholtz_1_10", "advection_diffusion_0p2_1"):
        assert run(root / name, name).returncode == 0
    return root
