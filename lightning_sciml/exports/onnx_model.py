"""Turn a traced operator into an ONNX model of standard operators."""

import logging
import re
import warnings
from typing import Any

import numpy as np
import torch
from torch.export import ExportedProgram

from lightning_sciml.errors import InputError
from lightning_sciml.exports.named_operator import NamedOperator

_OPSET = 20  # the first with GELU
_MAX_BYTES = 2**31 - 2**20  # of one protobuf file


def onnx_model(program: ExportedProgram, named: NamedOperator, smallest: tuple[int, int]) -> Any:
    """Convert one step to an ``onnx.ModelProto`` with names, and without traces of this machine.

    Args:
        program: the traced operator.
        named: what it was traced from.
        smallest: points along y and x that a grid needs; the graph rejects one of fewer.

    Raises:
        InputError: the network has an operation that ONNX lacks, or more weights than a file holds.
    """
    model = _converted(program, named)
    if model.ByteSize() > _MAX_BYTES:
        raise InputError(
            f"an ONNX file holds at most 2 GB, the network has {model.ByteSize() / 2**30:.1f} GB; "
            "export it by --format pt2"
        )
    graph = model.graph
    del graph.value_info[:], model.metadata_props[:]
    for part in (*graph.node, *graph.input, *graph.output, graph):
        del part.metadata_props[:]  # lines of source files by which each node came to be
        part.doc_string = ""
    _name_axes(graph, named)
    _reject_small_grids(graph, named, smallest)
    return model


def _converted(program: ExportedProgram, named: NamedOperator) -> Any:
    log = logging.getLogger("torch.onnx")  # names the packages of vision that it looked for
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's own deprecations
            converted = torch.onnx.export(
                program,
                dynamo=True,
                verbose=False,
                opset_version=_OPSET,
                input_names=[*named.fields, *named.numbers],
                output_names=named.outputs,
            )
        return converted.model_proto  # type: ignore[union-attr]
    except Exception as error:  # whatever an operation without a counterpart leads to
        network = type(named.operator.network).__name__
        raise InputError(
            f"the network {network} cannot be written as ONNX: {_cause(error)}; "
            "export it by --format pt2"
        ) from error
    finally:
        log.setLevel(level)


def _cause(error: Exception) -> str:
    """Return what is at the root of an error, in one line."""
    root: BaseException = error
    while root.__cause__ is not None:
        root = root.__cause__
    text = " ".join(re.sub(r"\x1b\[\d+m", "", str(root)).split())
    return f"{type(root).__name__}: {text[:200]}"


def _name_axes(graph: Any, named: NamedOperator) -> None:
    """Call the axes batch, height and width; of a graph for square grids alone both are points."""
    first = next(value for value in graph.input if value.name == named.fields[0])
    _, height, width = (axis.dim_param for axis in first.type.tensor_type.shape.dim)
    axes = ("batch", *(("points", "points") if height == width else ("height", "width")))
    for value in (*graph.input, *graph.output):
        for axis, name in zip(value.type.tensor_type.shape.dim, axes, strict=False):
            axis.dim_param = name


def _reject_small_grids(graph: Any, named: NamedOperator, smallest: tuple[int, int]) -> None:
    """Make the graph fail where the network cannot resolve its modes: ONNX has no assertion.

    A table of one number is looked up at 0 if the grid is right and else at 1, which every runtime
    rejects; the name of the node says what is wanted. The number, 0, is added to an input.
    """
    from onnx import helper, numpy_helper

    field, target = named.fields[0], (*named.numbers, *named.fields)[0]
    makes = helper.make_node
    height, width = smallest
    nodes = [
        makes("Shape", [field], ["grid/points"], start=1, end=3),
        makes("Less", ["grid/points", "grid/smallest"], ["grid/is_too_small"]),
        makes("Cast", ["grid/is_too_small"], ["grid/index"], to=helper.TensorProto.INT64),
        makes(
            "Gather",
            ["grid/zero", "grid/index"],
            ["grid/zeros"],
            name=f"grid_of_at_least_{height}_by_{width}_points",
        ),
    ]
    zeros = "grid/zeros"
    if _is_square(graph, field):
        nodes += [
            makes("Shape", [field], ["grid/height"], start=1, end=2),
            makes("Shape", [field], ["grid/width"], start=2, end=3),
            makes("Equal", ["grid/height", "grid/width"], ["grid/is_square"]),
            makes("Not", ["grid/is_square"], ["grid/is_oblong"]),
            makes("Cast", ["grid/is_oblong"], ["grid/side"], to=helper.TensorProto.INT64),
            makes(
                "Gather",
                ["grid/zero", "grid/side"],
                ["grid/more_zeros"],
                name="grid_with_as_many_points_along_y_as_along_x",
            ),
            makes("Concat", ["grid/zeros", "grid/more_zeros"], ["grid/all_zeros"], axis=0),
        ]
        zeros = "grid/all_zeros"
    nodes.append(makes("ReduceSum", [zeros], ["grid/sum"], keepdims=0))
    nodes.append(makes("Add", [target, "grid/sum"], ["grid/checked"]))
    for node in graph.node:
        for place, name in enumerate(node.input):
            if name == target:
                node.input[place] = "grid/checked"
    following = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes, *following])
    zero, sizes = np.zeros(1, np.float32), np.array(smallest, np.int64)
    graph.initializer.append(numpy_helper.from_array(zero, "grid/zero"))
    graph.initializer.append(numpy_helper.from_array(sizes, "grid/smallest"))


def _is_square(graph: Any, field: str) -> bool:
    value = next(v for v in graph.input if v.name == field)
    return value.type.tensor_type.shape.dim[1].dim_param == "points"
