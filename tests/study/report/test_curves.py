"""Bands are paired, crossings are where they must be, laws are found and rejected."""

import numpy as np
import pytest
from finished_runs import scratch_row

from lightning_sciml.errors import InputError
from lightning_sciml.study.execution.results import Arm
from lightning_sciml.study.report.curves import (
    Curve,
    curves,
    resampling_weights,
    samples_needed,
    samples_ratio,
)
from lightning_sciml.study.report.scaling_law import fit_law

SIZES = (16, 32, 64, 128, 256)


def curve(errors, num_samples=SIZES, init="fine_tune") -> Curve:
    errors = np.atleast_2d(errors)
    return Curve(
        arm=Arm(init, "" if init == "scratch" else "p", "1M", "paper"),
        dataset="d",
        num_samples=tuple(num_samples),
        replicates=tuple((i, i) for i in range(len(errors))),
        errors=errors,
        num_parameters=1,
    )


def noisy(factor=1.0, num_replicates=4) -> np.ndarray:
    luck = np.random.default_rng(0).lognormal(0, 0.3, (num_replicates, 1))
    return factor * luck * np.array(SIZES, float) ** -0.5


def test_a_replicate_counts_once_it_has_all_sizes():
    rows = [
        scratch_row(seed=s, num_samples=n, relative_l2=0.1 * n) for s in (0, 1) for n in (16, 32)
    ]
    rows += [scratch_row(seed=2, num_samples=16, relative_l2=9.0)]
    rows += [scratch_row(seed=0, num_samples=16, relative_l2=7.0, is_selected=False)]
    (found,) = curves(rows)
    assert found.replicates == ((0, 0), (1, 0))
    np.testing.assert_allclose(found.errors, [[1.6, 3.2], [1.6, 3.2]])


def test_replicates_that_have_no_size_in_common_yet_are_not_averaged():
    sizes = {0: (16,), 1: (32, 64), 2: (32, 64)}
    rows = [
        scratch_row(seed=s, num_samples=n, relative_l2=0.1) for s, own in sizes.items() for n in own
    ]
    (found,) = curves(rows)
    assert found.num_samples == (32, 64)
    assert found.replicates == ((1, 0), (2, 0))


def test_weights_of_a_resample_add_up_to_one_and_cross_seeds_with_draws():
    for replicates in ([(0, 0), (1, 1), (2, 2)], [(s, d) for s in range(3) for d in range(2)]):
        weights = resampling_weights(replicates)
        np.testing.assert_allclose(weights.sum(axis=1), 1)
        np.testing.assert_array_equal(weights, resampling_weights(replicates))
    table = weights.reshape(-1, 3, 2)  # crossed: a product of weights of seeds and of draws
    np.testing.assert_allclose(table, table.sum(2)[:, :, None] * table.sum(1)[:, None, :])


def test_a_target_between_two_sizes_is_interpolated_in_logarithms():
    exact = curve([np.array(SIZES, float) ** -0.5] * 2)
    needed = samples_needed(exact, 50**-0.5)
    assert needed.value == pytest.approx(50)
    assert needed.interval == pytest.approx((50, 50))
    assert str(samples_needed(exact, 1.0)) == "≤ 16"
    assert str(samples_needed(exact, 1e-3)) == "> 256"


def test_one_replicate_has_no_interval():
    scratch, tuned = curve(noisy(num_replicates=1)), curve(noisy(0.5, num_replicates=1))
    target = float(scratch.errors[0, 3])
    assert str(samples_needed(scratch, target)) == "128"
    assert str(samples_ratio(scratch, tuned, target)) == "4"


def test_the_ratio_is_paired_over_replicates():
    """Luck that both arms share drops out: a factor √4 in error is 4 in samples, always."""
    scratch, tuned = curve(noisy(), init="scratch"), curve(noisy(0.5))
    target = float(scratch.mean[3]) * 1.05
    ratio = samples_ratio(scratch, tuned, target)
    assert ratio.value == pytest.approx(4, rel=1e-6)
    narrow = ratio.interval[1] / ratio.interval[0]
    alone = samples_needed(scratch, target).interval
    assert narrow < alone[1] / alone[0]
    assert samples_ratio(scratch, tuned, 1e-9) is None


def test_a_law_is_found_with_its_floor():
    n = np.array(SIZES, float)
    law = fit_law(curve(3 * n**-0.8 + 0.05))
    assert law.exponent == pytest.approx(0.8, rel=1e-3)
    assert law.irreducible_error == pytest.approx(0.05, rel=1e-3)
    assert law.prefactor == pytest.approx(3, rel=1e-3)
    assert law.r_squared == pytest.approx(1)
    drawn = law(np.array([8, 16, 512, 600]))
    np.testing.assert_array_equal(np.isnan(drawn), [True, False, False, True])


def test_intervals_of_a_law_hold_the_truth():
    rng = np.random.default_rng(1)
    n = np.array(SIZES, float)
    law = fit_law(curve(2 * n**-0.5 * rng.lognormal(0, 0.05, (8, len(n)))))
    assert law.exponent_interval[0] < 0.5 < law.exponent_interval[1] + 0.05
    assert law.exponent_interval[0] < law.exponent_interval[1]


def test_a_law_over_four_sizes_is_rejected():
    with pytest.raises(InputError, match="at least 5 sizes, got 4"):
        fit_law(curve([1.0, 0.5, 0.3, 0.2], SIZES[:4]))
