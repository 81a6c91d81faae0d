"""Find samples whose fields are far larger than those of most."""

from pathlib import Path

import numpy as np

from lightning_sciml.errors import InputError
from lightning_sciml.plain_text import counted
from lightning_sciml.shards.manifest import Manifest
from lightning_sciml.shards.reader import read_dataset

_FAR = 10.0  # times the median


def outliers(directory: str | Path, manifest: Manifest) -> list[tuple[str, str]]:
    """Write of each field how far the largest sample is from the median, where that is far.

    Args:
        directory: of the data set.
        manifest: of it; shards that cannot be read tell nothing.
    """
    if not manifest.num_samples["train"]:
        return []
    try:
        train = read_dataset(directory, "train")
        norms = train.norms(np.arange(train.num_samples))
    except InputError:
        return []
    columns = dict(zip(train.norm_names, norms.T, strict=True))
    found = []
    for field in manifest.field_names:
        sizes = columns.get(f"{field}_max", columns[f"{field}_norm"])
        largest, median = float(sizes.max()), float(np.median(sizes))
        if largest > _FAR * median > 0:
            far = counted(int((sizes > _FAR * median).sum()), "sample")
            quantity = "max" if f"{field}_max" in columns else "norm"
            found.append(
                (
                    f"outliers: {field}",
                    f"largest {quantity} {largest:.6g}, {largest / median:,.0f} times the median; "
                    f"{far} beyond {_FAR:g} times",
                )
            )
    return found
