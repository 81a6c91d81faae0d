"""Spectral convolution: multiply the lowest Fourier modes of a field by learned matrices.

û(k) = R(k) v̂(k) for the K = 2m·m modes ky ∈ {0…m-1, -m…-1}, kx ∈ {0…m-1}, zero elsewhere
(Li et al., "Fourier Neural Operator for Parametric PDEs", ICLR 2021, eq. 4).

The kept modes travel as a *mode-major* real tensor (K, 2B, C): row p·B + b holds plane p (0 real,
1 imaginary) of sample b, so that all channel mixing is one batched real matrix product.
"""

import operator
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lightning_sciml.errors import InputError
from lightning_sciml.models.dft_matrices import dft_matrices, square_root

Transform = Literal["auto", "dft", "fft"]


def dft_is_faster(width: int, num_modes: int) -> bool:
    """Tell whether matrix products beat the FFT: 4m + 16m²/W FLOPs a point, at most 256.

    The FFT costs about as much a point for every N: its passes over full spectra take longer than
    its arithmetic. On an x86 core with AVX-512 both took equal time at m ≈ 24, 32, 37 and 37 for
    N = 64, 128, 256 and 512 (``benchmarks/transforms.py``); the rule says 25, 32, 39 and 46.
    """
    m, width = num_modes, operator.index(width)
    return 4 * m + 16 * m**2 / width <= 256


def dft_forward(field: Float[Tensor, "B C H W"], num_modes: int) -> Float[Tensor, "K P C"]:
    """Compute the kept modes by two matrix products, without a full spectrum. P = 2B planes.

    The product along x, the only one over the full grid, is taken in the field's own precision;
    what follows is small and in float32 at least.
    """
    B, C, H, W = field.shape
    dtype = torch.promote_types(field.dtype, torch.float32)
    along_x = dft_matrices(H, W, num_modes, field.dtype, field.device).along_x
    along_y = dft_matrices(H, W, num_modes, dtype, field.device).along_y
    rows = (field.reshape(B * C * H, W) @ along_x).to(dtype)
    modes = torch.bmm(along_y.expand(B * C, -1, -1), rows.view(B * C, 2 * H, num_modes))
    K = 2 * num_modes * num_modes  # not left to torch: of an empty batch it could not be told
    return modes.view(B, C, 2, K).permute(3, 2, 0, 1).reshape(K, 2 * B, C)


def dft_inverse(
    modes: Float[Tensor, "K P C"], num_modes: int, height: int, width: int, dtype: torch.dtype
) -> Float[Tensor, "B C H W"]:
    """Transform kept modes back to a field in ``dtype``; all other modes are zero."""
    K, P, C = modes.shape
    B = P // 2
    back_along_y = dft_matrices(height, width, num_modes, modes.dtype, modes.device).back_along_y
    back_along_x = dft_matrices(height, width, num_modes, dtype, modes.device).back_along_x
    planes = modes.view(K, 2, B, C).permute(2, 3, 1, 0).reshape(B * C, 4 * num_modes, num_modes)
    columns = torch.bmm(back_along_y.expand(B * C, -1, -1), planes)
    columns = columns.view(B, C, height, 2 * num_modes)
    columns = round_columns(columns, dtype) if dtype.itemsize < 4 else columns.to(dtype)
    return columns @ back_along_x


@torch.library.custom_op("lightning_sciml::lost_by_rounding", mutates_args=())
def lost_by_rounding(values: Tensor, dtype: torch.dtype) -> Tensor:
    """Subtract rounded values from the values, in the precision of the values; no gradient.

    An operator of its own because compilers take x → bfloat16 → float32 for x, and this for zero.
    """
    return values - values.to(dtype)


@lost_by_rounding.register_fake
def _(values: Tensor, dtype: torch.dtype) -> Tensor:
    return torch.empty_like(values)


def round_columns(
    columns: Float[Tensor, "*rows K"], dtype: torch.dtype
) -> Float[Tensor, "*rows K"]:
    """Round the K = 2m columns before the last product to a precision below float32.

    An error in the column of kx = 0 keeps its sign along x, so it stays in the lowest modes. What
    rounding takes from it goes where its imaginary part, without effect on a real field, would be:
    the mean along x has twice the digits at no cost.
    """
    num_columns = columns.shape[-1]
    lost = lost_by_rounding(columns.detach()[..., :1], dtype)
    has_no_effect = torch.arange(num_columns, device=columns.device) == num_columns // 2
    return torch.where(has_no_effect, lost.to(dtype), columns.to(dtype))


def fft_forward(field: Float[Tensor, "B C H W"], num_modes: int) -> Float[Tensor, "K P C"]:
    """Compute the kept modes by a full FFT and a cut, in float32 at least."""
    B, C, _, _ = field.shape
    field = field.to(torch.promote_types(field.dtype, torch.float32))
    spectrum = torch.fft.rfft2(field, norm="ortho")[..., :num_modes]
    kept = torch.cat([spectrum[:, :, :num_modes], spectrum[:, :, -num_modes:]], dim=2)
    planes = torch.view_as_real(kept).permute(2, 3, 4, 0, 1)
    return planes.reshape(2 * num_modes * num_modes, 2 * B, C)


def fft_inverse(
    modes: Float[Tensor, "K P C"], num_modes: int, height: int, width: int, dtype: torch.dtype
) -> Float[Tensor, "B C H W"]:
    """Transform back by zero-padding and a full inverse FFT, cast to ``dtype``."""
    _, P, C = modes.shape
    planes = modes.view(2 * num_modes, num_modes, 2, P // 2, C).permute(3, 4, 0, 1, 2)
    kept = torch.view_as_complex(planes.contiguous())
    spectrum = kept.new_zeros(P // 2, C, height, num_modes)
    spectrum[:, :, :num_modes] = kept[:, :, :num_modes]
    spectrum[:, :, -num_modes:] = kept[:, :, num_modes:]
    return torch.fft.irfft2(spectrum, s=(height, width), norm="ortho").to(dtype)


def mix_channels(
    modes: Float[Tensor, "K P I"],
    weight: Float[Tensor, "K I 2 O"],
    mean: Float[Tensor, "#B O"] | None = None,
    pointwise: Float[Tensor, "O I"] | None = None,
) -> Float[Tensor, "K P O"]:
    """Multiply R(k) v̂(k) for every mode: complex as real pairs, one batched matrix product.

    ``mean`` is added to the real part of k = 0, the real matrix ``pointwise`` to every R(k).
    """
    (K, P, _), num_outputs = modes.shape, weight.shape[3]
    products = torch.bmm(modes, weight.flatten(2)).view(K, 2, P // 2, 2, num_outputs)
    real = products[:, 0, :, 0] - products[:, 1, :, 1]
    imaginary = products[:, 0, :, 1] + products[:, 1, :, 0]
    if mean is not None:
        real[0] += mean
    mixed = torch.cat([real, imaginary], dim=1)
    return mixed if pointwise is None else mixed + modes @ pointwise.T.to(modes.dtype)


def mode_radii(num_modes: int) -> Float[Tensor, " K"]:
    """|n| = √(nx² + ny²) of the modes, in the order of the weights' rows."""
    nx = torch.arange(num_modes)
    ny = torch.cat([nx, nx - num_modes])
    return torch.hypot(ny[:, None].float(), nx.float()).flatten()


class SpectralConv(nn.Module):
    """Convolution with a kernel of 2m·m Fourier modes, channels mixed mode by mode.

    The weights are real pairs R = R[:, :, 0] + i R[:, :, 1] (complex parameters break optimizers,
    gradient scaling and sharding), drawn from U(0, 1)/(C_in·C_out). Modes are mixed in float32 at
    least, whatever the precision of the field.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        num_modes: m, modes kept along each axis (both signs of ky); grids need 2m points.
        transform: matrix products over the kept modes (``dft``), full spectra (``fft``), or the
            faster of the two for the grid at hand (``auto``); the results agree to round-off.
    """

    def __init__(
        self, in_channels: int, out_channels: int, num_modes: int, transform: Transform = "auto"
    ) -> None:
        super().__init__()
        if transform not in get_args(Transform):
            raise InputError(f"transform must be one of {get_args(Transform)}, got {transform!r}")
        self.num_modes = num_modes
        self.transform = transform
        pairs = torch.rand(2 * num_modes * num_modes, in_channels, 2, out_channels)
        self.weight = nn.Parameter(pairs / (in_channels * out_channels))

    def forward(self, field: Float[Tensor, "B I H W"]) -> Float[Tensor, "B O H W"]:
        """Convolve R * v, in the precision of the field."""
        with torch.autocast(field.device.type, enabled=False):
            return self.convolve(field, self.weight, mean=None, dtype=field.dtype)

    def convolve(
        self,
        field: Float[Tensor, "B I H W"],
        weight: Float[Tensor, "K I 2 O"],
        mean: Float[Tensor, "#B O"] | None,
        dtype: torch.dtype,
        pointwise: Float[Tensor, "O I"] | None = None,
    ) -> Float[Tensor, "B O H W"]:
        """Convolve with any weights for these modes, plus a constant for each output channel.

        The constant is added in Fourier space, where it is one mode: no pass over the grid, neither
        here nor for its gradient. ``pointwise`` acts on the kept modes in addition to the weights.
        The result is a field of ``dtype``.
        """
        height, width = field.shape[-2:]
        if height < 2 * self.num_modes or width < 2 * self.num_modes:
            raise InputError(
                f"num_modes={self.num_modes} needs at least {2 * self.num_modes} grid points an "
                f"axis, got {height}x{width}; lower num_modes or refine the grid"
            )
        uses_dft = self._uses_dft(field)
        to_modes, to_field = (dft_forward, dft_inverse) if uses_dft else (fft_forward, fft_inverse)
        modes = to_modes(field, self.num_modes)
        if mean is not None:
            mean = mean * square_root(height * width, mean)  # norm "ortho"
        modes = mix_channels(modes, weight.to(modes.dtype), mean, pointwise)
        return to_field(modes, self.num_modes, height, width, dtype)

    def _uses_dft(self, field: Float[Tensor, "B I H W"]) -> bool:
        """Tell whether the transform of a field is by matrix products, as in every export."""
        if self.transform == "dft" or torch.compiler.is_exporting():
            return True
        if self.transform == "auto" and dft_is_faster(field.shape[3], self.num_modes):
            return True
        # a rank without samples still takes part in a step, and no FFT takes an empty batch
        return len(field) == 0
