"""netCDF files that xarray opens: NAME_train.nc and so on, of named and labelled arrays.

Written as HDF5 with dimension scales, which is what netCDF 4 is, so no further library is needed.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import h5py
import numpy as np

from lightning_sciml.errors import InputError
from lightning_sciml.foreign.sample_blocks import sample_blocks
from lightning_sciml.shards.durable import replacing
from lightning_sciml.shards.manifest import Manifest
from lightning_sciml.shards.reader import ShardedDataset

_AXES = ("sample", "time", "y", "x")


def write_netcdf(
    folder: Path, splits: Mapping[str, ShardedDataset], advance: Callable[[int], object]
) -> None:
    """Write all splits: variables by name over sample, time (of states), y and x.

    Raises:
        InputError: a field or coefficient that is called like an axis.
    """
    for split, dataset in splits.items():
        manifest = dataset.manifest
        path = folder / f"{manifest.name}_{split}.nc"
        with replacing(path) as temporary, h5py.File(temporary, "x", track_order=True) as file:
            file.attrs.update(name=manifest.name, equation=manifest.equation, split=split)
            _create_axes(file, manifest, len(dataset))
            _create_variables(file, manifest)
            for block in sample_blocks(dataset):
                for name, values in (block.inputs | block.targets | block.coefficients).items():
                    file[name][block.rows] = values.reshape(-1, *file[name].shape[1:])
                advance(block.rows.stop - block.rows.start)


def _create_axes(file: h5py.File, manifest: Manifest, num_samples: int) -> None:
    """Write the coordinates of all axes."""
    grid = manifest.grid
    file["sample"] = np.arange(num_samples)
    if manifest.is_evolution:
        file["time"] = np.array(manifest.times)
    for axis, places, length, boundary in zip(
        "yx", grid.coordinates(), grid.lengths, grid.boundary, strict=True
    ):
        file[axis] = places * length
        file[axis].attrs.update(length=length, boundary=boundary)
    for axis in file:
        file[axis].make_scale(axis)


def _create_variables(file: h5py.File, manifest: Manifest) -> None:
    """Lay out fields and coefficients over their axes, still without values."""
    of_states = [axis for axis in _AXES if axis in file]
    axes = {name: [a for a in of_states if a != "time"] for name in manifest.input_fields}
    axes |= dict.fromkeys(manifest.target_fields, of_states)
    axes |= {name: ["sample"] for name in manifest.coefficient_names}
    for name, over in axes.items():
        if name in _AXES:
            raise InputError(
                f"{manifest.name} has a field or coefficient {name}, which is an axis in netCDF; "
                "export it with --layout well"
            )
        dtype = "f8" if name in manifest.coefficient_names else "f4"
        variable = file.create_dataset(name, [len(file[axis]) for axis in over], dtype)
        for place, axis in enumerate(over):
            variable.dims[place].attach_scale(file[axis])
