"""Coefficients of a user's own class are checked before the first sample."""

from dataclasses import dataclass

import numpy as np
import pytest
from biharmonic import Biharmonic

from data_gen.coefficients import Coefficients, PoissonCoefficients
from data_gen.configuration import DatasetConfig
from data_gen.decomposition import ShardTask
from data_gen.generation import SampleGenerator
from lightning_sciml.errors import InputError


@dataclass(frozen=True, kw_only=True)
class BiharmonicCoefficients(Coefficients):
    """c = 1."""

    num_uniforms = 1

    @property
    def equation(self):
        return Biharmonic()

    def draw(self, uniforms, source):
        return np.ones((len(uniforms), 1))


class MyPoisson(PoissonCoefficients):
    """A subclass that is a dataclass by its parent."""


def test_an_equation_that_no_reader_knows_is_rejected_before_the_first_sample():
    with pytest.raises(InputError, match="add the class to EQUATIONS in"):
        DatasetConfig(name="test", coefficients=BiharmonicCoefficients())
    assert DatasetConfig(name="test", coefficients=MyPoisson(eigenvalue=(1.0, 5.0)))


class TwoCoefficients(PoissonCoefficients):
    """Poisson's without k12."""

    def draw(self, uniforms, source):
        return super().draw(uniforms, source)[:, :2]


def test_coefficients_of_another_shape_than_the_equation_has_are_rejected():
    coefficients = TwoCoefficients(eigenvalue=(1.0, 5.0))
    config = DatasetConfig(name="test", coefficients=coefficients, num_points=32)
    with pytest.raises(InputError, match=r"TwoCoefficients.draw must return the shape \(4, 3\)"):
        SampleGenerator(config).shard(ShardTask(0, "train", 0, 4))
