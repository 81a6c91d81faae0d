import numpy as np
import pytest
from matplotlib.image import imread

from lightning_sciml.errors import InputError
from lightning_sciml.shards.figures import plot_dataset, radial_spectra


@pytest.mark.parametrize("name", ["poisson_1_5", "advection_diffusion_0p2_1", "helmholtz_1_10"])
def test_figures_of_every_system_are_written(datasets, tmp_path, name):
    files = plot_dataset(datasets[name], tmp_path / "figures")
    assert [file.name for file in files] == ["samples.png", "coefficients.png", "spectra.png"]
    for file in files:
        assert np.ptp(imread(file)) > 0.5  # something dark on something light


def test_energy_of_a_wave_lies_in_its_ring():
    x = np.arange(32) / 32
    wave = np.cos(2 * np.pi * (3 * x[None, :] - 4 * x[:, None]))  # |k| = 5 · 2π
    spectrum = radial_spectra(wave[None])[0]
    np.testing.assert_allclose(spectrum[5], 1, atol=1e-14)
    np.testing.assert_allclose(spectrum.sum(), 1, atol=1e-14)


def test_unwritable_folder_is_rejected(datasets, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        plot_dataset(datasets["poisson_1_5"], tmp_path / "file" / "figures")
