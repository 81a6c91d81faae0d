"""Compare by name what a network takes with what the data has."""

import pytest

from lightning_sciml.errors import InputError
from lightning_sciml.operators.network_contract import all_matched, matched, matched_outputs


def test_channels_of_the_data_are_found_among_those_of_the_network():
    assert matched(["b", "c"], ["a", "b", "c"], "input_fields") == [1, 2]


@pytest.mark.parametrize(
    ("data", "network", "to_set"),
    [(["a"], ["source"], "[a]"), (["source", "a"], ["source"], "[source, a]")],
)
def test_a_channel_that_the_network_lacks_comes_with_what_to_set(data, network, to_set):
    with pytest.raises(InputError) as error:
        matched(data, network, "input_fields")
    assert str(error.value).endswith(f"set model.network.input_fields to {to_set}")


def test_what_to_set_keeps_the_channels_that_the_operator_makes():
    with pytest.raises(InputError, match=r"input_fields to \[a, x, mask_a\]$"):
        matched(["a"], ["source"], "input_fields", made=["x", "mask_a"])


def test_the_one_output_solution_stands_for_any_single_field():
    assert matched_outputs(["u"], ["solution"]) == [0]
    assert matched_outputs(["v", "u"], ["u", "v"]) == [1, 0]
    for data, network in ((["u", "v"], ["solution"]), (["u"], ["v"]), (["u"], ["solution", "v"])):
        with pytest.raises(InputError, match=r"set model\.network\.output_fields to \["):
            matched_outputs(data, network)


def test_channels_of_all_kinds_that_do_not_fit_are_named_at_once():
    with pytest.raises(InputError) as error:
        all_matched(
            lambda: matched(["k"], ["nu"], "coefficient_names"),
            lambda: matched(["a"], ["a"], "input_fields"),
            lambda: matched_outputs(["p"], ["u"]),
        )
    for remedy in ("coefficient_names to [k]; ", "set model.network.output_fields to [p]"):
        assert remedy in str(error.value)
    assert "input_fields" not in str(error.value)


def test_channels_that_fit_are_found():
    found = all_matched(
        lambda: matched(["b", "a"], ["a", "b"], "input_fields"),
        lambda: matched_outputs(["p"], ["p"]),
    )
    assert found == [[1, 0], [0]]
