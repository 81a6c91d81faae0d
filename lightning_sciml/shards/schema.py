"""Names on disk, version 2, which writer and reader share.

A data set is a folder: manifest.json, and for each split shards 00000.h5, 00001.h5, … that hold

=============  =====================  ==================================================
fields         (n, S+F, H, W) f4      of a steady problem: input_fields, then output_fields
trajectories   (n, T, F, H, W) f4     of an evolution: state_fields at times
inputs         (n, S, H, W) f4        of an evolution with fields constant in time: input_fields
coefficients   (n, c) f8              attribute ``names``: coefficient_names
norms          (n, S+F+S+F+F) f8      attribute ``names``: ``norm_names``
amplitudes     (n, g) f4              of the Gaussians of a source, before the division by max f
attempt        (n) i8                 draws thrown away before this one
sample_index   (n) i8                 with seed and split it decides all of the sample
spectral_tail  (n) f8                 of a generated trajectory: the largest share of the L2 norm
                                      of a stored state that its highest third of modes has
time_error     (n) f8                 of a generated trajectory: relative in L2, the largest up to
                                      the error horizon; NaN where it was not measured
iterations     (n) f8                 of conjugate gradients, where the diffusivity is a field
residual       (n) f8                 ‖f + ∇·(a∇u)‖/‖f‖ in which they ended
=============  =====================  ==================================================

The names of fields, the grid and the times are in the manifest. The first three are large: each is
contiguous, little endian, [y, x], and begins at a page (4096 bytes) unless it is smaller than one.

and, where a system has more to tell (the advection-diffusion ratio), (n) f8 arrays by its name.

A shard that several processes wrote together has virtual ``fields`` or ``trajectories`` over
00000.slab0.h5, 00000.slab1.h5, …, which hold (n, S+F, rows, W) or (n, T, F, rows, W) f4,
contiguous: the rows [y] of each process.

Each file begins with a header (``shard_header``), in the block that HDF5 leaves to the user. It
says where each array lies and holds a checksum of all that is not payload: a reader needs no HDF5.
Version 1 has no header and keeps what it says in HDF5 attributes, which nothing protects. Version 1
and the first sets of version 2 have other plans (``earlier_plans``).
"""

SCHEMA_VERSION = 2

MANIFEST_FILE = "manifest.json"
SPLITS = ("train", "val", "test")
TOLERANCE = "tolerance"
"""Key in the config of a manifest: the error that solutions of imported samples may have."""

FIELDS = "fields"
INPUTS = "inputs"
TRAJECTORIES = "trajectories"
LARGE = (FIELDS, INPUTS, TRAJECTORIES)  # read in place, never as a whole
COEFFICIENTS = "coefficients"
AMPLITUDES = "amplitudes"
NORMS = "norms"
ATTEMPT = "attempt"
SAMPLE_INDEX = "sample_index"
SPECTRAL_TAIL = "spectral_tail"
TIME_ERROR = "time_error"
ITERATIONS = "iterations"
RESIDUAL = "residual"
MEASURES = (ATTEMPT, SPECTRAL_TAIL, TIME_ERROR, ITERATIONS, RESIDUAL)
"""Numbers that tell how a sample was made, and nothing of the problem that it solves."""

NAMES_ATTRIBUTE = "names"
PLAN_ATTRIBUTE = "plan"
SCHEMA_VERSION_ATTRIBUTE = "schema_version"

SOURCE, SOLUTION = "source", "solution"
DIFFUSIVITY = "diffusivity"


def norm_names(input_fields: tuple[str, ...], target_fields: tuple[str, ...]) -> tuple[str, ...]:
    """List the columns of ``norms``: of all fields √mean(f²) and mean, of targets max|u|.

    Means are over the grid and, of the states of an evolution, over all times.
    """
    fields = (*input_fields, *target_fields)
    return (
        *(f"{name}_norm" for name in fields),
        *(f"{name}_mean" for name in fields),
        *(f"{name}_max" for name in target_fields),
    )


def shard_file(split: str, number: int) -> str:
    """Return the path of a shard relative to its data set, e.g. ``train/00000.h5``."""
    return f"{split}/{number:05d}.h5"


def slab_file(shard: str, rank: int) -> str:
    """Return the name of the file beside a shard that holds the rows of one process."""
    return f"{shard.removesuffix('.h5')}.slab{rank}.h5"
