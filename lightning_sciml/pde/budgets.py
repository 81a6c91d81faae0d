"""Budgets of energy and enstrophy: what an evolution equation makes of its own invariants.

A quadratic form Q = ½ Σ w(k) |û(k)|², summed over modes and fields, that the nonlinear part N
conserves is changed by the rest of u_t = Lu + N(u) + f alone:

    dQ/dt = Σ w(k) Re[û*(k) (L(k) û(k) + f̂(k))].

Navier-Stokes: E = ½⟨|u|²⟩ = ½⟨ψω⟩ and Z = ½⟨ω²⟩ with dE/dt = -2νZ - 2αE + ⟨ψf⟩ and
dZ/dt = -ν⟨|∇ω|²⟩ - 2αZ + ⟨ωf⟩, α the drag and f the forcing of the vorticity; heat and
advection-diffusion: E = ½⟨u²⟩ with dE/dt = -⟨∇u·K∇u⟩; wave: E = ½⟨u_t² + c²|∇u|²⟩, constant.
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from lightning_sciml.pde.evolution_equation import Coefficients, EvolutionEquation
from lightning_sciml.pde.grid import Grid, Wavenumbers

INVARIANTS = ("energy", "enstrophy")
"""Names of the quadratic forms of all equations."""


class Budget(NamedTuple):
    """A quadratic form of states, means over the rectangle.

    Attributes:
        amount: Q.
        rate: dQ/dt by the equation.
    """

    amount: Float[Any, "B K"]
    rate: Float[Any, "B K"]


def budgets(
    equation: EvolutionEquation,
    states: Float[Any, "B K F H W"],
    coefficients: Coefficients,
    grid: Grid,
    *,
    xp: Any = np,
) -> dict[str, Budget]:
    """Compute the equation's quadratic forms of each state, and their rates, by name.

    Args:
        equation: u_t = Lu + N(u) + f.
        states: u at K times, in double precision.
        coefficients: of the equation.
        grid: of the states, periodic.
        xp: ``numpy`` or ``torch``, of the states; coefficients are NumPy's.
    """
    waves = half_spectrum(grid)

    def own(values: np.ndarray) -> Any:
        return values if xp is np else xp.asarray(values, device=states.device)

    u_hat = xp.fft.rfft2(states, norm="forward")
    energy = u_hat.real**2 + u_hat.imag**2
    growth = own(np.real(equation.symbol(coefficients, waves)))[:, None]
    gain = growth * energy
    if (forcing := equation.forcing(coefficients, waves)) is not None:
        f_hat = own(forcing)[:, None]
        gain = gain + u_hat.real * f_hat.real + u_hat.imag * f_hat.imag
    found = {}
    for name, weights in equation.quadratic_invariants(coefficients, waves).items():
        of_modes = own(weights * _multiplicity(grid))[:, None]
        amount = (of_modes * energy).sum((-3, -2, -1)) / 2
        found[name] = Budget(amount, (of_modes * gain).sum((-3, -2, -1)))
    return found


def half_spectrum(grid: Grid) -> Wavenumbers:
    """Return the angular wavenumbers of ``rfft2`` on a periodic rectangle."""
    (height, width), (y_length, x_length) = grid.shape, grid.lengths
    ky = 2 * np.pi / y_length * np.fft.fftfreq(height, 1 / height)[:, None]
    kx = 2 * np.pi / x_length * np.arange(width // 2 + 1)[None, :]
    odd_y, odd_x = ky.copy(), kx.copy()
    for odd, number, last in ((odd_y, height, ky[height // 2]), (odd_x, width, kx[:, width // 2])):
        if number % 2 == 0:
            odd[odd == last] = 0.0
    return Wavenumbers(odd_x, odd_y, kx**2, ky**2)


def _multiplicity(grid: Grid) -> Float[np.ndarray, " M"]:
    """Count each column of the half spectrum and its conjugate, where that is another one."""
    width = grid.shape[1]
    columns = np.arange(width // 2 + 1)
    return 2.0 - ((columns == 0) | (2 * columns == width))
