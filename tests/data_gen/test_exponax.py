"""Agreement with exponax, an independent ETDRK4 in JAX, at the same modes and dealiasing."""

import numpy as np
import pytest
from evolution_states import smooth_states

from data_gen.etdrk import integrate
from lightning_sciml.pde.evolution import EVOLUTION_EQUATIONS

pytestmark = pytest.mark.slow  # JAX takes 400 MB and starts in seconds
NUM_POINTS = 32
SIDE = 2 * np.pi
STEP = 1e-2
N = "diffusivity"
CASES = {
    "heat": ([0.1, 0.1, 0.0], "Diffusion", {N: 0.1}),
    "unsteady_advection_diffusion": (
        [0.1, 0.1, 0.0, -0.3, 0.5],
        "AdvectionDiffusion",
        {N: 0.1, "velocity": np.array([-0.3, 0.5])},
    ),
    "wave": ([0.7], "Wave", {"speed_of_sound": 0.7}),
    "burgers": ([0.1], "Burgers", {N: 0.1}),
    "navier_stokes": ([0.01], "NavierStokesVorticity", {N: 0.01}),
    "kolmogorov_flow": ([0.01, 0.1], "KolmogorovFlowVorticity", {N: 0.01, "drag": -0.1}),
    "kuramoto_sivashinsky": ([1.0], "KuramotoSivashinsky", {}),
    "allen_cahn": ([0.01], "reaction.AllenCahn", {N: 0.01}),
    "fisher_kpp": ([0.01, 2.0], "reaction.FisherKPP", {N: 0.01, "reactivity": 2.0}),
    "swift_hohenberg": (
        [0.4, 0.8],
        "reaction.SwiftHohenberg",
        {"reactivity": 0.4, "polynomial_coefficients": (0.0, 0.0, 0.8, -1.0)},
    ),
    "gray_scott": (
        [0.04, 0.06, 0.02, 0.01],
        "reaction.GrayScott",
        {"feed_rate": 0.04, "kill_rate": 0.06, "diffusivity_1": 0.02, "diffusivity_2": 0.01},
    ),
}
LINEAR = ("heat", "unsteady_advection_diffusion", "wave")


def resampled(states, num_points):
    """(…, N, N) by Fourier interpolation, without the Nyquist modes."""
    N = states.shape[-1]
    kept = np.fft.fft2(states, norm="forward")
    half = min(N, num_points) // 2
    modes = np.arange(1 - half, half)
    spectrum = np.zeros((*states.shape[:-2], num_points, num_points), np.complex128)
    spectrum[..., modes[:, None], modes] = kept[..., modes[:, None], modes]
    return np.fft.ifft2(spectrum, norm="forward").real


@pytest.mark.parametrize("num_steps", [1, 100])
@pytest.mark.parametrize("name", CASES)
def test_steps_of_exponax_are_reproduced(name, num_steps):
    """To 1e-9 relative; it takes 16 points round its circles, we take 32."""
    ex = pytest.importorskip("exponax", reason="exponax is in the extra [exponax]")
    jax = pytest.importorskip("jax", reason="jax comes with the extra [exponax]")
    jax.config.update("jax_enable_x64", True)
    coefficients, stepper_name, options = CASES[name]
    # Its arrays are [x, y], and its vorticity is ∂y u - ∂x v: the negative of ours.
    is_vorticity = "Vorticity" in stepper_name
    equation = EVOLUTION_EQUATIONS[name](**({"amplitude": -1.0} if "Kolm" in stepper_name else {}))
    initial = smooth_states(name, (NUM_POINTS, NUM_POINTS), num_modes=6)
    if name == "kuramoto_sivashinsky":  # its Δ² has no ∂x²∂y²: the same for fields of one variable
        initial = np.repeat(initial[..., :1], NUM_POINTS, axis=-1)
    ours = integrate(
        equation,
        initial,
        np.array([coefficients]),
        (0.0, STEP * num_steps),
        num_steps,
        lengths=(SIDE, SIDE),
    )[0, 1]

    stepper = ex.stepper
    for part in stepper_name.split("."):
        stepper = getattr(stepper, part)
    order = {} if name in LINEAR else {"order": 4}
    num_points = (4 if equation.degree == 3 else 3) * NUM_POINTS // 2
    step = stepper(2, SIDE, num_points, STEP, **order, **options)
    sign = -1.0 if is_vorticity else 1.0
    state = jax.numpy.asarray(sign * resampled(initial[0], num_points).swapaxes(1, 2))
    for _ in range(num_steps):
        state = step(state)
    theirs = sign * resampled(np.asarray(state).swapaxes(1, 2), NUM_POINTS)
    assert abs(ours - initial[0]).max() > 1e-4 * abs(initial).max()
    np.testing.assert_allclose(ours, theirs, atol=1e-9 * abs(theirs).max())
