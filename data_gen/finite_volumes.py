"""Five-point finite volumes of -∇·(a∇u) on square cells, for blocks of samples."""

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np
from jaxtyping import Float, Int64

if TYPE_CHECKING:
    from scipy.sparse import dia_array

Walls = Literal["periodic", "dirichlet", "neumann"]
"""What holds at all four edges: u is periodic, u = 0, or ∂u/∂n = 0."""
WALLS: tuple[Walls, ...] = get_args(Walls)


class Faces(NamedTuple):
    """Conductances c of the faces between cells: c (u_left - u_right) flows through a face.

    The first and last face along an axis are walls; where periodic, both are the same face.

    Attributes:
        x: faces crossed along x.
        y: faces crossed along y.
        walls: what holds there.
    """

    x: Float[np.ndarray, "B H W1"]
    y: Float[np.ndarray, "B H1 W"]
    walls: Walls

    @classmethod
    def of_cells(cls, a: Float[np.ndarray, "B H W"], walls: Walls) -> "Faces":
        """Take the harmonic mean of a between two cells, which is exact for layers."""
        return cls(
            x=_conductances(a, walls),
            y=_conductances(a.swapaxes(1, 2), walls).swapaxes(1, 2),
            walls=walls,
        )

    @property
    def num_cells(self) -> int:
        """Count the cells along an axis."""
        return self.x.shape[1]

    @property
    def diagonal(self) -> Float[np.ndarray, "B H W"]:
        """D, the conductances round each cell added up."""
        return self.x[..., :-1] + self.x[..., 1:] + self.y[:, :-1] + self.y[:, 1:]

    def of_samples(self, rows: Int64[np.ndarray, " R"]) -> "Faces":
        """Take some of the samples."""
        return Faces(self.x[rows], self.y[rows], self.walls)

    def in_float32(self) -> "Faces":
        """Round the conductances."""
        return Faces(self.x.astype(np.float32), self.y.astype(np.float32), self.walls)

    def apply(self, u: Float[np.ndarray, "B H W"]) -> Float[np.ndarray, "B H W"]:
        """Au, what flows out of each cell: (Au)ᵢ = Σ c (uᵢ - uⱼ), h² times -∇·(a∇u).

        Made of differences, it has a rounding error of ε Σ c |uᵢ - uⱼ|, and not of ε Σ c |uᵢ|.
        """
        out = np.empty_like(u)
        flux = u[..., 1:] - u[..., :-1]
        flux *= self.x[..., 1:-1]
        np.negative(flux, out=out[..., :-1])
        out[..., -1] = 0
        out[..., 1:] += flux
        flux = u[:, 1:] - u[:, :-1]
        flux *= self.y[:, 1:-1]
        out[:, :-1] -= flux
        out[:, 1:] += flux
        self._add_flow_through_walls(u, out)
        return out

    def _add_flow_through_walls(
        self, u: Float[np.ndarray, "B H W"], out: Float[np.ndarray, "B H W"]
    ) -> None:
        along_y = self.y.swapaxes(1, 2), u.swapaxes(1, 2), out.swapaxes(1, 2)
        for c, v, flow in ((self.x, u, out), along_y):
            if self.walls == "periodic":
                flux = c[..., 0] * (v[..., -1] - v[..., 0])
                flow[..., -1] += flux
                flow[..., 0] -= flux
            elif self.walls == "dirichlet":
                flow[..., 0] += c[..., 0] * v[..., 0]
                flow[..., -1] += c[..., -1] * v[..., -1]

    def matrix(self) -> "dia_array":
        """Make A of all samples, a block each."""
        D = self.diagonal
        return self._matrix(D, -np.ones_like(D))

    def damped_jacobi(self, D: Float[np.ndarray, "B H W"], damping: float) -> "dia_array":
        """Make I - ωAD⁻¹, what a damped Jacobi step leaves of a residual, with D the diagonal."""
        return self._matrix(np.full_like(D, 1 - damping), damping / D)

    def _matrix(
        self, diagonal: Float[np.ndarray, "B H W"], scale: Float[np.ndarray, "B H W"]
    ) -> "dia_array":
        """Make a matrix of this diagonal, and of c times the scale of a column's cell.

        A ``dia_array`` holds the entry of row j - d and column j at (d, j).
        """
        from scipy.sparse import dia_array  # it loads slowly

        _, H, W = diagonal.shape
        # c to a neighbour; its offset inside and across a periodic edge; cells inside, at the edge
        neighbours: tuple[tuple[np.ndarray, int, int, Any, Any], ...] = (
            (self.x[..., :-1], 1, 1 - W, np.s_[..., 1:], np.s_[..., :1]),
            (self.x[..., 1:], -1, W - 1, np.s_[..., :-1], np.s_[..., -1:]),
            (self.y[:, :-1], W, W - H * W, np.s_[:, 1:], np.s_[:, :1]),
            (self.y[:, 1:], -W, H * W - W, np.s_[:, :-1], np.s_[:, -1:]),
        )
        offsets = [0, *(inside for _, inside, *_ in neighbours)]
        if self.walls == "periodic":
            offsets += [across for _, _, across, *_ in neighbours]
        data = np.zeros((len(offsets), *diagonal.shape), diagonal.dtype)
        data[0] = diagonal
        for number, (c, _, _, inside, edge) in enumerate(neighbours, start=1):
            np.multiply(c[inside], scale[inside], out=data[number][inside])
            if self.walls == "periodic":
                np.multiply(c[edge], scale[edge], out=data[number + 4][edge])
        return dia_array((data.reshape(len(offsets), -1), offsets), shape=2 * (diagonal.size,))


def _conductances(a: Float[np.ndarray, "B H W"], walls: Walls) -> Float[np.ndarray, "B H W1"]:
    """Compute c of the faces crossed along the last axis; u = 0 is half a cell away."""
    if walls == "periodic":
        a = np.concatenate([a[..., -1:], a, a[..., :1]], axis=-1)
    between = 2 / (1 / a[..., :-1] + 1 / a[..., 1:])
    if walls == "periodic":
        return between
    of_wall = 2.0 if walls == "dirichlet" else 0.0
    return np.concatenate([of_wall * a[..., :1], between, of_wall * a[..., -1:]], axis=-1)
