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


Groups = list[tuple[list[str], list[int]]]
"""Fields that change together, by name, and the places of their channels."""


class FieldMaps(nn.Module):
    """M(g) of the fields of each problem, for elements g by number.

    Args:
        problems: whose equations tell how fields change.
        groups: the fields of each problem.
        num_channels: C.
        matrices: the elements; what is no symmetry of a problem changes none of its fields.
    """

    maps: Float[Tensor, "P G C C"]
    inverses: Float[Tensor, "P G C C"]

    def __init__(
        self,
        problems: Sequence[Problem],
        groups: Sequence[Groups],
        num_channels: int,
        matrices: Int[np.ndarray, "G 2 2"],
    ) -> None:
        super().__init__()
        C = num_channels
        maps, inverses = (np.zeros((len(problems), len(matrices), C, C)) for _ in range(2))
        maps[:], inverses[:] = np.eye(C), np.eye(C)
        for p, (problem, own) in enumerate(zip(problems, groups, strict=True)):
            equation = problem.known_equation()
            for i, g in enumerate(matrices):
                for names, places in own if problem.has_symmetry(g) else ():
                    at, back = np.ix_(places, places), np.rint(np.linalg.inv(g)).astype(int)
                    maps[p, i][at] = equation.field_map(g, names)
                    inverses[p, i][at] = equation.field_map(back, names)
        self.register_buffer("maps", torch.from_numpy(maps).float(), persistent=False)
        self.register_buffer("inverses", torch.from_numpy(inverses).float(), persistent=False)
        # The channels that each one is made of under some element; none of a scalar.
        used = (maps != 0).any(axis=(0, 1)) | (inverses != 0).any(axis=(0, 1))
        is_scalar = [bool((maps[:, :, i] == np.eye(C)[i]).all()) for i in range(C)]
        self._sources = [() if is_scalar[i] else tuple(np.flatnonzero(used[i])) for i in range(C)]

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


def input_groups(problem: Problem, names: ChannelNames) -> Groups:
    """Group the input fields of a problem: each state of a history changes by itself."""
    of_lag: dict[str, list[str]] = {}
    for name in problem.input_fields:
        of_lag.setdefault(name.removeprefix(field_of(name)), []).append(name)
    return [([*map(field_of, own)], [*map(names.fields.index, own)]) for own in of_lag.values()]


def output_groups(problem: Problem, names: ChannelNames) -> Groups:
    """Return the output fields of a problem, which change together."""
    return [([*problem.output_fields], matched_outputs(problem.output_fields, names.outputs))]
