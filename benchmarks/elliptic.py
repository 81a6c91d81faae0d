"""Time our solver of -∇·(a∇u) = f against SuperLU (SciPy) and PyAMG, on the same matrix, in turns.

    taskset -c 0 python benchmarks/elliptic.py [--points 128] [--turns 9]

PyAMG is on PyPI (pip install pyamg); without it that column is left out. f = 1, walls u = 0, all to
‖r‖ ≤ 1e-10 ‖f‖. The time is that of the CPU, a sample, of one thread; it contains all set-up, ours
from a, theirs from the matrix in the format they want. SuperLU is timed with the ordering it takes
by default and with the one for symmetric patterns, PyAMG with the faster of its two methods, as
preconditioners of conjugate gradients. A ratio is the median over turns, each of which times all
contestants once.
"""

import importlib
import time
from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser
from collections.abc import Callable
from importlib.util import find_spec
from statistics import mean, median

import numpy as np
from jaxtyping import Float
from scipy.sparse.linalg import spsolve

from data_gen.diffusivities import Diffusivity, LogNormalDiffusivity, TwoPhaseDiffusivity
from data_gen.elliptic_solver import block_size, solve
from data_gen.finite_volumes import Faces
from data_gen.random_numbers import sample_uniforms
from lightning_sciml.pde.grid import Grid
from lightning_sciml.process_memory import keep_freed_memory

MAX_RESIDUAL = 1e-10
MEDIA: dict[str, Callable[[], Diffusivity]] = {
    "two-phase, contrast 4": lambda: TwoPhaseDiffusivity(contrast=(4.0, 4.0)),
    "two-phase, contrast 100": lambda: TwoPhaseDiffusivity(contrast=(100.0, 100.0)),
    "log-normal, contrast 100": lambda: LogNormalDiffusivity(contrast=(100.0, 100.0)),
}
Run = Callable[[], object]


def samples(medium: str, num_points: int, number: int) -> Float[np.ndarray, "B N N"]:
    """Draw diffusivities as the generator does."""
    diffusivity = MEDIA[medium]()
    grid = Grid(shape=(num_points, num_points), boundary=("dirichlet", "dirichlet"))
    count = diffusivity.num_uniforms
    uniforms = sample_uniforms(0, "train", np.arange(number), attempt=0, count=count)
    return diffusivity.draw(uniforms, grid).values


def superlu(a: Float[np.ndarray, "B N N"], ordering: str) -> Run:
    """Return a function that factorises and solves for the first sample."""
    A = Faces.of_cells(a[:1], "dirichlet").matrix().tocsc()
    f = np.full(A.shape[0], 1 / a[0].size)
    return lambda: spsolve(A, f, permc_spec=ordering)


def pyamg(a: Float[np.ndarray, "B N N"], method: str) -> Run:
    """Return a function that sets a hierarchy up and solves for the first sample."""
    amg = importlib.import_module("pyamg")
    A = Faces.of_cells(a[:1], "dirichlet").matrix().tocsr()
    f = np.full(A.shape[0], 1 / a[0].size)

    def run() -> None:
        residuals: list[float] = []
        getattr(amg, method)(A).solve(f, tol=MAX_RESIDUAL, accel="cg", residuals=residuals)
        if not residuals[-1] <= 1.01 * MAX_RESIDUAL * np.linalg.norm(f):
            raise SystemExit(f"error: {method} ends at {residuals[-1]:.1e}")

    return run


def seconds(run: Run) -> float:
    """CPU time of a call."""
    started_at = time.process_time()
    run()
    return time.process_time() - started_at


def compare(medium: str, num_points: int, num_turns: int) -> None:
    """Time all in turns, and print a line."""
    size = block_size(num_points)
    a = samples(medium, num_points, size)
    f = np.ones_like(a)
    iterations = mean(solve(a, f, "dirichlet", MAX_RESIDUAL).iterations)
    peers = {
        "spsolve": [superlu(a, "COLAMD")],
        "spsolve (MMD)": [superlu(a, "MMD_AT_PLUS_A")],
        "PyAMG": [],
    }
    if find_spec("pyamg") is not None:
        methods = ("ruge_stuben_solver", "smoothed_aggregation_solver")
        peers["PyAMG"] = [pyamg(a, method) for method in methods]
    times: dict[str, list[float]] = {name: [] for name in ("ours", *peers)}
    for _ in range(num_turns):
        times["ours"].append(seconds(lambda: solve(a, f, "dirichlet", MAX_RESIDUAL)) / size)
        for name, runs in peers.items():
            times[name] += [min(map(seconds, runs))] if runs else []
    told = f"{medium:<25} {num_points}² {iterations:5.1f} iterations "
    told += f"{median(times['ours']) * 1e3:7.2f} ms"
    for name in peers:
        if times[name]:
            ratios = [
                theirs / ours for theirs, ours in zip(times[name], times["ours"], strict=True)
            ]
            told += f"  {name} {median(times[name]) * 1e3:7.2f} ms {median(ratios):5.2f}x"
    print(told, flush=True)


def main() -> None:
    """Compare on every medium and grid."""
    parser = ArgumentParser(description=__doc__, formatter_class=ArgumentDefaultsHelpFormatter)
    parser.add_argument("--points", nargs="+", type=int, default=[64, 85, 128, 256, 421])
    parser.add_argument("--turns", type=int, default=9)
    options = parser.parse_args()
    keep_freed_memory()
    for num_points in options.points:
        for medium in MEDIA:
            compare(medium, num_points, options.turns)


if __name__ == "__main__":
    main()
