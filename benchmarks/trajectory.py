"""Time a Navier-Stokes trajectory against the scheme of the Fourier neural operator's data sets.

    taskset -c 0 python benchmarks/trajectory.py [--points 64 128 256] [--library ducc0]

ω_t = -u·∇ω + νΔω + 0.1 (sin 2π(x + y) + cos 2π(x + y)) on the unit square, from the paper's initial
states, N(0, 7^1.5 (-Δ + 49)^-2.5), to the paper's first stored time. Its scheme (benchmarks/
crank_nicolson.py) takes steps of 1e-4. Ours (ETDRK4) takes the fewest steps with which no sample
has a larger error. Both keep the same modes, those below a third of the points, and use the same
library, products and blocks. The error is the relative L² distance from ours with an eighth of the
step; next to it stands what doubling the step tells: ‖u(h) - u(2h)‖ / (2^p - 1), of order p. The
times are those of the CPU, a sample, of the whole trajectory, all taking turns; medians.
"""

import time
from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser, Namespace
from statistics import median
from typing import NamedTuple, Protocol

import numpy as np
from crank_nicolson import CrankNicolson
from jaxtyping import Complex, Float

from data_gen.dealiased_transform import DealiasedTransform
from data_gen.etdrk import Integrator, block_size
from data_gen.initial_states import PowerLawField
from data_gen.random_numbers import sample_uniforms
from lightning_sciml.pde.flows import ForcedNavierStokes
from lightning_sciml.pde.grid import Grid
from lightning_sciml.process_memory import keep_freed_memory

EQUATION = ForcedNavierStokes()
THEIR_STEP = 1e-4
STEPS = [4, 5, 6, 8, 10, 12, 16, 20, 25, 32, 40, 50, 64, 80, 100, 128, 160, 200]  # tried for ours
Modes = Complex[np.ndarray, "1 B 2 R K"]


class Scheme(Protocol):
    """What advances its modes."""

    u_hat: Modes

    def advance(self, step: float, num_steps: int) -> None:
        """Take steps."""


class Run(NamedTuple):
    """State at the end, and the CPU time of a sample."""

    u_hat: Modes
    seconds: float


def run(scheme: Scheme, initial: Modes, end: float, num_steps: int) -> Run:
    """Go from the initial state to the end."""
    scheme.u_hat[:] = initial
    started_at = time.process_time()
    scheme.advance(end / num_steps, num_steps)
    seconds = (time.process_time() - started_at) / initial.shape[1]
    return Run(scheme.u_hat.copy(), seconds)


def distance(a: Modes, b: Modes) -> Float[np.ndarray, " B"]:
    """‖a - b‖ / ‖b‖ of each sample; columns kx > 0 stand for two."""
    weights = np.where(np.arange(a.shape[-1]) > 0, 2.0, 1.0)

    def squared(u_hat: Modes) -> Float[np.ndarray, " B"]:
        return (weights * abs(u_hat) ** 2).sum(axis=(0, 2, 3, 4))

    return np.sqrt(squared(a - b) / squared(b))


def schemes(num_points: int, options: Namespace) -> tuple[Scheme, Scheme, Modes]:
    """Prepare ours, theirs, and initial states of a block."""
    num_stored = 2 * ((num_points - 1) // 3) + 2  # points of states with the modes that are kept
    grid = Grid(shape=(num_stored, num_stored))
    B = block_size(EQUATION, grid)
    transform = DealiasedTransform(grid, EQUATION.degree, B, options.library)
    c = np.full((B, 1), options.nu)
    ours = Integrator(EQUATION, transform, c)
    M = transform.max_modes[0]
    field = PowerLawField(exponent=2.5, tau=7.0, scale=options.scale, num_modes=M)
    uniforms = sample_uniforms(0, "train", np.arange(B), attempt=0, count=field.num_uniforms(1))
    ours.start_from_modes(field.draw(uniforms, grid.lengths, EQUATION))
    return ours, CrankNicolson(transform, c), ours.u_hat.copy()


def compare(num_points: int, options: Namespace) -> None:
    """Find the steps of equal error, time both, and print a line for each."""
    ours, theirs, initial = schemes(num_points, options)
    end, num_theirs = options.end, round(options.end / THEIR_STEP)
    reference = run(ours, initial, end, 8 * round(STEPS[-1] * end)).u_hat
    coarse, fine = (run(theirs, initial, end, n).u_hat for n in (num_theirs // 2, num_theirs))
    error, doubled = distance(fine, reference), distance(fine, coarse)
    for num_ours in (round(n * end) for n in STEPS):
        state = run(ours, initial, end, num_ours).u_hat
        our_error = distance(state, reference)
        if (our_error <= error).all():
            break
    our_doubled = distance(state, run(ours, initial, end, 2 * num_ours).u_hat) * 16 / 15
    times: dict[str, list[float]] = {"theirs": [], "ours": []}
    for _ in range(options.turns):
        times["theirs"].append(run(theirs, initial, end, num_theirs).seconds)
        repeats = [run(ours, initial, end, num_ours).seconds for _ in range(5)]
        times["ours"].append(median(repeats))
    K = initial.shape[-1] - 1
    print(f"{num_points}² points, {K} modes, {initial.shape[1]} samples, T = {end:g}")
    for name, n, e, d in (
        ("theirs", num_theirs, error, doubled),
        ("ours", num_ours, our_error, our_doubled),
    ):
        seconds = median(times[name])
        print(
            f"  {name:<6} {n:6} steps  error {e.max():.1e} (by doubling {d.max():.1e})  "
            f"{seconds * 1e3:9.2f} ms  {seconds / n * 1e6:7.0f} µs a step"
        )
    ratios = [t / o for t, o in zip(times["theirs"], times["ours"], strict=True)]
    print(f"  ratio {median(ratios):.0f}", flush=True)


def main() -> None:
    """Compare at every number of points."""
    parser = ArgumentParser(description=__doc__, formatter_class=ArgumentDefaultsHelpFormatter)
    parser.add_argument("--points", nargs="+", type=int, default=[64, 128, 256])
    parser.add_argument("--nu", type=float, default=1e-3)
    parser.add_argument("--scale", type=float, default=7**0.75, help="root of 7^1.5")
    parser.add_argument("--end", type=float, default=1.0, help="time T")
    parser.add_argument("--library", default="ducc0")
    parser.add_argument("--turns", type=int, default=5)
    options = parser.parse_args()
    np.seterr(over="ignore", invalid="ignore")  # of steps too few, which are not taken
    keep_freed_memory()
    for num_points in options.points:
        compare(num_points, options)


if __name__ == "__main__":
    main()
