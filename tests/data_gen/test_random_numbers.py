"""Random numbers are those of their distribution, and of one sample alone."""

import numpy as np

from data_gen.random_numbers import sample_uniforms, standard_normals


def test_normals_have_the_moments_of_the_normal_distribution():
    uniforms = sample_uniforms(3, "train", np.arange(1000), attempt=0, count=1000)
    normals = standard_normals(uniforms).ravel()
    moments = [(normals**power).mean() for power in (1, 2, 3, 4)]
    # standard errors of the four: √(1, 2, 15, 96)/1000
    np.testing.assert_allclose(moments, [0, 1, 0, 3], atol=0.03)
    assert np.abs(np.corrcoef(standard_normals(uniforms)[:, :6].T) - np.eye(6)).max() < 0.15


def test_normals_of_a_sample_do_not_depend_on_its_neighbours():
    uniforms = sample_uniforms(3, "val", np.arange(9), attempt=0, count=34)
    together = standard_normals(uniforms)
    alone = np.concatenate([standard_normals(row[None]) for row in uniforms])
    np.testing.assert_array_equal(together, alone)
    assert np.isfinite(standard_normals(np.zeros((1, 2)))).all()
