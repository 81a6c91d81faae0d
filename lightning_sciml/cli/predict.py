"""`sciml predict`: over a data set, through the trainer; or with --input over one's own arrays."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lightning_sciml.errors import InputError
from lightning_sciml.paths import expanded


def main(arguments: Sequence[str]) -> None:
    """Run `sciml predict`."""
    if any(word == "--input" or word.startswith("--input=") for word in arguments):
        predict_file(parser().parse_args(list(arguments[1:])))
        return
    from lightning_sciml.cli import fit

    fit.main(arguments)


def parser() -> argparse.ArgumentParser:
    """Options of a prediction for arrays."""
    parser = argparse.ArgumentParser(
        prog="sciml predict",
        description="Apply a trained operator to the arrays of a file.",
    )
    parser.add_argument(
        "--ckpt_path", type=Path, required=True, help="checkpoint of sciml fit, or an export"
    )
    parser.add_argument(
        "--input",
        type=Path,
        required=True,
        help=".npz of NumPy with the fields, (N, N) or (B, N, N), [y, x], and the coefficients, a "
        "number or (B,), under their names",
    )
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        help=".npz to write: prediction, pde_residual where the equation is known",
    )
    parser.add_argument("--problem", help="the training problem, where names do not tell")
    parser.add_argument("--batch_size", type=int, default=128, help="samples at a time")
    return parser


def predict_file(options: argparse.Namespace) -> None:
    """Read, predict, write; say what was written.

    Raises:
        InputError: a file cannot be read or written, or the operator cannot use its arrays.
    """
    if options.output.suffix != ".npz":
        raise InputError(f"--output ends in .npz, got {options.output}")
    arrays = read_npz(expanded(options.input))
    from lightning_sciml.checkpoints.operator_files import load_operator

    operator = load_operator(expanded(options.ckpt_path))
    known = (*operator.input_fields, *operator.coefficient_names)
    if unknown := [name for name in arrays if name not in known]:
        raise InputError(
            f"{options.input} holds {', '.join(unknown)}, the operator takes {', '.join(known)}; "
            "leave other arrays out"
        )
    fields = {name: arrays.pop(name) for name in operator.input_fields if name in arrays}
    prediction, report = operator.predict(
        fields, report=True, problem=options.problem, batch_size=options.batch_size, **arrays
    )
    result = {"prediction": prediction}
    if report.pde_residual is not None:
        result["pde_residual"] = report.pde_residual
    write_npz(expanded(options.output), result)
    lines = [f"prediction {prediction.shape} in {options.output}"]
    if report.pde_residual is not None:
        known_ones = report.pde_residual[np.isfinite(report.pde_residual)]
        worst = f"at most {known_ones.max():.2g}" if len(known_ones) else "none"
        without = len(report.pde_residual) - len(known_ones)
        note = f"; not defined for {without} samples, whose source is zero" if without else ""
        lines.append(f"relative residual of the equation: {worst}{note}")
    lines += [
        f"warning: {name} leaves the range of the training, {low:.4g} … {high:.4g}"
        for name, (low, high) in report.outside.items()
    ]
    sys.stdout.write("\n".join(lines) + "\n")


def read_npz(path: Path) -> dict[str, Any]:
    """Arrays by name; no pickle is loaded.

    Raises:
        InputError: no such file, or not a .npz of arrays.
    """
    try:
        if path.exists() and not path.is_file():  # a pipe would block
            raise ValueError("it is not a file")
        with np.load(path, allow_pickle=False) as content:
            return {name: content[name] for name in content}
    except Exception as error:  # NumPy raises what its zip, header and array readers raise
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"{path} must be a .npz of arrays, it cannot be read: {reason}; write it by np.savez"
        ) from error


def write_npz(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write the file whole or not at all."""
    from lightning_sciml.shards.durable import replacing

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}; name another") from error
