"""Galilean boosts: a solution seen from a frame that moves at a constant velocity."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from lightning_sciml.operators.network_contract import ChannelNames, matched_outputs
from lightning_sciml.operators.problem import Problem
from lightning_sciml.operators.random_integers import random_integers
from lightning_sciml.streaming.mixture import Batch
from lightning_sciml.streaming.random_streams import Stream
from lightning_sciml.streaming.windows import field_of


class Boosts(nn.Module):
    """Adds a velocity U to that of each sample, anew in every step, and moves its states with it.

    u(x, t) becomes u(x - Ut, t), with t = 0 at the newest input state, and the velocity v of the
    equation becomes v + U. Where v is a field, both components of U are uniform in ±s, with s the
    root of the mean square of v over the newest state. Where v is a coefficient, it turns by a
    random angle, so |v|, and the ratio of advection to diffusion, stay.

    Fields are shifted in Fourier space, which is exact for states without a mode at Nyquist, as
    those of the solver are.

    Args:
        problems: evolutions whose equation has a `velocity`, on periodic grids, and whose states
            are equally far apart in time.
        names: of the operator's channels.
    """

    of_inputs: Float[Tensor, "P S 2"]
    """1 where an input is the component of a velocity along x or y."""
    of_outputs: Float[Tensor, "P F 2"]
    of_coefficients: Float[Tensor, "P c 2"]
    num_intervals: Float[Tensor, " S"]
    """Steps from the newest state to each input: 0, -1, …"""
    sides: Float[Tensor, "P 2"]
    """Sides of the rectangle along x and y."""

    def __init__(self, problems: Sequence[Problem], names: ChannelNames) -> None:
        super().__init__()
        lags = [int(name.partition("@-")[2] or 0) for name in names.fields]
        self._earlier = [i for i, lag in enumerate(lags) if lag]
        tables = {
            "of_inputs": [_components(p, names.fields) for p in problems],
            "of_outputs": [_components(p, _own_outputs(p, names.outputs)) for p in problems],
            "of_coefficients": [_components(p, names.coefficients) for p in problems],
            "sides": [p.grid.lengths[::-1] for p in problems],
            "num_intervals": -np.array(lags),
        }
        for name, table in tables.items():
            constant = torch.from_numpy(np.array(table, dtype=np.float64))
            self.register_buffer(name, constant, persistent=False)

    def forward(self, batch: Batch, *, seed: int, step: int) -> Batch:
        """Boost the batch of this step; channels are in the operator's order."""
        return self.boosted(batch, self.velocities(batch, seed=seed, step=step))

    def velocities(self, batch: Batch, *, seed: int, step: int) -> Float[Tensor, "B 2"]:
        """Draw U = (U_x, U_y) of each sample, in float64 as long ways need."""
        x, y, angle = (
            random_integers(batch, 1 << 24, stream, seed=seed, step=step) / (1 << 23) - 1.0
            for stream in (Stream.BOOST_X, Stream.BOOST_Y, Stream.BOOST_ANGLE)
        )
        d = batch.dataset
        is_newest = self.of_inputs[d].sum(-1) * (self.num_intervals == 0)
        squares = batch.inputs.square().mean(dim=(-2, -1))
        size = (0.5 * (is_newest * squares).sum(dim=1)).sqrt()
        v_x, v_y = (self.of_coefficients[d] * batch.coefficients[..., None]).sum(dim=1).T
        cosine, sine = (math.pi * angle).cos(), (math.pi * angle).sin()
        turned = cosine * v_x - sine * v_y, sine * v_x + cosine * v_y
        return torch.stack([x * size + turned[0] - v_x, y * size + turned[1] - v_y], dim=1)

    def boosted(self, batch: Batch, velocity: Float[Tensor, "B 2"]) -> Batch:
        """Add these velocities U, of components x and y, and move the states along."""
        d, U = batch.dataset, velocity[:, None]
        per_interval = U * batch.lead_time[:, None, None] / self.sides[d][:, None]
        inputs, outputs = batch.inputs, batch.outputs
        if self._earlier:
            inputs = inputs.clone()
            for i in self._earlier:
                moved = translated(inputs[:, i : i + 1], per_interval * self.num_intervals[i])
                inputs[:, i : i + 1] = moved
        steps = [
            translated(fields, (k + 1) * per_interval) for k, fields in enumerate(outputs.unbind(1))
        ]
        of_fields = [(table[d] * U).sum(-1) for table in (self.of_inputs, self.of_outputs)]
        to_inputs, to_outputs = (added.to(inputs.dtype)[..., None, None] for added in of_fields)
        to_coefficients = (self.of_coefficients[d] * U).sum(-1).to(batch.coefficients.dtype)
        return batch._replace(
            inputs=inputs + to_inputs,
            outputs=torch.stack(steps, dim=1) + to_outputs[:, None],
            coefficients=batch.coefficients + to_coefficients,
        )


def _components(problem: Problem, channels: Sequence[str]) -> Float[np.ndarray, "C 2"]:
    """Tell which channels are components of the velocity of a problem."""
    components = problem.known_equation().velocity or ()
    is_own = [[field_of(name) == component for component in components] for name in channels]
    return np.array(is_own).reshape(len(channels), 2)


def _own_outputs(problem: Problem, outputs: Sequence[str]) -> list[str]:
    """Name an operator's outputs as a problem does; "" for those that it lacks."""
    places = matched_outputs(problem.output_fields, outputs)
    own = dict(zip(places, problem.output_fields, strict=True))
    return [own.get(j, "") for j in range(len(outputs))]


def translated(
    fields: Float[Tensor, "B C H W"], turns: Float[Tensor, "B 1 2"]
) -> Float[Tensor, "B C H W"]:
    """Shift periodic fields, u(x - s), by s along x and y in units of the sides.

    Phases are computed in float64: they are as exact for long ways as for short ones.
    """
    H, W = fields.shape[-2:]
    x, y = turns.double().unbind(dim=-1)  # (B, 1)
    u_hat = torch.fft.rfft2(fields)
    kx = torch.arange(W // 2 + 1, dtype=torch.float64, device=fields.device)
    ky = torch.fft.fftfreq(H, 1 / H, dtype=torch.float64, device=fields.device)
    along_x, along_y = (
        torch.polar(torch.ones_like(phase), phase).to(u_hat.dtype)
        for phase in (-2 * math.pi * kx * x[..., None], -2 * math.pi * ky * y[..., None])
    )
    return torch.fft.irfft2(u_hat * along_x[..., None, :] * along_y[..., None], s=(H, W))
