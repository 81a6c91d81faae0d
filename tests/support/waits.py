"""What a GPU would be waited for, found on a CPU."""

import torch
from torch.utils._python_dispatch import TorchDispatchMode


class Waits(TorchDispatchMode):
    """Notes what a GPU would be waited for: values read on the host, or made there."""

    AWAITED = ("_local_scalar_dense", "is_nonzero", "nonzero", "masked_select", "lift_fresh")

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        name = function.overloadpacket.__name__
        masks = [
            index
            for index in (arguments[1] if name in ("index", "index_put", "index_put_") else ())
            if index is not None and index.dtype == torch.bool
        ]
        if name in self.AWAITED or masks:
            self.found.append(name)
        return function(*arguments, **(options or {}))
