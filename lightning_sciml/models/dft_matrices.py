"""The matrices of the truncated Fourier transform: once per grid, or inside an exported graph."""

import math
import operator
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor


class DFTMatrices(NamedTuple):
    """The truncated 2-D transform of real H × W fields as four real matrices (norm "ortho")."""

    along_x: Float[Tensor, "W 2m"]
    """Grid → kx, columns [real | imaginary]."""
    along_y: Float[Tensor, "4m 2H"]
    """Interleaved planes (y, p) → (p, ky): the complex transform written over the reals."""
    back_along_y: Float[Tensor, "2H 4m"]
    back_along_x: Float[Tensor, "2m W"]
    """kx → grid: kx = 0 counts once, the others twice, as their conjugates are not kept."""


def dft_matrices(
    height: int, width: int, num_modes: int, dtype: torch.dtype, device: torch.device
) -> DFTMatrices:
    """Make the matrices of one grid, once per process; they are constants of a compiled graph.

    Sizes become plain integers here, so a compiler makes code for each grid and any batch size. An
    exported graph is for any grid: it makes the matrices from the sizes that it is given.
    """
    if torch.compiler.is_exporting():
        return _in_graph(height, width, num_modes, dtype, device)
    return _constant(operator.index(height), operator.index(width), num_modes, dtype, device)


def _constant(*key: Any) -> DFTMatrices:
    return _cached(*key)


# torch.compiler.assume_constant_result(_constant), which does this alone but imports the compiler:
# 2 s for everyone who only loads an operator.
_constant._dynamo_marked_constant = True  # type: ignore[attr-defined]


@lru_cache(maxsize=64)
def _cached(
    height: int, width: int, num_modes: int, dtype: torch.dtype, device: torch.device
) -> DFTMatrices:
    kx = np.arange(num_modes)
    ky = np.concatenate([kx, kx - num_modes])
    x_phase = _phase(np.arange(width), kx, width)
    y_phase = _phase(ky, np.arange(height), height)
    cos, sin = np.cos(y_phase), np.sin(y_phase)
    # [[cos, sin], [-sin, cos]] multiplies by e^{-iφ}; it is orthogonal: its transpose goes back.
    along_y = np.stack([np.stack([cos, sin], -1), np.stack([-sin, cos], -1)]) / np.sqrt(height)
    along_y = along_y.reshape(4 * num_modes, 2 * height)
    along_x = np.concatenate([np.cos(x_phase), -np.sin(x_phase)], axis=1) / np.sqrt(width)
    multiplicity = np.where(np.tile(kx, 2) == 0, 1.0, 2.0)
    back_along_x = (along_x * multiplicity).T
    if dtype.itemsize < 4:  # where the imaginary part of kx = 0 adds nothing: see round_columns
        back_along_x[num_modes] = back_along_x[0]
    matrices = (along_x, along_y, along_y.T, back_along_x)
    with torch.inference_mode(False):  # validation may call first; training must be able to use it
        return DFTMatrices(*(torch.tensor(m, dtype=dtype, device=device) for m in matrices))


def _phase(rows: np.ndarray, columns: np.ndarray, num_points: int) -> np.ndarray:
    """2π·row·column/N, reduced modulo 2π in integers: exact for any N."""
    return 2 * np.pi / num_points * (np.outer(rows, columns) % num_points)


_of_graph: dict[Any, DFTMatrices] | None = None


@contextmanager
def one_graph() -> Iterator[None]:
    """Share the matrices of each grid while one graph is traced: they are made in it once."""
    global _of_graph
    _of_graph = {}
    try:
        yield
    finally:
        _of_graph = None


def _in_graph(
    height: int, width: int, num_modes: int, dtype: torch.dtype, device: torch.device
) -> DFTMatrices:
    """Write the making of the matrices into the graph that is traced; sizes are symbols in it."""
    key = str(height), str(width), num_modes, dtype, device
    if _of_graph is not None and key in _of_graph:
        return _of_graph[key]
    kx = torch.arange(num_modes, device=device)
    cos, sin = _cos_and_sin(torch.cat([kx, kx - num_modes]), height, dtype)
    along_y = torch.stack([torch.stack([cos, sin], -1), torch.stack([-sin, cos], -1)])
    along_y = along_y.view(4 * num_modes, 2 * height) / square_root(height, cos)
    cos, sin = _cos_and_sin(kx, width, dtype)
    back_along_x = torch.cat([cos, -sin]) / square_root(width, cos)
    multiplicity = torch.tensor([1.0 if k == 0 else 2.0 for k in range(num_modes)] * 2)
    multiplicity = multiplicity.to(dtype)[:, None]
    made = DFTMatrices(back_along_x.T, along_y, along_y.T, back_along_x * multiplicity)
    if _of_graph is not None:
        _of_graph[key] = made
    return made


def square_root(number: int, like: Tensor) -> float | Float[Tensor, ""]:
    """√n of a size, which in an exported graph is a symbol; there in the precision of `like`."""
    if not torch.compiler.is_exporting():
        return math.sqrt(number)
    return torch.full((), number, dtype=like.dtype, device=like.device).sqrt()


def _cos_and_sin(
    waves: Int[Tensor, " K"], num_points: int, dtype: torch.dtype
) -> tuple[Float[Tensor, "K N"], Float[Tensor, "K N"]]:
    """Cos and sin of 2π·k·i/N at the N points; k·i is reduced to (-N/2, N/2] in integers."""
    N = torch.full((), num_points, dtype=torch.long, device=waves.device)
    turns = (waves[:, None] * torch.arange(num_points, device=waves.device)).remainder(N)
    turns = torch.where(2 * turns > N, turns - N, turns)
    phase = turns.to(dtype) / N.to(dtype) * (2 * math.pi)
    return phase.cos(), phase.sin()
