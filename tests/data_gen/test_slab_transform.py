"""Evolution equations on one grid over several ranks: every bit is that of one rank."""

import os
import subprocess
import sys

import pytest
from programs import MPIRUN

from data_gen.fourier_library import LIBRARIES

INTEGRATIONS = """
import sys
import numpy as np
from mpi4py.MPI import COMM_WORLD as comm
from evolution_states import CASES, random_modes
from data_gen.dealiased_transform import DealiasedTransform
from data_gen.etdrk import Integrator
from data_gen.slab_transform import SlabTransform
from lightning_sciml.pde.evolution import EVOLUTION_EQUATIONS
from lightning_sciml.pde.grid import Grid

library, shape = sys.argv[1], tuple(map(int, sys.argv[2:]))
for name in EVOLUTION_EQUATIONS:
    case, equation = CASES[name], EVOLUTION_EQUATIONS[name]()
    grid = Grid(shape=shape, lengths=case.lengths)
    slab = SlabTransform(comm, grid, equation.degree, library)
    initial_hat = random_modes(name, 20)
    found = []
    for transform in (slab, DealiasedTransform(grid, equation.degree, 1, library)):
        integrator = Integrator(equation, transform, np.array([case.coefficients]))
        integrator.start_from_modes(initial_hat)
        states = [*map(np.copy, integrator.states((0.0, case.time / 2, case.time), 3))]
        integrator.start(states[1])  # from its values
        integrator.go(case.time, 1)
        integrator.write_state(states[0])
        found.append(np.stack(states))
    assert np.isfinite(found[1]).all() and abs(found[1][2] - found[1][1]).max() > 1e-3
    np.testing.assert_array_equal(found[0], found[1][..., slab.stored.exchange.rows, :], name)
"""


@pytest.mark.mpi
@pytest.mark.parametrize(
    ("num_ranks", "library", "shape"),
    [
        (3, "numpy", (50, 67)),
        *(
            pytest.param(num_ranks, library, shape, marks=pytest.mark.slow)
            for num_ranks in (1, 2, 4)
            for library in LIBRARIES
            for shape in ((50, 67), (49, 96))
        ),
    ],
)
def test_slabs_are_integrated_to_the_bits_of_one_rank(num_ranks, library, shape):
    if library == "ducc0":
        pytest.importorskip("ducc0", reason="ducc0 is in the extra [ducc]")
    finished = subprocess.run(
        [
            MPIRUN,
            "-n",
            str(num_ranks),
            sys.executable,
            "-m",
            "mpi4py",
            "-c",
            INTEGRATIONS,
            library,
            *map(str, shape),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert finished.returncode == 0, finished.stderr
