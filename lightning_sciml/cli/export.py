"""`sciml export`: a trained operator as a graph that runs alone, or as weights without code."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from torch import nn

from lightning_sciml.commands import call
from lightning_sciml.errors import InputError
from lightning_sciml.paths import expanded
from lightning_sciml.plain_text import for_terminal
from lightning_sciml.run_folder import RunFolder


def export(
    checkpoint: str,
    *,
    format: Literal["onnx", "pt2", "safetensors"],
    output: str | None = None,
    problem: str | None = None,
    rollout: bool = False,
    network: nn.Module | None = None,
) -> None:
    """Write a trained operator in a form that other programs read.

    Args:
        checkpoint: Checkpoint of sciml fit, folder of a run, export, or name of a release.
        format: onnx for a graph of standard operators, pt2 for an archive of torch.export, both
            with normalisation and coordinates inside, for any batch and grid; safetensors for a
            folder with model.safetensors and config.json, which this library loads.
        output: The file, or the folder of safetensors; by default named like the run.
        problem: The training problem, where the operator was trained on several that differ.
        rollout: A graph of an evolution that takes num_steps; of onnx alone.
        network: For a network of your own class, which no file of weights chooses: the class and
            its options, as in training: --network my_nets.MyNet --network.width 16.

    Examples:
        sciml export runs/pretrain_poisson --format onnx
        sciml export runs/pretrain_evolution --format onnx --rollout --output burgers.onnx

    Raises:
        InputError: no checkpoint, an operator that cannot be exported, or a file not written.
    """
    target = expanded(output) if output else Path(_default_name(expanded(checkpoint), format))
    if format == "safetensors":
        _reject_of_graphs(problem=problem, rollout=rollout, network=network)
        _write_weights(checkpoint, target)
        return
    from lightning_sciml.checkpoints.operator_files import load_operator
    from lightning_sciml.exports.writing import export_graph

    operator = load_operator(expanded(checkpoint), network=network)
    report = export_graph(operator, target, format=format, problem=problem, rollout=rollout)
    height, width = report.smallest_grid
    lines = [
        f"exported to {target}",
        f"inputs: {', '.join(report.inputs)}",
        f"outputs: {', '.join(report.outputs)}",
        f"grids: from {height} × {width} points, [y, x]",
        f"largest difference from the operator on a random input: {report.difference:.1e} of the "
        "largest value",
    ]
    sys.stdout.write("".join(f"{for_terminal(line)}\n" for line in lines))


def _default_name(checkpoint: Path, format: str) -> str:
    """Name a file after the run that a checkpoint is of, or after the checkpoint."""
    run = checkpoint.parent.parent
    is_of_run = checkpoint.suffix == ".ckpt" and RunFolder(run).checkpoints == checkpoint.parent
    name = run.name if is_of_run else checkpoint.name.removesuffix(".ckpt")
    return name if format == "safetensors" else f"{name}.{format}"


def _reject_of_graphs(**options: object) -> None:
    """Reject options that say how a graph is made."""
    if given := [name for name, value in options.items() if value]:
        raise InputError(
            f"--{given[0]} is for graphs, not for safetensors, which are the weights; leave it out"
        )


def _write_weights(checkpoint: str, folder: Path) -> None:
    from safetensors import SafetensorError

    from lightning_sciml.checkpoints import files

    try:
        files.export(files.read_checkpoint(expanded(checkpoint)), folder)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{folder} cannot be written: {error}; choose another") from None
    sys.stdout.write(f"exported to {for_terminal(str(folder))}\n")


def main(arguments: Sequence[str]) -> None:
    """Run `sciml export CHECKPOINT`."""
    call(export, arguments[1:], "sciml export")
