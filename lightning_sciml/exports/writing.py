"""Write a trained operator as a graph, and compare the file with the operator."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.export import ExportedProgram

from lightning_sciml.errors import InputError
from lightning_sciml.exports.comparison import ALLOWED, largest_difference, random_inputs
from lightning_sciml.exports.metadata import input_texts, metadata
from lightning_sciml.exports.named_operator import NamedOperator, problem_to_export
from lightning_sciml.exports.onnx_model import onnx_model
from lightning_sciml.exports.onnx_rollout import NUM_STEPS, ROLLOUT, roll_out
from lightning_sciml.exports.tracing import smallest_grid, traced
from lightning_sciml.extras import require
from lightning_sciml.operators.neural_operator import NeuralOperator
from lightning_sciml.shards.durable import replacing

GraphFormat = Literal["onnx", "pt2"]
NUM_COMPARED = 3
"""Steps of a rollout that are compared."""
_Result = Mapping[str, Float[np.ndarray, "B *K H W"]]


@dataclass(frozen=True, kw_only=True)
class ExportReport:
    """What was written, and how far it is from the operator.

    Attributes:
        inputs: names of the graph's inputs, in order.
        outputs: names of its outputs.
        difference: largest difference from the operator on a random input, of the largest value.
        smallest_grid: points along y and x that a grid needs.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    difference: float
    smallest_grid: tuple[int, int]


def export_graph(
    operator: NeuralOperator,
    path: str | Path,
    *,
    format: GraphFormat,
    problem: str | None = None,
    rollout: bool = False,
) -> ExportReport:
    """Write a trained operator as a graph that runs without this library, and compare the two.

    Normalisation and coordinates are inside. The graph takes the fields, float32 (B, H, W), and the
    coefficients, float32 (B,), by their names, for any batch and grid, and returns the fields of
    the solution by name; of an evolution the next state, of the field u under u@+1.

    Args:
        operator: trained, on the CPU.
        path: the file.
        format: "onnx", of standard operators and with the real matrix products of the truncated
            Fourier transform; or "pt2", an archive of torch.export.
        problem: the training problem to predict, where the operator was trained on several.
        rollout: an evolution over any number of steps: the graph takes num_steps as well, and
            returns u at all of them, (B, K, H, W), under rollout/u. Of ONNX alone.

    Raises:
        InputError: packages are missing, the network cannot be exported, or the file not written.
    """
    if format == "onnx":
        require("an export as ONNX", ("onnx", "onnxscript", "onnxruntime"), extra="export")
    trained = problem_to_export(operator, problem)
    if rollout and (format != "onnx" or not trained.state_fields):
        raise InputError(
            f"rollout is for an evolution in ONNX, got {trained.name} in {format}; leave it out, "
            "and call a step again and again"
        )
    named = NamedOperator(operator, trained)
    with operator.evaluating(trained.among(operator.coefficient_names)):
        program = traced(named)
        smallest = smallest_grid(program)
        write = partial(_write_onnx, rollout=rollout) if format == "onnx" else _write_pt2
        return _written(Path(path), partial(write, program, named, smallest), named, smallest)


def _written(
    path: Path,
    write: Callable[[Path], Callable[[Mapping[str, Tensor]], _Result]],
    named: NamedOperator,
    smallest: tuple[int, int],
) -> ExportReport:
    """Write the file under another name, compare, and give it its name."""
    given = random_inputs(named, 2, named.problem.grid.shape)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            found = write(temporary)(given)
            difference = largest_difference(found, _expected(named, given, found))
            if difference > ALLOWED:
                raise InputError(
                    f"the graph differs from the operator by {difference:.2g} of the largest value "
                    f"on a random input, at most {ALLOWED:.0e} is allowed; nothing was written"
                )
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}; name another") from error
    numbers = (NUM_STEPS,) if any(name.startswith(ROLLOUT) for name in found) else ()
    return ExportReport(
        inputs=(*named.fields, *named.numbers, *numbers),
        outputs=tuple(found),
        difference=difference,
        smallest_grid=smallest,
    )


def _expected(
    named: NamedOperator, given: Mapping[str, Tensor], found: _Result
) -> dict[str, Tensor]:
    """Predict with the operator what a graph has found: a step, or several."""
    if not any(name.startswith(ROLLOUT) for name in found):
        return named(given)
    state, steps = dict(given), []
    for _ in range(NUM_COMPARED):
        steps.append(named(state))
        known = {**state, **steps[-1]}
        state = {name: known[named.following(name)] for name in given}
    return {
        f"{ROLLOUT}{name}": torch.stack([step[output] for step in steps], dim=1)
        for name, output in zip(named.problem.output_fields, named.outputs, strict=True)
    }


def _write_onnx(
    program: ExportedProgram,
    named: NamedOperator,
    smallest: tuple[int, int],
    path: Path,
    *,
    rollout: bool,
) -> Callable[[Mapping[str, Tensor]], _Result]:
    import onnxruntime

    model = onnx_model(program, named, smallest)
    if rollout:
        roll_out(model, named)
    for name, text in metadata(named, smallest).items():
        model.metadata_props.add(key=name, value=text)
    for value in model.graph.input:
        value.doc_string = input_texts(named).get(value.name, "steps of the rollout")
    path.write_bytes(model.SerializeToString())
    outputs = [value.name for value in model.graph.output]
    del model
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    number = {NUM_STEPS: np.array(NUM_COMPARED)} if rollout else {}

    def run(given: Mapping[str, Tensor]) -> _Result:
        feeds = {name: tensor.numpy() for name, tensor in given.items()}
        return dict(zip(outputs, session.run(outputs, feeds | number), strict=True))

    return run


def _write_pt2(
    program: ExportedProgram, named: NamedOperator, smallest: tuple[int, int], path: Path
) -> Callable[[Mapping[str, Tensor]], _Result]:
    for module in program.graph_module.modules():
        for node in getattr(getattr(module, "graph", None), "nodes", ()):
            node.meta.pop("stack_trace", None)  # lines of source files of this machine
    with path.open("wb") as file:
        torch.export.save(program, file, extra_files=metadata(named, smallest))
    with path.open("rb") as file:  # torch takes a path whose name ends in .pt2 alone
        loaded: Any = torch.export.load(file).module()
    return lambda given: {name: tensor.numpy() for name, tensor in loaded(dict(given)).items()}
