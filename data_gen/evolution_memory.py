"""Count the memory that a block of trajectories is integrated in."""

from data_gen.etdrk import block_size
from data_gen.evolution_configuration import EvolutionConfig
from data_gen.kept_modes import dealiased_shape


def work_bytes(config: EvolutionConfig, num_ranks: int) -> int:
    """Count the bytes of one rank for a block, or for its slab of one trajectory.

    ETDRK4 takes the state and 5 stages, 6 real coefficients that stand twice and L; half of that
    again, but for stages and L, to measure its error. N takes two arrays of modes for each factor,
    and its grids.
    """
    equation, N = config.coefficients.equation, config.num_points
    F, P = len(equation.state_fields), equation.num_factors
    M_y, M_x = dealiased_shape(config.grid, equation.degree)
    columns = (N - 1) // 2 + 1
    num_arrays = 2 * F + F**2 if equation.degree == 1 else 12.5 * F + 7 * F + 2 * P + 1
    modes = int(16 * 2 * columns**2 * num_arrays)
    grids = 8 * M_y * M_x * (P + equation.num_scratch)
    states = 8 * N**2 * F * 4  # with half the step, too, and their difference
    if config.decomposition == "slab":
        return (modes + grids + states + 2 * 16 * M_y * columns) // num_ranks
    transform = 2 * 16 * M_y * (columns + M_x // 2 + 1)
    return block_size(equation, config.grid) * (modes + grids + states + transform)
