"""The random part of a sample: its source and its coefficients."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int64

from data_gen.configuration import DatasetConfig
from data_gen.mode_transform import ModeTransform
from data_gen.random_numbers import sample_uniforms
from data_gen.sources import SeparableSources, SourceBlock
from lightning_sciml.errors import InputError
from lightning_sciml.pde.walls import has_free_mean, is_mirror_symmetric
from lightning_sciml.shards.schema import AMPLITUDES, ATTEMPT, COEFFICIENTS, NORMS, SAMPLE_INDEX

Reduction = Callable[[Float[np.ndarray, " B"]], Float[np.ndarray, " B"]]


class Draw(NamedTuple):
    """B samples: amplitudes of the Gaussians, the source they make, the coefficients."""

    amplitudes: Float[np.ndarray, "B n n"]
    source: SourceBlock
    coefficients: Float[np.ndarray, "B c"]

    def described(
        self, norms: Float[np.ndarray, "B 5"], indices: Int64[np.ndarray, " B"], attempt: int
    ) -> dict[str, np.ndarray]:
        """Collect what is stored of the samples beside their fields, by the names of the schema."""
        return {
            COEFFICIENTS: self.coefficients,
            NORMS: norms,
            AMPLITUDES: self.amplitudes.reshape(len(indices), -1).astype(np.float32),
            ATTEMPT: np.full(len(indices), attempt),
            SAMPLE_INDEX: indices,
        }


class Draws:
    """Source and coefficients of any sample, from its split, index and attempt.

    Args:
        config: the data set.
        transform: grid and kept modes.
        rows: the rows of the grid on which sources are evaluated.
        over_all_rows: makes the largest value on these rows the largest on all.

    Raises:
        InputError: the modes do not fit the grid or the sources, or there is no solution.
    """

    def __init__(
        self,
        config: DatasetConfig,
        transform: ModeTransform,
        rows: slice = slice(None),
        over_all_rows: Reduction = lambda largest: largest,
    ) -> None:
        config.coefficients.check(transform)
        self.config = config
        self.transform = transform
        self.sources = SeparableSources(
            config.source,
            transform,
            zero_mean=has_free_mean(config.coefficients.equation, transform.boundary),
            rows=rows,
            over_all_rows=over_all_rows,
        )

    def draw(
        self,
        split: str,
        indices: Int64[np.ndarray, " B"],
        attempt: int,
        source_field: Float[np.ndarray, "B n N"],
    ) -> Draw:
        """Draw the samples of these indices; values of the source go to ``source_field``.

        Raises:
            InputError: no coefficients for these sources, or of another shape than those of L.
        """
        coefficients, count = self.config.coefficients, self.config.coefficients.num_uniforms

        def uniforms(attempt: int) -> Float[np.ndarray, "B r"]:
            total = count + self.config.source.num_uniforms
            return sample_uniforms(self.config.seed, split, indices, attempt=attempt, count=total)

        drawn = uniforms(attempt)
        keeps_coefficients = attempt > 0 and coefficients.resample == "source"
        amplitudes = self.config.source.amplitudes(drawn[:, count:])
        source = self.sources.evaluate(amplitudes, out=source_field)
        try:
            found = coefficients.draw(uniforms(0) if keeps_coefficients else drawn, source)
        except InputError as error:
            raise InputError(f"{split} sample {indices[0]} or one after it: {error}") from error
        wanted = (len(indices), len(coefficients.equation.coefficient_names))
        if found.shape != wanted:
            raise InputError(
                f"{type(coefficients).__qualname__}.draw must return the shape {wanted}, samples "
                f"by coefficients, got {found.shape}"
            )
        if not is_mirror_symmetric(coefficients.equation, found, self.transform.boundary):
            raise InputError(
                f"{type(coefficients).__qualname__} draws mixed or odd derivatives, which mix the "
                "sines and cosines of fields between walls; set boundary to periodic"
            )
        return Draw(amplitudes, source, found)
