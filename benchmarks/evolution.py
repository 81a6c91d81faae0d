"""Time a step of ETDRK4 against exponax (JAX), in float64, at the same kept modes, in turns.

    taskset -c 0 python benchmarks/evolution.py [--modes 31 63] [--equations navier_stokes ...]

Install exponax into an environment of its own (JAX takes 400 MB), with this package beside it. The
time is that of the CPU, a step and sample, of one thread; the ratio is the median over turns, each
of which times all contestants once. Both keep |k| ≤ K; exponax takes 3 (K + 1) points an axis for
quadratic terms and 4 (K + 1) for cubic ones. Its samples are stepped one by one: several at a time
(vmap) are slower. Its Kuramoto-Sivashinsky has ∂x⁴ + ∂y⁴ for Δ², at the same cost.
"""

import importlib
import time
from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
from jaxtyping import Float

from data_gen.dealiased_transform import DealiasedTransform
from data_gen.etdrk import Integrator, block_size
from data_gen.fourier_library import LIBRARIES
from lightning_sciml.errors import InputError
from lightning_sciml.pde.evolution import EVOLUTION_EQUATIONS
from lightning_sciml.pde.grid import Grid
from lightning_sciml.process_memory import keep_freed_memory

SIDE = 1.0
STEP = 1e-4
COEFFICIENTS = {
    "navier_stokes": [1e-3],
    "kolmogorov_flow": [1e-3, 0.1],
    "burgers": [1e-2],
    "kuramoto_sivashinsky": [1.0],
    "allen_cahn": [1e-3],
    "fisher_kpp": [1e-3, 1.0],
    "swift_hohenberg": [0.4, 0.8],
    "gray_scott": [0.04, 0.06, 2e-5, 1e-5],
}
Run = Callable[[int], None]


def initial_state(num_points: int, num_fields: int) -> Float[np.ndarray, "F N N"]:
    """Draw small noise: all modes are at work, and no number is denormal."""
    rng = np.random.default_rng(0)
    return 0.5 + 1e-3 * rng.standard_normal((num_fields, num_points, num_points))


def peer(name: str, num_modes: int) -> Run:
    """Return a function that takes steps of exponax, compiled as one loop."""
    jax, ex = importlib.import_module("jax"), importlib.import_module("exponax")
    jax.config.update("jax_enable_x64", True)
    cubic = EVOLUTION_EQUATIONS[name].degree == 3
    num_points = (4 if cubic else 3) * (num_modes + 1)
    c = COEFFICIENTS[name]
    stepper: Any = {
        "navier_stokes": lambda *a: ex.stepper.NavierStokesVorticity(*a, order=4, diffusivity=c[0]),
        "kolmogorov_flow": lambda *a: ex.stepper.KolmogorovFlowVorticity(
            *a, order=4, diffusivity=c[0], drag=-c[1]
        ),
        "burgers": lambda *a: ex.stepper.Burgers(*a, order=4, diffusivity=c[0]),
        "kuramoto_sivashinsky": lambda *a: ex.stepper.KuramotoSivashinsky(*a, order=4),
        "allen_cahn": lambda *a: ex.stepper.reaction.AllenCahn(*a, order=4, diffusivity=c[0]),
        "fisher_kpp": lambda *a: ex.stepper.reaction.FisherKPP(
            *a, order=4, diffusivity=c[0], reactivity=c[1]
        ),
        "swift_hohenberg": lambda *a: ex.stepper.reaction.SwiftHohenberg(
            *a, order=4, reactivity=c[0]
        ),
        "gray_scott": lambda *a: ex.stepper.reaction.GrayScott(*a, order=4),
    }[name](2, SIDE, num_points, STEP)
    state = initial_state(num_points, stepper.num_channels)
    u_hat = ex.fft(jax.numpy.asarray(state), num_spatial_dims=2)

    @jax.jit
    def run(u_hat: Any, num_steps: int) -> Any:
        return jax.lax.fori_loop(0, num_steps, lambda _, v: stepper.step_fourier(v), u_hat)

    return lambda num_steps: run(u_hat, num_steps).block_until_ready()


def ours(name: str, num_modes: int, library: str) -> tuple[Run, int]:
    """Return a function that takes steps of a block, and the block's samples."""
    equation, num_points = EVOLUTION_EQUATIONS[name](), 2 * num_modes + 2
    grid = Grid(shape=(num_points, num_points), lengths=(SIDE, SIDE))
    size = block_size(equation, grid)
    c = np.tile(COEFFICIENTS[name], (size, 1))
    transform = DealiasedTransform(grid, equation.degree, size, library)
    integrator = Integrator(equation, transform, c)
    state = initial_state(num_points, len(equation.state_fields))
    integrator.start(np.broadcast_to(state, (size, *state.shape)))
    return lambda num_steps: integrator.advance(STEP, num_steps), size


def seconds(run: Run, num_steps: int) -> float:
    """CPU time of one step."""
    started_at = time.process_time()
    run(num_steps)
    return (time.process_time() - started_at) / num_steps


def compare(name: str, num_modes: int, num_turns: int) -> None:
    """Time all in turns, and print a line."""
    contestants: dict[str, tuple[Run, int]] = {"exponax": (peer(name, num_modes), 1)}
    for library in LIBRARIES:
        try:
            contestants[library] = ours(name, num_modes, library)
        except InputError as error:
            print(f"left out: {error}")
    num_steps = max(4, 100 * 32**2 // (num_modes + 1) ** 2)
    times: dict[str, list[float]] = {key: [] for key in contestants}
    for turn in range(num_turns + 1):
        for key, (run, size) in contestants.items():
            spent = seconds(run, max(2, num_steps // size)) / size
            if turn > 0:  # the first compiles
                times[key].append(spent)
    told = f"{name:<21} K={num_modes:<3} exponax {median(times['exponax']) * 1e3:6.3f} ms"
    for key in contestants.keys() - {"exponax"}:
        ratios = [e / o for e, o in zip(times["exponax"], times[key], strict=True)]
        told += f"  {key} {median(times[key]) * 1e3:6.3f} ms {median(ratios):5.2f}x"
    print(told, flush=True)


def main() -> None:
    """Compare every equation at every number of modes."""
    parser = ArgumentParser(description=__doc__, formatter_class=ArgumentDefaultsHelpFormatter)
    parser.add_argument("--modes", nargs="+", type=int, default=[31, 63])
    parser.add_argument("--equations", nargs="+", default=list(COEFFICIENTS))
    parser.add_argument("--turns", type=int, default=7)
    options = parser.parse_args()
    keep_freed_memory()
    for num_modes in options.modes:
        for name in options.equations:
            compare(name, num_modes, options.turns)


if __name__ == "__main__":
    main()
