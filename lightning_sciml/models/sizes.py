"""Named sizes of the network."""

SIZES: dict[str, tuple[int, int]] = {
    "64K": (16, 4),
    "1M": (32, 8),
    "4M": (32, 16),
    "16M": (64, 16),
    "64M": (64, 32),
    "256M": (128, 32),
}
"""(num_channels C, num_modes m) of each named size; about 16 C²m² real parameters."""
