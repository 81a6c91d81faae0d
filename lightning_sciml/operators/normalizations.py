"""The normalisations by name."""

from lightning_sciml.operators.dimensionless_normalization import DimensionlessNormalization
from lightning_sciml.operators.median_normalization import MedianNormalization, PaperNormalization
from lightning_sciml.operators.normalization import Normalization
from lightning_sciml.operators.standard_normalization import StandardNormalization

NORMALIZATIONS: dict[str, type[Normalization]] = {
    "paper": PaperNormalization,
    "dimensionless": DimensionlessNormalization,
    "medians": MedianNormalization,
    "standard": StandardNormalization,
}
