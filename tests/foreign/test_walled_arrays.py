"""Own arrays that solve a known equation between walls."""

import itertools

import numpy as np
import pytest
from wave_sets import waves, write_waves

from lightning_sciml.errors import InputError
from lightning_sciml.shards.manifest import Manifest
from lightning_sciml.shards.verification import verify_dataset

OTHER = {"periodic": "dirichlet", "dirichlet": "neumann", "neumann": "dirichlet"}
BOUNDARIES = tuple(itertools.product(OTHER, repeat=2))


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_solutions_are_accepted_between_their_walls_and_nowhere_else(tmp_path, boundary):
    manifest = Manifest.load(write_waves(tmp_path / "set", boundary))
    assert manifest.grid.boundary == boundary
    assert max(record.max_residual for record in manifest.shards) < 1e-5  # rounding to float32
    assert verify_dataset(tmp_path / "set") == []
    other = tuple(OTHER[condition] for condition in boundary)
    with pytest.raises(InputError, match="sample 0 does not solve poisson"):
        write_waves(tmp_path / "other", boundary, boundary=other)
    with pytest.raises(InputError, match="sample 0 does not solve poisson"):
        write_waves(tmp_path / "wrong", boundary, outputs={"solution": 1.01 * waves(boundary)[1]})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"boundary": "open"}, "unit square, periodic or between dirichlet or neumann walls, "),
        ({"lengths": (1.0, 2.0)}, "is solved on N×N points of the unit square, periodic or"),
        (
            {"coefficients": waves(("dirichlet",) * 2)[2] | {"k12": np.full(6, 1e-3)}},
            "sample 0 has mixed or odd derivatives and walls, where poisson is not solved by "
            "sines or cosines, got k11, k22, k12 = 0.0.*, 0.001; give --equation none$",
        ),
    ],
)
def test_what_has_no_series_of_sines_and_cosines_needs_equation_none(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        write_waves(tmp_path / "set", ("dirichlet",) * 2, **changes)
    write_waves(tmp_path / "unknown", ("dirichlet",) * 2, **changes, equation="none")
