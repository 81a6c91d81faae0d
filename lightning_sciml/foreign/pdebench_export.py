"""The layouts of PDEBench, fields by [x, y]: one file for each split, NAME_train.hdf5 and so on.

=======================  ==========================================  ===============================
one input, one output    nu (n, X, Y), tensor (n, 1, X, Y)           as its 2D Darcy flow
compressible flow        density, pressure, Vx, Vy (n, T, X, Y)      as its 2D CFD
other trajectories       SAMPLE/data (T, X, Y, F), SAMPLE/grid; .h5  as its 2D diffusion-reaction
=======================  ==========================================  ===============================

``FNODatasetSingle`` and, for the last one, ``FNODatasetMult`` of pdebench/models/fno/utils.py read
them.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import h5py
import numpy as np

from lightning_sciml.errors import InputError
from lightning_sciml.foreign.carried_plan import carry_plan
from lightning_sciml.foreign.pdebench import FLOW
from lightning_sciml.foreign.sample_blocks import Block, sample_blocks
from lightning_sciml.shards.durable import replacing
from lightning_sciml.shards.manifest import Manifest
from lightning_sciml.shards.reader import ShardedDataset


def write_pdebench(
    folder: Path, splits: Mapping[str, ShardedDataset], advance: Callable[[int], object]
) -> None:
    """Write all splits; coefficients stand beside the fields, where PDEBench does not look.

    Raises:
        InputError: a set that no layout of PDEBench can hold.
    """
    for split, dataset in splits.items():
        stored = _stored_names(dataset.manifest)
        path = folder / f"{dataset.manifest.name}_{split}.{'hdf5' if stored else 'h5'}"
        with replacing(path) as temporary, h5py.File(temporary, "x") as file:
            carry_plan(file, dataset.manifest)
            if stored:
                _create_arrays(file, dataset, stored)
            for block in sample_blocks(dataset):
                _fill_arrays(file, block, stored) if stored else _add_groups(file, block, dataset)
                advance(block.rows.stop - block.rows.start)


def _stored_names(manifest: Manifest) -> dict[str, str]:
    """Return the arrays of all fields by their names here; none where each sample is a group."""
    inputs, targets = manifest.input_fields, manifest.target_fields
    if manifest.is_evolution and not inputs:
        return FLOW if {*targets} == {*FLOW} else {}
    if manifest.is_evolution or len(inputs) != 1 or len(targets) != 1:
        raise InputError(
            f"PDEBench has no layout for {', '.join(inputs)} → {', '.join(targets)}, only for one "
            "input and one output, or states alone; export it with --layout well or xarray"
        )
    return {inputs[0]: "nu", targets[0]: "tensor"}


def _create_arrays(file: h5py.File, dataset: ShardedDataset, stored: Mapping[str, str]) -> None:
    """Lay out arrays of all samples, still without values."""
    n, (H, W) = len(dataset), dataset.grid.shape
    for name, array in stored.items():
        shape = (n, W, H) if name in dataset.input_fields else (n, dataset.num_times, W, H)
        file.create_dataset(array, shape, "f4")
    for name in dataset.coefficient_names:
        file.create_dataset(f"coefficients/{name}", (n,), "f8")
    for axis, places in _coordinates(dataset.manifest).items():
        file[f"{axis}-coordinate"] = places


def _fill_arrays(file: h5py.File, block: Block, stored: Mapping[str, str]) -> None:
    for name, values in (block.inputs | block.targets).items():
        file[stored[name]][block.rows] = values.swapaxes(-1, -2)
    for name, numbers in block.coefficients.items():
        file[f"coefficients/{name}"][block.rows] = numbers


def _add_groups(file: h5py.File, block: Block, dataset: ShardedDataset) -> None:
    """Write each sample as a group, with its coefficients as attributes."""
    num_digits = max(4, len(str(len(dataset))))  # PDEBench sorts them as text
    for row, index in enumerate(range(block.rows.start, block.rows.stop)):
        group = file.create_group(f"{index:0{num_digits}d}")
        group.attrs.update({name: numbers[row] for name, numbers in block.coefficients.items()})
        states = [values[row].swapaxes(-1, -2) for values in block.targets.values()]
        group["data"] = np.stack(states, axis=-1)
        for axis, places in _coordinates(dataset.manifest).items():
            group[f"grid/{axis}"] = places


def _coordinates(manifest: Manifest) -> dict[str, np.ndarray]:
    """Return the places along y, x and t."""
    grid = manifest.grid
    along = zip("yx", grid.coordinates(), grid.lengths, strict=True)
    places = {axis: of_side * length for axis, of_side, length in along}
    return places | {"t": np.array(manifest.times or (0.0,))}
