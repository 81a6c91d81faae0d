"""YAML that a reader would take in silence, or never finish reading."""

import pytest
import yaml
from programs import ROOT

from lightning_sciml.errors import InputError
from lightning_sciml.yaml_files import reject_ambiguous_yaml

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed: 1\nname: a\nseed: 2\n", "seed is given twice, in lines 1 and 3; keep one"),
        ("data: {size: 1, size: 2}", "size is given twice, in lines 1 and 1; keep one"),
        ("- a: 1\n  a: 2\n", "a is given twice"),
        (BOMB, "line 7: anchors multiply to more than 1,000,000 values"),
        ("a: &a [*a]", "nested more than 100 deep"),
        ("a: " + "{b: " * 150 + "1" + "}" * 150, "nested more than 100 deep"),
        ("seed: " + "9" * 5000, "line 1: a number has 5000 digits"),
    ],
)
def test_ambiguous_yaml_is_rejected(text, message):
    with pytest.raises(InputError) as raised:
        reject_ambiguous_yaml(text)
    assert message in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize("text", ["", "# nothing", "{", "a: 1\nb: {a: 2}\nc: [{a: 3}, {a: 4}]"])
def test_other_texts_are_left_to_the_reader(text):
    reject_ambiguous_yaml(text)


def test_shipped_configs_name_each_key_once():
    for path in sorted((ROOT / "launch/configs").rglob("*.yaml")):
        reject_ambiguous_yaml(path.read_text())
        assert yaml.safe_load(path.read_text())
