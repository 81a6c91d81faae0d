"""Samples in files of others, or in arrays: fields by name that are read sample by sample."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import get_args

import numpy as np
from jaxtyping import Float, Float32

from lightning_sciml.errors import InputError
from lightning_sciml.foreign.asked import Asked, stored_names
from lightning_sciml.foreign.coordinates import increasing_times
from lightning_sciml.foreign.finite_values import check_finite
from lightning_sciml.foreign.foreign_file import naming_damage
from lightning_sciml.names import name_fault
from lightning_sciml.pde.grid import Boundary, Grid
from lightning_sciml.pde.steady import named_equation
from lightning_sciml.shards.schema import FIELDS, INPUTS, SOLUTION, SOURCE, TRAJECTORIES

Read = Callable[[slice], np.ndarray]
"""Read samples: fields (n, H, W), states (n, T, H, W), coefficients (n)."""

_COORDINATES = {"x", "y"}  # a network takes its coordinates by these names
_MASK = "mask_"  # of a field, likewise


@dataclass(frozen=True, kw_only=True)
class ForeignSet:
    """The samples of one file, or of arrays in memory.

    Attributes:
        origin: the file, or what to call the arrays.
        layout: name of the layout, "arrays" for named arrays.
        num_samples: n.
        shape: (H, W).
        lengths: of the domain along y and x.
        boundary: at the edges of y and x; None where the layout does not say it.
        inputs: fields that do not change in time, by name.
        targets: outputs of a steady problem, or the states at all times.
        others: further fields, of which the layout does not say what they are.
        times: of the states; none for a steady problem.
        coefficients: numbers that are constant in space and time, by name.
        equation: what the layout says of it; "none" if nothing.
        equation_parameters: constructor arguments of the equation.
        axes: order of the axes of named arrays.
        assumed: what no file and no user says, for the user to see.
    """

    origin: Path | str
    layout: str
    num_samples: int
    shape: tuple[int, int]
    lengths: tuple[float, float] = (1.0, 1.0)
    boundary: tuple[str, str] | None = None
    inputs: Mapping[str, Read] = field(default_factory=dict)
    targets: Mapping[str, Read] = field(default_factory=dict)
    others: Mapping[str, Read] = field(default_factory=dict)
    times: tuple[float, ...] = ()
    coefficients: Mapping[str, Read] = field(default_factory=dict)
    equation: str = "none"
    equation_parameters: Mapping[str, float] = field(default_factory=dict)
    axes: str = ""
    assumed: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.num_samples < 0 or min(self.shape) < 1:
            raise InputError(
                f"{self.origin} has {self.num_samples} samples of {self.shape} points, wanted 0 or "
                "more of at least one point an axis; get the file again"
            )

    @property
    def grid(self) -> Grid:
        """Return the grid of all fields.

        Raises:
            InputError: nobody says what is at the edges, or it is no boundary.
        """
        known = get_args(Boundary)
        if self.boundary is None or not {*self.boundary} <= {*known}:
            told = ", ".join(self.boundary or ()) or "nothing"
            raise InputError(
                f"{self.origin}: the boundary of y and of x must each be one of "
                f"{', '.join(known)}, the file and the options say {told}; give --boundary"
            )
        return Grid(shape=self.shape, lengths=self.lengths, boundary=self.boundary)  # type: ignore[arg-type]

    @property
    def is_evolution(self) -> bool:
        """True where the targets are states at several times."""
        return bool(self.times)

    def chosen(self, asked: Asked) -> "ForeignSet":
        """Take the fields and coefficients that the user asks for, under the names given to them.

        Raises:
            InputError: a field that is not there, names that cannot be told apart, or times,
                lengths or a boundary that cannot be.
        """
        inputs = stored_names(self.origin, self.inputs, asked.inputs)
        targets = stored_names(self.origin, self.targets, self._asked_targets(asked))
        steady = {**self.inputs, **self.others, **({} if self.times else self.targets)}
        of_targets = self.targets if self.times else steady
        self._check_fields(inputs, targets, steady, of_targets)
        numbers = stored_names(self.origin, self.coefficients, asked.coefficients)
        if not {*numbers.values()} <= {*self.coefficients}:
            raise InputError(
                f"{self.origin} has the coefficients {', '.join(self.coefficients) or 'none'}, got "
                f"{', '.join(numbers.values())}; name some of these: --coefficients '[NAME=STORED]'"
            )
        self._check_names([*inputs, *numbers], [*targets])
        found = replace(
            self,
            inputs={name: steady[stored] for name, stored in inputs.items()},
            targets={name: of_targets[stored] for name, stored in targets.items()},
            others={},
            coefficients={name: self.coefficients[stored] for name, stored in numbers.items()},
        )
        return found._on_grid(asked)._solving(asked.equation)

    def _asked_targets(self, asked: Asked) -> Sequence[str] | None:
        if self.times and asked.outputs:
            raise InputError(
                f"{self.origin} has states at {len(self.times)} times, got outputs "
                f"{', '.join(asked.outputs)}; name them by --states"
            )
        if not self.times and asked.states:
            raise InputError(
                f"{self.origin} has no states at several times, got states "
                f"{', '.join(asked.states)}; name them by --outputs"
            )
        return asked.states if self.times else asked.outputs

    def _on_grid(self, asked: Asked) -> "ForeignSet":
        """Take times, lengths and the boundary that the user gives."""
        found = self
        if asked.lengths is not None:
            found = replace(found, lengths=(asked.lengths[0], asked.lengths[1]))
        if asked.boundary is not None:
            found = replace(found, boundary=(asked.boundary[0], asked.boundary[1]))
        if asked.times is not None and not isinstance(asked.times, str):
            times = increasing_times(self.origin, asked.times)
            if len(times) != len(self.times):
                raise InputError(
                    f"{self.origin} has states at {len(self.times)} times, got {len(times)}; give "
                    "as many to --times"
                )
            found = replace(found, times=times)
        _ = found.grid  # or an error
        given = {name for name in self.assumed if getattr(asked, name) is not None}
        assumed = {name: told for name, told in self.assumed.items() if name not in given}
        return replace(found, assumed=assumed)

    def _check_fields(
        self,
        inputs: Mapping[str, str],
        targets: Mapping[str, str],
        steady: Mapping[str, Read],
        of_targets: Mapping[str, Read],
    ) -> None:
        has_enough = targets and (inputs or self.times)
        are_there = {*inputs.values()} <= {*steady} and {*targets.values()} <= {*of_targets}
        if has_enough and are_there and not {*inputs.values()} & {*targets.values()}:
            return
        names = f"{self.origin} has the fields {list(steady)}"
        got = f"got the inputs {list(inputs.values())}"
        if self.times:
            raise InputError(
                f"{names} that do not change and the states {list(self.targets)}, {got} and the "
                f"states {list(targets.values())}; name some of them: --states '[NAME, …]'"
            )
        raise InputError(
            f"{names}, {got} and the outputs {list(targets.values())}; name one or several inputs, "
            "and other fields as outputs: --inputs '[NAME, …]' --outputs '[NAME, …]'"
        )

    def _check_names(self, names: Sequence[str], targets: Sequence[str]) -> None:
        """Reject names that cannot be told apart, or mean something else in a data set."""
        everything = [*names, *targets]
        has_meaning = any(name.startswith(_MASK) for name in everything)
        has_meaning = has_meaning or bool(_COORDINATES & {*everything} or SOLUTION in names)
        if has_meaning or len({*everything}) < len(everything):
            raise InputError(
                f"{self.origin} has fields and coefficients under the names "
                f"{', '.join(everything)}; all must differ, and none is called x, y (coordinates "
                "of the grid), mask_… (where a field is known), or as an input solution: rename it "
                "(in an import by NAME=STORED)"
            )
        for fault in filter(None, map(name_fault, everything)):
            raise InputError(f"{self.origin}: {fault}; rename it (in an import by NAME=STORED)")

    def _solving(self, equation: str | None) -> "ForeignSet":
        """Take the names of an equation, and its order of the coefficients."""
        parameters = self.equation_parameters if equation in (None, self.equation) else {}
        own = replace(self, equation=equation or self.equation, equation_parameters=parameters)
        known = named_equation(own.equation, own.equation_parameters)
        if known is None:
            return own
        if self.times or len(self.inputs) != 1 or len(self.targets) != 1:
            raise InputError(
                f"{own.equation} has one input, the source, and one output; {self.origin} has "
                f"{list(self.inputs)} and {list(self.targets)}; name one of each, or give "
                "--equation none"
            )
        if {*self.coefficients} != {*known.coefficient_names}:
            raise InputError(
                f"{own.equation} has the coefficients {', '.join(known.coefficient_names)}, "
                f"{self.origin} has {', '.join(self.coefficients) or 'none'}; give them these "
                "names (of an import: --coefficients '[NAME=STORED, …]'), or give equation none"
            )
        grid = own.grid
        if not (grid.is_square and grid.is_periodic and grid.lengths == (1.0, 1.0)):
            raise InputError(
                f"{own.equation} is solved on the periodic unit square, {self.origin} has {grid}; "
                "give --equation none"
            )
        (source,), (solution,) = self.inputs.values(), self.targets.values()
        return replace(
            own,
            inputs={SOURCE: source},
            targets={SOLUTION: solution},
            coefficients={name: self.coefficients[name] for name in known.coefficient_names},
        )

    def read(self, rows: slice) -> tuple[dict[str, np.ndarray], Float[np.ndarray, "n c"]]:
        """Read some samples: the fields as a shard holds them, and the coefficients.

        Raises:
            InputError: the file is damaged, or has values that are not finite in float32; it is
                named, and so is the sample.
        """
        if self.times:
            fields = {TRAJECTORIES: self._stacked(self.targets, rows, (len(self.times),))}
            if self.inputs:
                fields[INPUTS] = self._stacked(self.inputs, rows)
        else:
            fields = {FIELDS: self._stacked({**self.inputs, **self.targets}, rows)}
        coefficients = np.empty((rows.stop - rows.start, len(self.coefficients)))
        for column, (name, read) in enumerate(self.coefficients.items()):
            self._fill(coefficients[:, column], name, read, rows)
        return fields, coefficients

    def _stacked(
        self, reads: Mapping[str, Read], rows: slice, times: tuple[int, ...] = ()
    ) -> Float32[np.ndarray, "n *T F H W"]:
        shape = (rows.stop - rows.start, *times, len(reads), *self.shape)
        fields = np.empty(shape, np.float32)
        for channel, (name, read) in enumerate(reads.items()):
            self._fill(fields[..., channel, :, :], name, read, rows)
        return fields

    def _fill(self, out: np.ndarray, name: str, read: Read, rows: slice) -> None:
        """Read values of some samples and check them."""
        part = f"{name} of samples {rows.start} … {rows.stop - 1}"
        with naming_damage(self.origin, part):
            values = read(rows)
        if values.shape != out.shape:
            raise InputError(
                f"{self.origin}: {part} has the shape {values.shape}, wanted {out.shape}; get the "
                "file again"
            )
        with np.errstate(over="ignore"):  # an infinity is found below
            np.copyto(out, values, casting="unsafe")
        check_finite(self.origin, name, out, rows.start, self.times)
