"""Arrays of a user that evolve, or have several outputs on a rectangle, become a data set."""

import numpy as np
import pytest
from import_command import import_, rejected
from trajectory_files import INPUT, STATES, TIMES, H, T, W, n

from lightning_sciml import read_dataset, write_dataset
from lightning_sciml.errors import InputError
from lightning_sciml.foreign.asked import Asked


def written(folder, **changes):
    arrays = {"states": {"w": STATES[0]}, "split": {"train": n}}
    write_dataset(folder, **(arrays | changes))
    return read_dataset(folder, "train")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"times": [0, 1, 1, 2]}, "got 1 and then 1 at position 2"),
        ({"times": [0, 1]}, "has states at 4 times, got 2"),
        ({"states": {"w": STATES[0, :, :1]}}, "has states at 1 time, a trajectory has at least"),
        ({"states": {"w": INPUT}}, r"\(5, 12, 8\), wanted the axes samples, times, y, x \(1-D"),
        ({"states": {"w": STATES[0], "v": STATES[0, :, :2]}}, r"one shape \(samples, times, y, x"),
        ({"inputs": {"a": INPUT[:, :4]}}, r"one shape \(samples, times, y, x\), got a"),
        ({"inputs": {"a": STATES[0]}}, r"wanted the axes samples, y, x \(3-D: not supported\)"),
        ({"outputs": {"u": INPUT}}, "has inputs and outputs, or states and"),
        ({"states": {}, "inputs": {"a": INPUT}, "outputs": {"u": INPUT}, "times": [0]}, "or no t"),
        ({"boundary": "slip"}, "must each be one of periodic, dirichlet, .* say slip, slip"),
        ({"boundary": ["wall"]}, "boundary must be two, for y and for x"),
        ({"lengths": (1, -1)}, "lengths of a grid must be positive"),
        ({"states": {"mask_w": STATES[0]}}, r"mask_… \(where a field is known\)"),
        ({"states": {"amplitude_w": STATES[0]}}, r"amplitude_… \(of a state\)"),
        ({"equation": "poisson"}, "poisson has one input, the source, and one output"),
    ],
)
def test_arrays_that_are_no_trajectories_are_rejected(tmp_path, changes, message):
    with pytest.raises(InputError, match=message) as caught:
        written(tmp_path / "set", **changes)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_several_outputs_on_a_rectangle_come_out_by_name(tmp_path):
    outputs = {"p": STATES[0, :, 0], "q": STATES[1, :, 0]}
    found = written(
        tmp_path / "set",
        inputs={"a": INPUT},
        states=None,
        outputs=outputs,
        lengths=(3, 2),
        boundary=["neumann", "periodic"],
    )
    assert found.grid.lengths == (3, 2)
    assert found.grid.boundary == ("neumann", "periodic")
    assert found.target_fields == ("p", "q")
    for name, values in {"a": INPUT, **outputs}.items():
        np.testing.assert_array_equal(found[:][name], values.astype("f4"))


@pytest.mark.parametrize("axes", ["ntyx", "nxyt", "yxtn"])
def test_named_states_have_any_order_of_axes(tmp_path, axes, capsys):
    steady, order = axes.replace("t", ""), ["ntyx".index(letter) for letter in axes]
    arrays = {"w": STATES[0].transpose(order), "s": TIMES[None]}
    arrays["f"] = INPUT.transpose(["nyx".index(letter) for letter in steady])
    np.savez(tmp_path / "f.npz", **arrays)
    words = ["--states=vorticity=w", "--inputs=f", "--times=s", f"--axes={axes}"]
    words += ["--lengths=[1,2]", "--boundary=[dirichlet,periodic]"]
    import_(tmp_path / "set", [tmp_path / "f.npz"], *words)
    found = read_dataset(tmp_path / "set", "train")
    np.testing.assert_array_equal(found[:]["vorticity"], STATES[0].astype("f4"))
    np.testing.assert_array_equal(found[:]["f"], INPUT.astype("f4"))
    assert found.manifest.times == tuple(TIMES)
    assert (found.grid.shape, found.grid.lengths) == ((W, H), (1, 2))
    assert "taken as" not in capsys.readouterr().out


def test_arrays_of_four_axes_are_proposed_as_states(tmp_path, capsys):
    np.savez(tmp_path / "f.npz", w=np.ones((6, 8, 8, 3)))
    error = rejected(capsys, tmp_path / "set", [tmp_path / "f.npz"])
    assert error.endswith("--states u=w --axes nyxt")
    rejected(capsys, tmp_path / "set", [tmp_path / "f.npz"], "--states=w", "--axes=nyx")
    assert len(TIMES) == T
    assert Asked(states=["w"], axes="tnxy").axes == "tnxy"
