import numpy as np
import pytest

from data_gen.decomposition import shares
from data_gen.sources import GaussianSources, SeparableSources
from data_gen.truncated_transform import TruncatedTransform
from lightning_sciml.errors import InputError
from lightning_sciml.pde.grid import PeriodicGrid


def amplitudes(sources, num_samples=6):
    uniforms = np.random.default_rng(0).random((num_samples, sources.num_uniforms))
    return sources.amplitudes(uniforms)


def test_source_is_the_sum_of_its_gaussians():
    sources = GaussianSources()
    p = amplitudes(sources, 1)
    x = PeriodicGrid(64).coordinates
    centres = 0.5 + (np.arange(12) - 5.5) * 2 / 32
    f = np.zeros((64, 64))
    for iy, cy in enumerate(centres):
        for ix, cx in enumerate(centres):
            r_squared = (x[:, None] - cy) ** 2 + (x[None, :] - cx) ** 2
            f += p[0, iy, ix] * np.exp(-r_squared / (2 / 32**2))
    _, field = evaluated(sources, _transform(64, 31), p, zero_mean=False)
    np.testing.assert_allclose(field[0], f / f.max(), atol=1e-14)


@pytest.mark.parametrize("num_points", [51, 64])
def test_rows_have_the_same_bits_in_parts_of_any_number(num_points):
    """On some processors a product of matrices rounds by the number of its rows."""
    sources, transform = GaussianSources(), _transform(num_points, 25)
    p = amplitudes(sources, 2)

    def in_parts(number):
        parts = []
        for rows in shares(num_points, number):
            parts.append(out := np.empty((2, rows.stop - rows.start, num_points)))
            made = SeparableSources(
                sources, transform, zero_mean=True, rows=rows, over_all_rows=np.ones_like
            )
            made.evaluate(p, out=out)
        return np.concatenate(parts, axis=1)

    whole = in_parts(1)
    for number in (2, 3, 5, 26):
        np.testing.assert_array_equal(in_parts(number), whole)


@pytest.mark.parametrize("zero_mean", [True, False])
@pytest.mark.parametrize(("num_points", "num_modes"), [(64, 31), (48, 24), (49, 24)])
def test_coefficients_and_energies_are_those_of_the_field(num_points, num_modes, zero_mean):
    transform = _transform(num_points, num_modes)
    p = amplitudes(GaussianSources())
    source, field = evaluated(GaussianSources(), transform, p, zero_mean=zero_mean)
    np.testing.assert_allclose(source.f_hat, transform.forward(field), atol=1e-15)
    energy = (field**2).mean(axis=(1, 2))
    np.testing.assert_allclose(source.energy, energy, rtol=1e-13)
    kept = transform.inverse(source.f_hat)
    discarded = ((field - kept) ** 2).mean(axis=(1, 2))
    np.testing.assert_allclose(source.discarded, discarded, rtol=1e-3, atol=1e-30)
    if zero_mean:
        np.testing.assert_allclose(field.mean(axis=(1, 2)), 0, atol=1e-16)


def test_periodic_sources_continue_across_the_edge():
    """Truncation discards what the jump at the edge scatters: 6e-7 of f, and 6e-9 when wrapped."""
    discarded = {
        periodic: evaluated(
            GaussianSources(periodic=periodic),
            _transform(128, 31),
            amplitudes(GaussianSources()),
            zero_mean=True,
        )[0].discarded.max()
        for periodic in (False, True)
    }
    assert discarded[True] < 1e-3 * discarded[False]


def test_share_of_gaussians_that_are_present_follows_the_sparsity():
    p = amplitudes(GaussianSources(sparsity=(0.8,)), 500)
    assert abs((p > 0).mean() - 0.2) < 5 * np.sqrt(0.2 * 0.8 / p.size)
    present = p[p > 0]
    assert present.min() >= 1e-3
    assert abs(present.mean() - 0.5005) < 5 * np.sqrt(1 / 12 / present.size)


def test_sparsities_have_equal_shares():
    p = amplitudes(GaussianSources(), 4000)
    present = (p > 0).mean(axis=(1, 2))
    nearest = np.abs(present[:, None] - [0.8, 0.6, 0.4, 0.2]).argmin(axis=1)
    shares = np.bincount(nearest) / 4000
    assert np.abs(shares - 0.25).max() < 5 * np.sqrt(0.25 * 0.75 / 4000)


def test_source_is_never_empty():
    p = amplitudes(GaussianSources(sparsity=(1.0,)), 50)
    np.testing.assert_array_equal((p > 0).sum(axis=(1, 2)), 1)


def test_grid_that_is_too_coarse_is_rejected():
    with pytest.raises(InputError, match=r"num_points=31 is too few .* take at least 32"):
        GaussianSources().check_resolution(31)


def test_modes_that_cut_a_gaussian_are_rejected():
    with pytest.raises(InputError, match=r"num_modes=20 cuts off .* raise num_modes"):
        SeparableSources(GaussianSources(), _transform(64, 20), zero_mean=True)


@pytest.mark.parametrize(
    "wrong",
    [
        {"num_gaussians": 0},
        {"standard_deviation": -1.0},
        {"spacing": 0.0},
        {"amplitude": (0.0, 1.0)},
        {"amplitude": (1.0, 0.5)},
        {"sparsity": ()},
        {"sparsity": (1.5,)},
    ],
)
def test_invalid_sources_are_rejected(wrong):
    with pytest.raises(InputError, match=f"source.*{next(iter(wrong))}"):
        GaussianSources(**wrong)


def _transform(num_points, num_modes):
    return TruncatedTransform(PeriodicGrid(num_points), num_modes)


def evaluated(sources, transform, p, zero_mean):
    field = np.empty((len(p), transform.grid.num_points, transform.grid.num_points))
    source = SeparableSources(sources, transform, zero_mean=zero_mean).evaluate(p, out=field)
    return source, field
