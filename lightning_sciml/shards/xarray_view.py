"""A split of a data set as xarray has it: arrays with named axes and coordinates."""

from typing import TYPE_CHECKING, Any

from lightning_sciml.errors import InputError
from lightning_sciml.extras import require

if TYPE_CHECKING:
    from lightning_sciml.shards.reader import ShardedDataset

_AXES = {1: ("sample",), 3: ("sample", "y", "x"), 4: ("sample", "time", "y", "x")}


def as_xarray(dataset: "ShardedDataset") -> Any:
    """Read a whole split as an ``xarray.Dataset``.

    Raises:
        InputError: xarray is not installed, or a field or coefficient is called like an axis.
    """
    require("to_xarray", ["xarray"], extra="xarray")
    import xarray

    axes = {"sample", "y", "x"} | ({"time"} if dataset.is_evolution else set())
    names = (*dataset.manifest.field_names, *dataset.coefficient_names)
    for name in filter(axes.__contains__, names):
        raise InputError(
            f"{dataset.manifest.name} has a field or coefficient {name}, which is an axis in "
            "xarray; index the data set instead: dataset[:] gives arrays by name"
        )
    sides = zip(dataset.grid.coordinates(), dataset.grid.lengths, strict=True)
    y, x = (points * length for points, length in sides)
    about = {"name": dataset.manifest.name, "equation": dataset.manifest.equation}
    return xarray.Dataset(
        {name: (_AXES[values.ndim], values) for name, values in dataset[:].items()},
        coords={"y": y, "x": x} | ({"time": [*dataset.times]} if dataset.is_evolution else {}),
        attrs={**about, "split": dataset.split},
    )
