"""Each evolution equation where it is lively: coefficients, domains, states, a run of it."""

from typing import NamedTuple

import numpy as np

from data_gen.dealiased_transform import DealiasedTransform
from data_gen.etdrk import integrate
from data_gen.nonlinear_term import NonlinearTerm
from data_gen.state_modes import check_points
from lightning_sciml.pde.evolution import EVOLUTION_EQUATIONS
from lightning_sciml.pde.grid import Grid


class Case(NamedTuple):
    """An equation's coefficients, lengths (y, x), the size and mean of its states, and a time."""

    coefficients: list[float]
    lengths: tuple[float, float]
    amplitude: float
    time: float
    mean: float = 0.0


CASES = {
    "heat": Case([0.03, 0.02, -0.01], (1.0, 1.5), 1.0, 0.3),
    "unsteady_advection_diffusion": Case([0.03, 0.02, -0.01, 0.4, -0.7], (1.0, 1.5), 1.0, 0.3),
    "wave": Case([0.7], (1.0, 1.5), 1.0, 0.3),
    "burgers": Case([0.02], (1.0, 1.5), 1.0, 0.1),
    "navier_stokes": Case([1e-2], (1.0, 1.5), 10.0, 0.2),
    "forced_navier_stokes": Case([1e-2], (1.0, 1.5), 10.0, 0.2),
    "kolmogorov_flow": Case([1e-2, 0.1], (6.0, 5.0), 2.0, 0.5),
    "kuramoto_sivashinsky": Case([40.0], (1.0, 1.2), 1.0, 2.0),
    "allen_cahn": Case([1e-3], (1.0, 1.5), 0.6, 1.0),
    "fisher_kpp": Case([1e-3, 2.0], (1.0, 1.5), 0.1, 1.0, 0.4),
    "swift_hohenberg": Case([0.4, 0.8], (20.0, 24.0), 0.5, 1.0),
    "gray_scott": Case([0.04, 0.06, 2e-5, 1e-5], (1.0, 1.5), 0.1, 20.0, 0.4),
}
NONLINEAR = [name for name, equation in EVOLUTION_EQUATIONS.items() if equation.degree > 1]


def smooth_states(
    name: str,
    shape: tuple[int, int],
    *,
    num_samples: int = 1,
    num_modes: int = 3,
    seed: int = 0,
) -> np.ndarray:
    """Draw (B, F, H, W) of Fourier modes up to `num_modes`, with the case's amplitude and mean."""
    case, rng = CASES[name], np.random.default_rng(seed)
    num_fields = len(EVOLUTION_EQUATIONS[name].state_fields)
    y, x = (2 * np.pi * np.arange(N) / N for N in shape)
    states = np.full((num_samples, num_fields, *shape), case.mean)
    for ky in range(-num_modes, num_modes + 1):
        for kx in range(num_modes + 1):
            if (ky, kx) > (0, 0) or kx > 0:
                size, phase = rng.uniform(0, 1, (2, num_samples, num_fields, 1, 1))
                wave = np.cos(ky * y[:, None] + kx * x + 2 * np.pi * phase)
                states += 0.2 * case.amplitude * size * wave
    return states


def run(name, initial, num_steps, *, times=None, lengths=None, coefficients=None, library="numpy"):
    """Integrate to the case's time, every sample with the case's coefficients; (B, T, F, H, W)."""
    case = CASES[name]
    c = np.tile(case.coefficients if coefficients is None else coefficients, (len(initial), 1))
    return integrate(
        EVOLUTION_EQUATIONS[name](),
        initial,
        c,
        (0.0, case.time) if times is None else times,
        num_steps,
        lengths=lengths or case.lengths,
        library=library,
    )


def nonlinear_term(name, shape, num_samples=1, lengths=None):
    """The case's N̂ + f̂, and the transform it uses."""
    equation, case = EVOLUTION_EQUATIONS[name](), CASES[name]
    transform = DealiasedTransform(
        Grid(shape=shape, lengths=lengths or case.lengths),
        equation.degree,
        num_samples,
    )
    c = np.tile(case.coefficients, (num_samples, 1))
    term = NonlinearTerm(equation, transform, c)

    def evaluate(u_hat, out):
        for call in term.calls(u_hat, out):
            call()
        out *= term.scale

    return evaluate, transform, c


def modes_of(transform, states):
    """(F, B, 2, R, K) of states (B, F, H, W)."""
    B, F = states.shape[:2]
    u_hat = np.zeros((F, B, *transform.modes_shape), np.complex128)
    for f in range(F):
        transform.from_states(states[:, f], u_hat[f])
    return u_hat


def random_modes(name, num_modes):
    """Noise in all modes up to a number, small ones first, round the case's mean; (1, F, R, K)."""
    case, M = CASES[name], num_modes
    F, rng = len(EVOLUTION_EQUATIONS[name].state_fields), np.random.default_rng(0)
    N = 2 * M + 1
    noise_hat = np.fft.rfft2(rng.standard_normal((1, F, N, N)), norm="forward")
    rows = np.fft.fftfreq(N, 1 / N)[:, None]
    noise_hat *= case.amplitude / (1 + rows**2 + np.arange(M + 1) ** 2)
    noise_hat[..., 0, 0] = case.mean
    return noise_hat


def evaluate(u_hat, shape):
    """Evaluate states of modes, in the layout of ``state_modes``, on (H, W) points."""
    M, (H, W) = u_hat.shape[-1] - 1, shape
    check_points(M, shape)
    padded = np.zeros((*u_hat.shape[:2], H, W // 2 + 1), np.complex128)
    padded[..., : M + 1, : M + 1] = u_hat[..., : M + 1, :]
    padded[..., -M:, : M + 1] = u_hat[..., -M:, :]
    return np.fft.irfft2(padded, s=shape, norm="forward")
