"""`sciml predict`: over a data set, through the trainer; or with --input over one's own arrays."""

import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from lightning_sciml.commands import call
from lightning_sciml.errors import InputError
from lightning_sciml.operators.array_prediction import PredictionReport
from lightning_sciml.paths import expanded
from lightning_sciml.plain_text import for_terminal


def main(arguments: Sequence[str]) -> None:
    """Run `sciml predict`."""
    if any(word.partition("=")[0] == "--input" for word in arguments):
        call(predict_file, arguments[1:], "sciml predict")
        return
    from lightning_sciml.cli import fit

    fit.main(arguments)


def predict_file(
    *,
    ckpt_path: str,
    input: str,
    output: str,
    network: nn.Module | None = None,
    problem: str | None = None,
    num_steps: int | None = None,
    batch_size: int = 128,
) -> None:
    """Apply a trained operator to the arrays of a file.

    Args:
        ckpt_path: Checkpoint of sciml fit, folder of a run, export, or name of a release.
        input: NumPy's .npz with the fields, (H, W) or (B, H, W), [y, x], and the coefficients, a
            number or (B,), under their names; states before the last one are u@-1, u@-2.
        output: The .npz to write: prediction, of several fields prediction/NAME, and pde_residual
            where the equation is known.
        network: For a network of your own class, which no file of weights chooses: the class and
            its options, as in training: --network my_nets.MyNet --network.width 16.
        problem: The training problem, where names do not tell.
        num_steps: Steps of an evolution, an axis after that of samples; the next one by default.
        batch_size: Samples at a time.

    Examples:
        sciml predict --ckpt_path runs/pretrain_poisson --input mine.npz --output u.npz

    Raises:
        InputError: a file cannot be read or written, or the operator cannot use its arrays.
    """
    target = expanded(output)
    if target.suffix != ".npz":
        raise InputError(f"--output ends in .npz, got {target}")
    arrays = read_npz(expanded(input))
    from lightning_sciml.checkpoints.operator_files import load_operator

    operator = load_operator(expanded(ckpt_path), network=network)
    known = (*operator.input_fields, *operator.coefficient_names)
    if unknown := [name for name in arrays if name not in known]:
        raise InputError(
            f"{input} holds {', '.join(unknown)}, the operator takes {', '.join(known)}; "
            "leave other arrays out"
        )
    fields = {name: arrays.pop(name) for name in operator.input_fields if name in arrays}
    prediction, report = operator.predict(
        fields,
        num_steps=num_steps,
        report=True,
        problem=problem,
        batch_size=batch_size,
        **arrays,
    )
    result = {"prediction": prediction}
    if isinstance(prediction, dict):
        result = {f"prediction/{name}": field for name, field in prediction.items()}
    residual = {} if report.pde_residual is None else {"pde_residual": report.pde_residual}
    write_npz(target, {**result, **residual})
    for name, field in result.items():
        sys.stdout.write(for_terminal(f"{name} {field.shape} in {target}") + "\n")
    _say(report)


def _say(report: PredictionReport) -> None:
    """Write what is known without a reference."""
    if (residual := report.pde_residual) is not None:
        known = residual[np.isfinite(residual)]
        worst = f"at most {known.max():.2g}" if len(known) else "none"
        without = len(residual) - len(known)
        note = f"; not defined for {without} samples, whose source is zero" if without else ""
        sys.stdout.write(f"relative residual of the equation: {worst}{note}\n")
    for name, (low, high) in report.outside.items():
        span = f"{low:.4g} … {high:.4g}"
        shown = for_terminal(name)
        sys.stdout.write(f"warning: {shown} leaves the range of the training, {span}\n")


def read_npz(path: Path) -> dict[str, Any]:
    """Arrays by name; no pickle is loaded.

    Raises:
        InputError: no such file, or not a .npz of arrays.
    """
    try:
        if path.exists() and not path.is_file():  # a pipe would block
            raise ValueError("it is not a file")
        if path.exists() and not zipfile.is_zipfile(path):  # NumPy would take it for a pickle
            raise ValueError("it is a file of another kind")
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
