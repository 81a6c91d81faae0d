"""A steady map: named input fields and coefficients ↦ an output field, read sample by sample."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32

from lightning_sciml.errors import InputError
from lightning_sciml.foreign.foreign_file import naming_damage
from lightning_sciml.names import name_fault
from lightning_sciml.pde.steady import named_equation
from lightning_sciml.shards.schema import SOLUTION, SOURCE

Read = Callable[[slice], np.ndarray]  # of samples: fields (n, N, N), coefficients (n)
Samples = tuple[Float32[np.ndarray, "n F N N"], Float[np.ndarray, "n c"]]

_OTHER_MEANING = {SOLUTION, "x", "y"}  # a network takes its coordinates by these names


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Options by which a user describes files whose layout does not describe itself.

    Inputs, outputs and coefficients are NAME, or NAME=STORED where the file has another name.

    Attributes:
        fields: names of the fields of the reference's layout, in their order.
        inputs: the input fields; by default what the layout says.
        outputs: the output field, likewise.
        coefficients: numbers of a sample; by default all that the layout knows.
        axes: order of the axes of arrays without a layout: n samples, y, x.
        equation: "none", or a name in ``EQUATIONS``.
    """

    fields: Sequence[str] | None = None
    inputs: Sequence[str] | None = None
    outputs: Sequence[str] | None = None
    coefficients: Sequence[str] | None = None
    axes: str = "nyx"
    equation: str | None = None


@dataclass(frozen=True, kw_only=True)
class SteadyMap:
    """The samples of one file, or of arrays in memory.

    Attributes:
        origin: the file, or what to call the arrays.
        layout: reference, pdebench, well or arrays.
        num_samples: n.
        num_points: N.
        fields: all fields by name; after ``chosen`` the inputs and, last, the output.
        coefficients: numbers that are constant in space, by name.
        output: name of the output field.
        equation: what the layout says of it; "none" if nothing.
        equation_parameters: constructor arguments of the equation.
        axes: order of the axes of named arrays, as the user told it or by default.
    """

    origin: Path | str
    layout: str
    num_samples: int
    num_points: int
    fields: Mapping[str, Read]
    coefficients: Mapping[str, Read] = field(default_factory=dict)
    output: str = ""
    equation: str = "none"
    equation_parameters: Mapping[str, float] = field(default_factory=dict)
    axes: str = ""

    def __post_init__(self) -> None:
        if self.num_samples < 0 or self.num_points < 1:
            raise InputError(
                f"{self.origin} has {self.num_samples} samples of {self.num_points} points an axis,"
                " wanted 0 or more of at least one; get the file again"
            )

    @property
    def input_fields(self) -> tuple[str, ...]:
        """Name all fields but the output."""
        return tuple(name for name in self.fields if name != self.output)

    def chosen(self, asked: Asked, inputs: Sequence[str] = ()) -> "SteadyMap":
        """Take the fields and coefficients that the user asks for, under the names given to them.

        Args:
            asked: by the user.
            inputs: those of the layout, where the user asks for no fields.

        Raises:
            InputError: a field that is not there, or names that cannot be told apart.
        """
        stored_inputs = self._named(inputs, asked.inputs)
        stored_output = self._named([self.output], asked.outputs)
        self._check_fields(stored_inputs, stored_output)
        (output,) = stored_output
        stored = self._named(self.coefficients, asked.coefficients)
        if not {*stored.values()} <= {*self.coefficients}:
            raise InputError(
                f"{self.origin} has the coefficients {', '.join(self.coefficients) or 'none'}, got "
                f"{', '.join(stored.values())}; name some of these: --coefficients '[NAME=STORED]'"
            )
        self._check_names([*stored_inputs, *stored], output)
        fields = stored_inputs | stored_output
        found = replace(
            self,
            fields={name: self.fields[place] for name, place in fields.items()},
            coefficients={name: self.coefficients[place] for name, place in stored.items()},
            output=output,
        )
        return found._solving(asked.equation)

    def _named(self, of_layout: Iterable[str], asked: Sequence[str] | None) -> dict[str, str]:
        """Return the stored name of each NAME or NAME=STORED that is asked for, else of each."""
        names = list(of_layout if asked is None else asked)
        listed = [name.partition("=") for name in names]
        found = {own: stored or own for own, _, stored in listed}
        if len(found) < len(names):
            raise InputError(f"{self.origin} has each field under one name, got {names}")
        return found

    def _check_fields(self, inputs: Mapping[str, str], outputs: Mapping[str, str]) -> None:
        given = {*inputs.values(), *outputs.values()}
        if len(outputs) > 1:
            raise InputError(
                f"{self.origin} has {len(outputs)} output fields, {', '.join(outputs)}; a data set "
                "has one: import each as a set of its own"
            )
        if not inputs or not given <= {*self.fields} or {*inputs.values()} & {*outputs.values()}:
            raise InputError(
                f"{self.origin} has the fields {list(self.fields)}, got the inputs "
                f"{list(inputs.values())} and the output {', '.join(outputs.values()) or 'none'}; "
                "name one or several inputs, and another field as the output: --inputs '[NAME, …]' "
                "--outputs NAME"
            )

    def _check_names(self, names: Sequence[str], output: str) -> None:
        """Reject names that cannot be told apart, or mean something else in a data set."""
        if _OTHER_MEANING & {*names} or len({*names, output}) <= len(names):
            raise InputError(
                f"{self.origin} has fields and coefficients under the names "
                f"{', '.join([*names, output])}; all must differ, and no input is called x, y "
                "(coordinates of the grid) or solution: rename it (in an import by NAME=STORED)"
            )
        for fault in filter(None, map(name_fault, [*names, output])):
            raise InputError(f"{self.origin}: {fault}; rename it (in an import by NAME=STORED)")

    def _solving(self, equation: str | None) -> "SteadyMap":
        """Take the names of an equation, and its order of the coefficients."""
        parameters = self.equation_parameters if equation in (None, self.equation) else {}
        own = replace(self, equation=equation or self.equation, equation_parameters=parameters)
        known = named_equation(own.equation, own.equation_parameters)
        if known is None:
            return own
        if len(self.fields) != 2:
            raise InputError(
                f"{own.equation} has one input, the source; {self.origin} has "
                f"{list(self.input_fields)}; name one by --inputs, or give --equation none"
            )
        if {*self.coefficients} != {*known.coefficient_names}:
            raise InputError(
                f"{own.equation} has the coefficients {', '.join(known.coefficient_names)}, "
                f"{self.origin} has {', '.join(self.coefficients) or 'none'}; give them these "
                "names (of an import: --coefficients '[NAME=STORED, …]'), or give equation none"
            )
        source, solution = self.fields.values()
        return replace(
            own,
            fields={SOURCE: source, SOLUTION: solution},
            output=SOLUTION,
            coefficients={name: self.coefficients[name] for name in known.coefficient_names},
        )

    def read(self, rows: slice) -> Samples:
        """Read fields and coefficients of some samples.

        Raises:
            InputError: the file is damaged, or has values that are not finite in float32; it is
                named, and so is the sample.
        """
        num_rows, N = rows.stop - rows.start, self.num_points
        fields = np.empty((num_rows, len(self.fields), N, N), np.float32)
        for channel, (name, read) in enumerate(self.fields.items()):
            fields[:, channel] = self._checked(name, read, rows, (num_rows, N, N))
        coefficients = np.empty((num_rows, len(self.coefficients)))
        for column, (name, read) in enumerate(self.coefficients.items()):
            coefficients[:, column] = self._checked(name, read, rows, (num_rows,))
        return fields, coefficients

    def _checked(self, name: str, read: Read, rows: slice, shape: tuple[int, ...]) -> np.ndarray:
        """Read values of some samples, fields as float32, and check them."""
        part = f"{name} of samples {rows.start} … {rows.stop - 1}"
        with naming_damage(self.origin, part):
            values = read(rows)
        if values.shape != shape:
            raise InputError(
                f"{self.origin}: {part} has the shape {values.shape}, wanted {shape}; get the file "
                "again"
            )
        with np.errstate(over="ignore"):  # an infinity is found below
            values = values.astype(np.float32 if len(shape) > 1 else np.float64)
        finite = np.isfinite(values).reshape(len(values), -1).all(axis=1)
        if not finite.all():
            raise InputError(
                f"{self.origin}: sample {rows.start + int(np.flatnonzero(~finite)[0])} has {name} "
                f"with values that are not finite in float32, as have "
                f"{np.count_nonzero(~finite)} of samples {rows.start} … {rows.stop - 1}; leave them"
                " out"
            )
        return values


def square_grid(origin: Path | str, height: int, width: int) -> int:
    """Return N of a grid of N×N points.

    Raises:
        InputError: it is not square.
    """
    if height != width:
        raise InputError(
            f"{origin} has a grid of {width}x{height} points, wanted as many along x as along y; "
            "resample it first; if its axes have another order, import it with --axes"
        )
    return height
