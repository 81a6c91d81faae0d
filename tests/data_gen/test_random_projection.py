import numpy as np
import pytest

from data_gen.random_projection import RandomProjection
from data_gen.truncated_transform import TruncatedTransform
from lightning_sciml.pde.grid import PeriodicGrid


@pytest.mark.parametrize(("num_points", "num_modes"), [(64, 20), (64, 32), (33, 16), (33, 9)])
def test_it_sees_no_more_than_round_off_in_a_transform_and_the_size_of_an_error_in_it(
    num_points, num_modes
):
    transform = TruncatedTransform(PeriodicGrid(num_points), num_modes)
    projection = RandomProjection(transform)
    rng = np.random.default_rng(1)
    u_hat = rng.standard_normal((200, *transform.shape, 2)).view(complex)[..., 0]
    found = []
    for chunk in transform.chunks(len(u_hat)):
        u = transform.parities(u_hat[chunk])
        energy = (transform.inverse(u_hat[chunk]) ** 2).mean(axis=(1, 2))
        u = transform.parities(u_hat[chunk])
        assert (projection.error_energy(u, u_hat[chunk]) < 1e-28 * energy).all()
        error = 1e-6 * rng.standard_normal(u.values.shape)
        u.values[:] += error
        found.append(projection.error_energy(u, u_hat[chunk]))
    # u(±y) = even ± odd: the error of a point is the sum of two
    assert np.mean(np.concatenate(found)) == pytest.approx(2e-12, rel=0.35)
