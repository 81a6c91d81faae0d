"""Windows of trajectories that the solver makes, and the problem that they belong to."""

from typing import NamedTuple

import numpy as np
import torch
from evolution_states import CASES, smooth_states

from data_gen.etdrk import integrate
from lightning_sciml.operators.network_contract import ChannelNames
from lightning_sciml.operators.problem import Problem
from lightning_sciml.pde.evolution import EVOLUTION_EQUATIONS
from lightning_sciml.pde.grid import Grid
from lightning_sciml.streaming.mixture import Batch
from lightning_sciml.streaming.windows import history_names

HISTORY, NUM_STEPS = 2, 2
NUM_SAMPLES = 4


class SolvedWindows(NamedTuple):
    """Windows in float64, each with its own coefficients; channels are in no special order."""

    problem: Problem
    names: ChannelNames
    batch: Batch

    @property
    def equation(self):
        return self.problem.known_equation()

    def states(self, batch: Batch) -> np.ndarray:
        """(B, h + K, F, H, W), the oldest state first."""
        names = history_names(self.equation.state_fields, HISTORY)
        inputs = batch.inputs[:, [self.names.fields.index(n) for n in names]]
        outputs = [self.names.outputs.index(n) for n in self.equation.state_fields]
        earlier = inputs.unflatten(1, (HISTORY, len(outputs)))
        return torch.cat([earlier, batch.outputs[:, :, outputs]], dim=1).numpy()

    def solved_again(self, batch: Batch, num_substeps: int) -> np.ndarray:
        """Integrate the oldest state of each window with its coefficients."""
        own = batch.coefficients[:, list(self.problem.columns)].numpy()
        return trajectories(self.problem, self.states(batch)[:, 0], own, num_substeps)


def trajectories(problem, initial, coefficients, num_substeps):
    """(B, h + K, F, H, W) of the problem's equation."""
    equation, sides = problem.known_equation(), problem.grid.lengths
    times = interval(equation.name) * np.arange(HISTORY + NUM_STEPS)
    return integrate(equation, initial, coefficients, times, num_substeps, lengths=sides)


def interval(name: str) -> float:
    """Time between the states of a window."""
    return CASES[name].time / 4


def solved_windows(name, *, shape=(16, 16), num_substeps=8, lengths=None, **parameters):
    """Solve an equation's case from smooth states of zero-free random samples."""
    equation, case = EVOLUTION_EQUATIONS[name](**parameters), CASES[name]
    names = ChannelNames(
        history_names(equation.state_fields, HISTORY)[::-1],
        equation.coefficient_names[::-1],
        equation.state_fields[::-1],
    )
    problem = Problem(
        name=f"{name}_set",
        equation=equation,
        grid=Grid(shape=shape, lengths=lengths or (case.lengths[0],) * 2),
        columns=tuple(names.coefficients.index(n) for n in equation.coefficient_names),
        input_fields=names.fields[::-1],
        output_fields=equation.state_fields,
        state_fields=equation.state_fields,
    )
    rng = np.random.default_rng(0)
    c = np.array(case.coefficients) * rng.uniform(0.8, 1.2, (NUM_SAMPLES, len(case.coefficients)))
    initial = smooth_states(name, shape, num_samples=NUM_SAMPLES, num_modes=2)
    states = torch.from_numpy(trajectories(problem, initial, c, num_substeps))
    batch = Batch(
        inputs=states[:, :HISTORY].flatten(1, 2).flip(1),
        outputs=states[:, HISTORY:].flip(2),
        coefficients=torch.from_numpy(c).flip(1),
        dataset=torch.zeros(NUM_SAMPLES, dtype=torch.long),
        sample_index=torch.arange(NUM_SAMPLES),
        lead_time=torch.full((NUM_SAMPLES,), interval(name), dtype=torch.float64),
        time_index=torch.full((NUM_SAMPLES,), HISTORY - 1),
        global_size=NUM_SAMPLES,
    )
    return SolvedWindows(problem, names, batch)
