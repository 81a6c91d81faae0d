"""Darcy flow: a steady equation whose coefficient is a field."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float, Int, Num

from lightning_sciml.pde.symmetries import field_map
from lightning_sciml.pde.units import SOLUTION, Units, geometric_mean, root_mean_square


@dataclass(frozen=True)
class Darcy:
    """-∇·(a∇u) = f with a field a > 0, periodic or between walls; where no f is given it is fixed.

    It has no symbol. Coefficients tell how a and f were drawn and are no part of the equation.

    Attributes:
        coefficient_names: what the last axis of ``coefficients`` holds, in order.
    """

    coefficient_names: tuple[str, ...] = ()

    name: ClassVar[str] = "darcy"
    is_linear: ClassVar[bool] = False
    """u is linear in f, and not in all inputs."""
    reverses_sign: ClassVar[bool] = True
    """-u solves it with -f and the same a."""
    even_fields: ClassVar[tuple[str, ...]] = ("diffusivity",)
    odd_coefficients: ClassVar[tuple[str, ...]] = ()
    velocity: ClassVar[tuple[str, str] | None] = None

    def coefficient_map(self, g: Num[np.ndarray, "2 2"]) -> Num[np.ndarray, "c c"]:
        """1: statistics of isotropic media do not know directions."""
        return np.eye(len(self.coefficient_names))

    def field_map(
        self, g: Int[np.ndarray, "2 2"], names: Sequence[str]
    ) -> Float[np.ndarray, "C C"]:
        """1: a, f and u are scalars."""
        return field_map(g, names)

    def is_symmetry(self, g: Int[np.ndarray, "2 2"]) -> bool:
        """Tell whether g, an element of ``SQUARE``, maps solutions to solutions: all do."""
        return True

    def has_units(self, input_fields: Collection[str], output_fields: Collection[str]) -> bool:
        """Tell whether ``units`` are known: of a problem with a, and with f or without."""
        is_known = set(input_fields) in ({"diffusivity"}, {"diffusivity", "source"})
        return is_known and len(output_fields) == 1

    def units(
        self,
        fields: Mapping[str, Float[Any, "B H W"]],
        coefficients: Float[Any, "B c"],
        lead_time: Float[Any, " B"] | None = None,
        *,
        xp: Any = np,
    ) -> Units:
        """⟨a⟩ for a, ‖f‖ for f, or 1 where f is not given, and ‖f‖/⟨a⟩ for u.

        ⟨a⟩ is the geometric mean, which is the conductivity of isotropic log-normal media in two
        dimensions and of mixtures of two phases in equal parts (Keller 1964, Dykhne 1971): so u
        varies least in its unit. Any mean is exact: u(αa, βf) = (β/α) u(a, f).
        """
        a = geometric_mean(fields["diffusivity"], xp)
        if "source" not in fields:
            return Units({"diffusivity": a, SOLUTION: 1 / a}, xp.ones_like(a))
        f = root_mean_square(fields["source"], xp=xp)
        return Units({"diffusivity": a, "source": f, SOLUTION: f / a}, xp.ones_like(a))
