"""Arrays of a user, and what a data set of them must give back."""

import numpy as np

from lightning_sciml import read_dataset
from lightning_sciml.shards.verification import verify_dataset

RNG = np.random.default_rng(0)
A, U, K = RNG.random((6, 8, 8), "f4"), RNG.random((6, 8, 8), "f4"), np.arange(6.0)
SPLIT = {"train": 3, "val": 1, "test": 2}


def check(folder, a=A, u=U, k=K):
    """All samples are those of the arrays, in the order of the splits."""
    found = [read_dataset(folder, split)[:] for split in SPLIT]
    for name, array in {"a": a, "u": u, "k": k}.items():
        np.testing.assert_array_equal(np.concatenate([part[name] for part in found]), array)
    assert verify_dataset(folder) == []
