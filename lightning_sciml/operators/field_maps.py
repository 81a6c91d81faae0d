"""How fields change with coordinates: the components of a vector turn, scalars stay."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from lightning_sciml.operators.network_contract import ChannelNames, matched_outputs
from lightning_sciml.operators.problem import Problem
from lightning_sciml.streaming.windows import field_of

Fields = Float[Tensor, "B *K C H W"]
Numbers = Int[Tensor, " B"]


class FieldMaps(nn.Module):
    """M(g) of the fields of each problem, for elements g by number.

    Args:
        maps: (P, G, C, C) of each problem and element.
        inverses: of the inverse elements.
    """

    maps: Float[Tensor, "P G C C"]
    inverses: Float[Tensor, "P G C C"]

    def __init__(
        self,
        maps: Float[np.ndarray, "P G C C"],
        inverses: Float[np.ndarray, "P G C C"],
    ) -> None:
        super().__init__()
        self.register_buffer("maps", torch.from_numpy(maps).float(), persistent=False)
        self.register_buffer("inverses", torch.from_numpy(inverses).float(), persistent=False)
        # The channels that each one is made of under some element; none of a scalar.
        C = maps.shape[-1]
        used = (maps != 0).any(axis=(0, 1)) | (inverses != 0).any(axis=(0, 1))
        is_scalar = [bool((maps[:, :, i] == np.eye(C)[i]).all()) for i in range(C)]
        self._sources = [() if is_scalar[i] else tuple(np.flatnonzero(used[i])) for i in range(C)]

    @classmethod
    def of_inputs(
        cls, problems: Sequence[Problem], names: ChannelNames, matrices: Int[np.ndarray, "G 2 2"]
    ) -> "FieldMaps":
        """Make the maps of input channels; each state of a history changes by itself."""
        maps, inverses = _unmoved(problems, matrices, len(names.fields))
        for p, problem in enumerate(problems):
            lags = {name.removeprefix(field_of(name)) for name in problem.input_fields}
            for lag in lags:
                own = [n for n in problem.input_fields if n.removeprefix(field_of(n)) == lag]
                places = [names.fields.index(name) for name in own]
                _fill(maps[p], inverses[p], problem, matrices, [*map(field_of, own)], places)
        return cls(maps, inverses)

    @classmethod
    def of_outputs(
        cls, problems: Sequence[Problem], names: ChannelNames, matrices: Int[np.ndarray, "G 2 2"]
    ) -> "FieldMaps":
        """Make the maps of output fields."""
        maps, inverses = _unmoved(problems, matrices, len(names.outputs))
        for p, problem in enumerate(problems):
            places = matched_outputs(problem.output_fields, names.outputs)
            _fill(maps[p], inverses[p], problem, matrices, problem.output_fields, places)
        return cls(maps, inverses)

    def forward(
        self, fields: Fields, problem: Numbers, elements: Numbers, *, back: bool = False
    ) -> Fields:
        """M(g) u at every point, or M(g)⁻¹ u; of scalars u itself.

        Products are taken one by one: a matrix product might round to fewer digits.
        """
        if not any(self._sources):
            return fields
        maps = (self.inverses if back else self.maps)[problem, elements].to(fields.dtype)
        maps = maps.view(*maps.shape, *[1] * (fields.ndim - 2))
        channels = fields.unbind(dim=-3)
        mapped = []
        for i, sources in enumerate(self._sources):
            terms = [maps[:, i, j] * channels[j] for j in sources]
            mapped.append(sum(terms[1:], terms[0]) if terms else channels[i])
        return torch.stack(mapped, dim=-3)


def _unmoved(
    problems: Sequence[Problem], matrices: Int[np.ndarray, "G 2 2"], num_channels: int
) -> tuple[Float[np.ndarray, "P G C C"], Float[np.ndarray, "P G C C"]]:
    shape = (len(problems), len(matrices), num_channels, num_channels)
    maps, inverses = (np.broadcast_to(np.eye(num_channels), shape).copy() for _ in range(2))
    return maps, inverses


def _fill(
    maps: Float[np.ndarray, "G C C"],
    inverses: Float[np.ndarray, "G C C"],
    problem: Problem,
    matrices: Int[np.ndarray, "G 2 2"],
    names: Sequence[str],
    places: Sequence[int],
) -> None:
    """Set the maps of one problem at the places of these fields."""
    at, equation = np.ix_(places, places), problem.known_equation()
    for of_element, of_inverse, g in zip(maps, inverses, matrices, strict=True):
        if problem.has_symmetry(g):
            of_element[at] = equation.field_map(g, names)
            of_inverse[at] = equation.field_map(np.rint(np.linalg.inv(g)).astype(int), names)
