"""A value of another type, null and an ambiguous file are rejected with what is wanted."""

import json

import pytest
import yaml
from tiny_generation import POISSON, arguments

from data_gen import solve
from lightning_sciml.errors import InputError

CLASSES = "one of AdvectionDiffusionCoefficients, HelmholtzCoefficients, PoissonCoefficients"


WRONG_TYPES = [
    ("num_points", "", "num_points: wanted int, got ''"),
    ("num_modes", "", "num_modes: wanted int or null, got ''"),
    ("decomposition", "", "decomposition: wanted shards or slab, got ''"),
    ("source.amplitude", [1], "source.amplitude: wanted a list of 2 values, got [1]"),
    ("coefficients", "Poisson", f"coefficients: no class is called Poisson, wanted {CLASSES}"),
    ("coefficients", "", f"coefficients: wanted {CLASSES}"),
    ("coefficients", [1], f"coefficients: wanted {CLASSES}"),
    ("coefficients", {"a": 1}, "coefficients: "),
    ("coefficients.class_path", None, f"coefficients: wanted {CLASSES}"),
    ("coefficients.class_path", [1], f"coefficients: wanted {CLASSES}"),
    ("coefficients.init_args", "abc", "coefficients: wanted init_args as `name: value`"),
    ("source", "abc", "source: wanted options as `name: value`, got abc"),
    ("source", [1], "source: wanted options as `name: value`, got [1]"),
    ("source", {"a": 1}, "there is no option source.a"),
]


NULLS = [
    ("num_points", "wanted int"),
    ("seed", "wanted int"),
    ("decomposition", "wanted shards or slab"),
    ("resume", "wanted true or false"),
    ("source", "wanted options as `name: value`"),
    ("source.periodic", "wanted true or false"),
    ("source.sparsity", "wanted a list"),
    ("coefficients.init_args.ratio", "wanted exact or table"),
    ("coefficients.init_args.diffusivity", "wanted float"),
]


def parsed(tmp_path, options):
    """Parse a file that says this of a data set."""
    tree = {
        "name": "set",
        "coefficients": {
            "class_path": "AdvectionDiffusionCoefficients",
            "init_args": {"advection_diffusion_ratio": [0.2, 1.0]},
        },
    }
    for option, value in options.items():
        *groups, name = option.split(".")
        group = tree
        for key in groups:
            group = group.setdefault(key, {})
        group[name] = value
    (tmp_path / "set.yaml").write_text(yaml.safe_dump(tree))
    return solve.parse([f"--config={tmp_path / 'set.yaml'}", f"--output={tmp_path / 'set'}"])


@pytest.mark.parametrize(("option", "value", "message"), WRONG_TYPES)
def test_a_value_of_another_type_is_named_with_what_is_wanted(tmp_path, option, value, message):
    with pytest.raises(InputError) as in_file:
        parsed(tmp_path, {option: value})
    word = value if isinstance(value, str) else json.dumps(value)
    with pytest.raises(InputError) as in_command:
        solve.parse(arguments(tmp_path / "set", POISSON, **{option: word}))
    assert message in str(in_file.value)
    assert message in str(in_command.value)
    assert "did you mean Poisson?" not in str(in_command.value)


@pytest.mark.parametrize(("option", "wanted"), NULLS)
def test_null_in_a_file_is_rejected_where_a_value_is_wanted(tmp_path, option, wanted):
    """`ratio: null` meant table, `decomposition: null` wrote shards that nothing could read."""
    name = option.replace(".init_args", "")
    with pytest.raises(InputError, match=f"{name}: {wanted}, got"):
        parsed(tmp_path, {option: None})
    assert parsed(tmp_path, {"num_modes": None, "shard_size": None})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: a\nname: b\n", "name is given twice, in lines 1 and 2; keep one"),
        ("config: {a: 1}\n", "config: wanted the path of a further file"),
    ],
)
@pytest.mark.parametrize("as_file", [True, False])
def test_a_config_that_can_be_read_in_two_ways_is_rejected(tmp_path, text, message, as_file):
    (tmp_path / "set.yaml").write_text(text)
    config = str(tmp_path / "set.yaml") if as_file else text
    with pytest.raises(InputError, match=message):
        solve.parse(["--config", config, "--output", str(tmp_path / "set")])


def test_help_for_a_class_that_is_not_there_lists_those_that_are():
    with pytest.raises(InputError, match=f"coefficients: no class is called Poisson, .*{CLASSES}"):
        solve.parse(["--coefficients.help", "Poisson"])
