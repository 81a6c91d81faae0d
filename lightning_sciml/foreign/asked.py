"""What a user says of files and arrays whose layout does not say it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lightning_sciml.errors import InputError
from lightning_sciml.pde.residual import MAX_TOLERANCE

STEADY_AXES, EVOLUTION_AXES = "nyx", "ntyx"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Options by which a user describes files whose layout does not describe itself.

    Inputs, outputs, states and coefficients are NAME, or NAME=STORED where the file has another
    name.

    Attributes:
        fields: names of the fields of the reference's layout, in their order.
        inputs: fields that do not change in time; by default what the layout says.
        outputs: what a steady problem is solved for, likewise.
        states: fields that evolve, likewise.
        coefficients: numbers of a sample; by default all that the layout knows.
        axes: order of the axes of arrays without a layout: n samples, t times, y, x.
        times: times of the states, or the name of the array that holds them.
        lengths: of the domain along y and x.
        boundary: at the edges of y and of x.
        equation: "none", or a name in ``EQUATION_NAMES``.
        tolerance: error of the solutions that the check against the equation allows.
    """

    fields: Sequence[str] | None = None
    inputs: Sequence[str] | None = None
    outputs: Sequence[str] | None = None
    states: Sequence[str] | None = None
    coefficients: Sequence[str] | None = None
    axes: str | None = None
    times: Sequence[float] | str | None = None
    lengths: Sequence[float] | None = None
    boundary: Sequence[str] | None = None
    equation: str | None = None
    tolerance: float | None = None

    def __post_init__(self) -> None:
        wanted = EVOLUTION_AXES if self.states else STEADY_AXES
        if self.axes is not None and sorted(self.axes) != sorted(wanted):
            raise InputError(
                f"axes must be the letters {wanted} in the order of the arrays (n samples, t "
                f"times of states), got {self.axes!r}; for states as ntyx, without them as nyx"
            )
        for name, values in (("lengths", self.lengths), ("boundary", self.boundary)):
            if values is not None and len(values) != 2:
                raise InputError(f"{name} must be two, for y and for x, got {list(values)}")
        if self.tolerance is not None and not 0 < self.tolerance <= MAX_TOLERANCE:
            raise InputError(
                f"tolerance must lie in 0 … {MAX_TOLERANCE}, or a wrong solution would pass, got "
                f"{self.tolerance}; lower it, or give equation none"
            )

    @property
    def names_fields(self) -> bool:
        """True where the user names all that a problem needs."""
        return bool(self.states or (self.inputs and self.outputs))


def stored_names(
    origin: Path | str, of_layout: Iterable[str], asked: Sequence[str] | None
) -> dict[str, str]:
    """Return the stored name of each NAME or NAME=STORED that is asked for, else of each.

    Raises:
        InputError: a name stands twice.
    """
    names = list(of_layout if asked is None else asked)
    parts = [name.partition("=") for name in names]
    found = {own: stored or own for own, _, stored in parts}
    if len(found) < len(names):
        raise InputError(f"{origin} has each field under one name, got {names}")
    return found
