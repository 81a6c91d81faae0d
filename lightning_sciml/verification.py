"""Is a data set what its manifest says, and does it solve its equation?"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32

from lightning_sciml.errors import InputError
from lightning_sciml.pde.equations import Equation, named_equation
from lightning_sciml.pde.grid import PeriodicGrid
from lightning_sciml.shards.manifest import DatasetPlan, Manifest, ShardRecord
from lightning_sciml.shards.shard_file import open_shard

SAMPLES_A_SHARD = 4  # whose residual is computed
_SINGLE = float(np.finfo(np.float32).eps)


def verify_dataset(
    directory: str | Path, jobs: int = 1, advance: Callable[[], object] = lambda: None
) -> list[str]:
    """Faults of a data set, one line each; none for a good one.

    Every payload is read against its checksum, the residual of some solutions is compared with what
    rounding to float32 explains (where the equation is known), indices must count each split from
    zero without gap, and no sample may stand in the set twice, least of all in two splits.

    Args:
        directory: the data set.
        jobs: shards read at a time.
        advance: called after each shard.

    Raises:
        InputError: there is no manifest to compare with.
    """
    manifest = Manifest.load(directory)
    equation = named_equation(manifest.equation, manifest.equation_parameters)

    def examine(record: ShardRecord) -> tuple[list[str], np.ndarray]:
        try:
            return _examine(Path(directory) / record.file, record, manifest, equation)
        except InputError as fault:
            return [str(fault)], np.empty((0, 1))
        finally:
            advance()

    with ThreadPoolExecutor(jobs) as pool:
        examined = list(pool.map(examine, manifest.shards))
    faults = [fault for of_shard, _ in examined for fault in of_shard]
    return faults + list(_repeated(manifest, [norms for _, norms in examined]))


def _examine(
    path: Path, record: ShardRecord, plan: DatasetPlan, equation: Equation | None
) -> tuple[list[str], Float[np.ndarray, "n k"]]:
    shard = open_shard(path, plan, asdict(record))
    shard.check_payload()
    faults = []
    expected = np.arange(record.first_index, record.first_index + record.num_samples)
    if not np.array_equal(shard.sample_index, expected):
        faults.append(f"shard {path}: its sample indices are not {expected[0]} … {expected[-1]}")
    if equation is None:
        return faults, shard.norms
    for row in np.linspace(0, record.num_samples - 1, SAMPLES_A_SHARD).astype(int):
        residual, explained = residual_of(
            np.asarray(shard.fields[row]), shard.coefficients[row], equation
        )
        if not residual <= explained:  # so that NaN is a fault
            faults.append(
                f"shard {path}: sample {shard.sample_index[row]} has the residual {residual:.1e}, "
                f"rounding explains {explained:.1e}"
            )
    return faults, shard.norms


def residual_of(
    fields: Float32[np.ndarray, "2 N N"], coefficients: Float[np.ndarray, " c"], equation: Equation
) -> tuple[float, float]:
    """‖Lu-f‖/‖f‖ of a stored [source, solution], and how much of it rounding to float32 explains.

    Rounding changes u by at most ε max|u|/2 at each point, which L amplifies by max|L| at most.
    """
    source, solution = fields.astype(float)
    symbol = equation.symbol(coefficients.astype(float), PeriodicGrid(len(source)).wavenumbers)
    misfit = np.fft.irfft2(symbol * np.fft.rfft2(solution), s=source.shape) - source
    norm = float(np.linalg.norm(source))
    amplified = np.abs(symbol).max() * np.abs(solution).max() * len(source)
    explained = _SINGLE * (1 + float(amplified) / norm) + 1e-5
    return float(np.linalg.norm(misfit)) / norm, explained


def _repeated(manifest: Manifest, norms: list[Float32[np.ndarray, "n k"]]) -> Iterator[str]:
    """Samples whose norms, in all their digits, are those of another sample."""
    labels = [
        (record.split, record.first_index + row)
        for record, of_shard in zip(manifest.shards, norms, strict=True)
        for row in range(len(of_shard))
    ]
    present = [of_shard for of_shard in norms if len(of_shard)]
    if not present:
        return
    _, first, inverse = np.unique(
        np.concatenate(present), axis=0, return_index=True, return_inverse=True
    )
    for index, original in enumerate(first[inverse.reshape(-1)].tolist()):
        if original != index:
            (split, i), (other_split, j) = labels[index], labels[original]
            yield f"sample {i} of {split} is sample {j} of {other_split} once more"
