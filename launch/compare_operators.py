"""Load trained operators, predict the test split of a data set, print their errors.

    python launch/compare_operators.py DATASET OPERATOR [OPERATOR …]

An operator is what `load_operator` takes (a name of `sciml models list`, a run, a checkpoint), with
one output field. `make demo` ends with this, an example of the package in Python.
"""

import sys
from time import perf_counter

import torch

from lightning_sciml import load_operator, read_dataset
from lightning_sciml.evaluation.metrics import relative_l2


def main(dataset: str, *operators: str) -> None:
    """Print the mean relative L² error of each operator, and its time for a sample."""
    test = read_dataset(dataset, "test")[:]
    sys.stdout.write(f"{'operator':32s}{'relative L² error':>18s}{'ms a sample':>14s}\n")
    for name in operators:
        operator = load_operator(name)
        fields = {field: torch.as_tensor(test[field]) for field in operator.input_fields}
        coefficients = {c: test[c] for c in operator.coefficient_names if c in test}
        started_at = perf_counter()
        predicted = operator.predict(fields, **coefficients)
        elapsed_s = perf_counter() - started_at
        reference = torch.as_tensor(test[operator.output_fields[0]])
        errors = relative_l2(predicted[:, None], reference[:, None])
        pace = 1e3 * elapsed_s / len(errors)
        sys.stdout.write(f"{name:32s}{errors.mean():18.4f}{pace:14.2f}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
