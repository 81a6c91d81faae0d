"""Two sets that are drawn in two ways do not have one name unnoticed."""

import pytest

from data_gen.solve import parse


@pytest.mark.parametrize(
    ("options", "differing"),
    [
        (["data/poisson_1_5", "--coefficients.eigenvalue=[3,9]"], "coefficients.eigenvalue"),
        (["data/poisson_1_5", "--source.periodic=true"], "source.periodic"),
        (["data/burgers_0p03_0p06", "--coefficients.nu=[0.02,0.05]"], "coefficients.nu"),
        (["data/poisson_1_5", "--coefficients.eigenvalue=[1,5]", "--seed=3"], None),
        (["data/poisson_1_5", "--coefficients.eigenvalue=[3,9]", "--name=mine"], None),
        (["data/darcy_fno", "--num_points=32", "--diffusivity.field.num_modes=32"], None),
    ],
)
def test_a_shipped_name_for_other_draws_is_noticed(options, differing):
    config, *others = options
    found, _ = parse([f"--config={config}", *others, "--output=x"])
    assert (found.note is None) == (differing is None)
    if differing:
        assert f"from which {differing} differs; give this one a --name" in found.note
