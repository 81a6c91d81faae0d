"""Estimate the core-hours of The Well's Gray-Scott data set at a measured time error.

    taskset -c 0 python benchmarks/gray_scott.py [--library ducc0]

Its README: six classes of (feed, kill), 200 trajectories each, on 128² points of [-1, 1]², 1,001
states up to t = 10,000, with steps of 1 (ETDRK4 of Chebfun), in 33 hours on 40 cores. Here some
trajectories of each class start from Gaussian bumps, develop, and go through a stretch of time with
steps that divide the interval of stored states. The error at its end is the relative L² distance,
over both fields, from steps of ½; the largest of the trajectories counts. The
longest step within the bound makes the estimate: CPU time of a step of one trajectory, times the
steps of 200 trajectories. Products are dealiased, on 256² points; Chebfun's are not.
"""

import time
from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser, Namespace

import numpy as np
from jaxtyping import Complex

from data_gen.dealiased_transform import DealiasedTransform
from data_gen.etdrk import Integrator
from data_gen.initial_states import Blobs
from data_gen.random_numbers import sample_uniforms
from lightning_sciml.pde.grid import Grid
from lightning_sciml.pde.reactions import GrayScott
from lightning_sciml.process_memory import keep_freed_memory

CLASSES = {
    "gliders": (0.014, 0.054),
    "bubbles": (0.098, 0.057),
    "maze": (0.029, 0.057),
    "worms": (0.058, 0.065),
    "spirals": (0.018, 0.051),
    "spots": (0.030, 0.062),
}
GRID = Grid(shape=(128, 128), lengths=(2.0, 2.0))
EQUATION = GrayScott()
INTERVAL = 10.0  # of stored states
END, NUM_TRAJECTORIES = 10_000.0, 200  # of a class
PEER_HOURS = 33 * 40
BUMPS = Blobs(
    heights=((-0.5, -0.25), (0.25, 0.5)),
    background=(1.0, 0.0),
    num_blobs=(20, 60),
    width=(0.04, 0.08),
    num_modes=60,
)
State = Complex[np.ndarray, "F B 2 R K"]


def developed(name: str, index: int, options: Namespace) -> Integrator:
    """Start a trajectory of a class, and go on until there is a pattern."""
    feed, kill = CLASSES[name]
    transform = DealiasedTransform(GRID, EQUATION.degree, 1, options.library)
    integrator = Integrator(EQUATION, transform, np.array([[feed, kill, 2e-5, 1e-5]]))
    uniforms = sample_uniforms(
        0, "train", np.array([index]), attempt=0, count=BUMPS.num_uniforms(2)
    )
    integrator.start_from_modes(BUMPS.draw(uniforms, GRID.lengths, EQUATION))
    integrator.advance(2.0, round(options.develop / 2.0))
    return integrator


def distance(state: State, reference: State) -> float:
    """‖u - v‖ / ‖v‖ over fields and modes."""
    weights = np.where(np.arange(state.shape[-1]) > 0, 2.0, 1.0)  # -kx, too
    difference, norm = (
        (weights * abs(u_hat) ** 2).sum() for u_hat in (state - reference, reference)
    )
    return float(np.sqrt(difference / norm))


def measure(name: str, options: Namespace) -> float:
    """Find the step of a class, print a line, and return the core-hours of 200 trajectories."""
    runs = [developed(name, index, options) for index in range(options.samples)]
    starts = [run.u_hat.copy() for run in runs]
    for run in runs:
        run.advance(0.5, round(options.stretch / 0.5))
    references = [run.u_hat.copy() for run in runs]
    for steps in range(1, round(INTERVAL) + 1):  # between stored states
        step, seconds, error = INTERVAL / steps, 0.0, 0.0
        num_steps = round(options.stretch / step)
        for run, start, reference in zip(runs, starts, references, strict=True):
            run.u_hat[:] = start
            run.advance(step, 0)  # computes the coefficients of the step
            started_at = time.process_time()
            run.advance(step, num_steps)
            seconds += (time.process_time() - started_at) / num_steps / options.samples
            error = max(error, distance(run.u_hat, reference))
        if error <= options.max_time_error:
            break
    hours = NUM_TRAJECTORIES * END / step * seconds / 3600
    states = np.empty((options.samples, 1, 2, *GRID.shape))
    for run, state in zip(runs, states, strict=True):
        run.write_state(state)
    v = states[:, 0, 1]
    print(
        f"{name:<8} step {step:4.2f}  error {error:.1e}  {seconds * 1e3:5.2f} ms a step  "
        f"{hours:5.2f} core-hours  (v: {v.mean():.3f} ± {v.std():.3f})",
        flush=True,
    )
    return hours


def main() -> None:
    """Measure all classes, and print the sum."""
    parser = ArgumentParser(description=__doc__, formatter_class=ArgumentDefaultsHelpFormatter)
    parser.add_argument("--library", default="ducc0")
    parser.add_argument("--samples", type=int, default=2, help="trajectories of a class")
    parser.add_argument("--develop", type=float, default=1000.0, help="time before the stretch")
    parser.add_argument("--stretch", type=float, default=500.0, help="time of the stretch")
    parser.add_argument("--max_time_error", type=float, default=1e-4)
    options = parser.parse_args()
    keep_freed_memory()
    hours = sum(measure(name, options) for name in CLASSES)
    print(f"{hours:.1f} core-hours for 1,200 trajectories; The Well's took {PEER_HOURS:,}")


if __name__ == "__main__":
    main()
