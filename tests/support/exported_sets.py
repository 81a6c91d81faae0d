"""Data sets on a rectangle between walls, to be written in layouts of others."""

import numpy as np

from lightning_sciml import read_dataset, write_dataset

RNG = np.random.default_rng(0)
TIMES = (0.0, 0.1, 1 / 3, 0.7)
SPLIT = {"train": 4, "val": 1, "test": 2}
SHAPE = (7, len(TIMES), 6, 10)
STATES = {name: RNG.random(SHAPE, "f4") for name in ("velocity_x", "velocity_y", "density")}
COEFFICIENTS = {"nu": RNG.random(7), "beta": np.full(7, 0.1)}
LENGTHS, BOUNDARY = (1.3, 2 * np.pi), ("neumann", "periodic")


def written(folder, **fields):
    """A data set on 6×10 points, 1.3 high between walls and 2π wide."""
    options = {"lengths": LENGTHS, "boundary": BOUNDARY, "coefficients": COEFFICIENTS}
    write_dataset(folder, split=SPLIT, **options, **fields)
    return folder


def flow_over_a_bed(folder):
    """Trajectories of a scalar and a vector, and a field that does not change."""
    return written(folder, inputs={"bed": RNG.random((7, 6, 10), "f4")}, states=STATES, times=TIMES)


def steady_map(folder):
    """One field in, one out."""
    a, u = RNG.random((2, 7, 6, 10), "f4")
    return written(folder, inputs={"a": a}, outputs={"u": u})


def assert_same(one, other):
    """Both sets have the same bytes, names, times and grid."""
    one, other = (read_dataset(folder, "train").manifest for folder in (one, other))
    for name in ("checksum", "field_names", "state_fields", "times", "grid", "coefficient_names"):
        assert getattr(one, name) == getattr(other, name), name
