"""The scheme that trajectories are timed against: its order, and what it converges to."""

import numpy as np
from crank_nicolson import CrankNicolson

from data_gen.dealiased_transform import DealiasedTransform
from data_gen.etdrk import Integrator
from data_gen.initial_states import PowerLawField
from data_gen.random_numbers import sample_uniforms
from lightning_sciml.pde.flows import ForcedNavierStokes
from lightning_sciml.pde.grid import Grid


def test_crank_nicolson_converges_to_etdrk4_at_first_order():
    equation, grid, c = ForcedNavierStokes(), Grid(shape=(16, 16)), np.array([[1e-2], [1e-3]])
    transform = DealiasedTransform(grid, equation.degree, len(c))
    field = PowerLawField(exponent=2.5, tau=7.0, rms=3.0, num_modes=5)
    count = field.num_uniforms(1)
    initial = field.draw(
        sample_uniforms(0, "train", np.arange(2), attempt=0, count=count), grid.lengths, equation
    )
    exact, scheme = Integrator(equation, transform, c), CrankNicolson(transform, c)
    exact.start_from_modes(initial)
    start_hat = exact.u_hat.copy()
    exact.advance(1e-2, 50)

    def error(num_steps):
        scheme.u_hat[:] = start_hat
        scheme.advance(0.5 / num_steps, num_steps)
        return np.linalg.norm(scheme.u_hat - exact.u_hat, axis=(-2, -1))

    coarse, fine = error(400), error(800)
    assert (fine > 1e-6).all()  # far above rounding and the error of ETDRK4
    np.testing.assert_allclose(np.log2(coarse / fine), 1, atol=0.03)
