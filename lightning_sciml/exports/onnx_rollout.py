"""Put a step of an evolution into a loop: a graph that takes the number of steps."""

from typing import Any

from lightning_sciml.exports.named_operator import NamedOperator

NUM_STEPS = "num_steps"
ROLLOUT = "rollout/"
"""Before the name of a state: its values at all steps, (B, K, H, W)."""


def roll_out(model: Any, named: NamedOperator) -> None:
    """Turn the graph of a step into that of `num_steps` steps, each from the ones before.

    The step is the body of ONNX's Loop. States of the history are carried from step to step;
    fields that are none, coefficients and weights are those of the graph around it.
    """
    from onnx import TensorProto, helper

    graph = model.graph
    states = [name for name in named.fields if named.following(name) != name]
    inputs = {value.name: value for value in graph.input}
    inner = {name: f"step/{name}" for name in states}
    for node in graph.node:
        for place, name in enumerate(node.input):
            node.input[place] = inner.get(name, name)
    makes, scalar = helper.make_node, helper.make_tensor_value_info
    body_inputs = [
        scalar("step/number", TensorProto.INT64, []),
        scalar("step/goes_on", TensorProto.BOOL, []),
        *(_renamed(inputs[name], inner[name]) for name in states),
    ]
    nodes = [*graph.node, makes("Identity", ["step/goes_on"], ["step/still_goes_on"])]
    body_outputs = [scalar("step/still_goes_on", TensorProto.BOOL, [])]
    for name in states:
        source = named.following(name)
        nodes.append(makes("Identity", [inner.get(source, source)], [f"step/next/{name}"]))
        body_outputs.append(_renamed(inputs[name], f"step/next/{name}"))
    body = helper.make_graph(nodes, "step", body_inputs, [*body_outputs, *graph.output])
    rolled = {name: f"{ROLLOUT}{name}" for name in named.problem.output_fields}
    last = [f"last/{name}" for name in states]
    by_step = [f"by_step/{name}" for name in rolled]
    loop = makes("Loop", [NUM_STEPS, "", *states], [*last, *by_step], body=body, name="rollout")
    outputs = [_with_steps(one, rolled[n]) for one, n in zip(graph.output, rolled, strict=True)]
    del graph.node[:], graph.output[:]
    graph.node.append(loop)
    for stacked, name in zip(by_step, rolled.values(), strict=True):
        graph.node.append(makes("Transpose", [stacked], [name], perm=[1, 0, 2, 3]))
    graph.input.append(scalar(NUM_STEPS, TensorProto.INT64, []))
    graph.output.extend(outputs)


def _renamed(value: Any, name: str) -> Any:
    renamed = type(value)()
    renamed.CopyFrom(value)
    renamed.name = name
    return renamed


def _with_steps(value: Any, name: str) -> Any:
    """Return the description of an output with an axis of steps after that of samples."""
    from onnx import helper

    batch, *grid = [axis.dim_param for axis in value.type.tensor_type.shape.dim]
    kind = value.type.tensor_type.elem_type
    return helper.make_tensor_value_info(name, kind, [batch, NUM_STEPS, *grid])
