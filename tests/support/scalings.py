"""An element of each scaling group: powers of two, which scale numbers without rounding."""

from typing import NamedTuple


class Scaling(NamedTuple):
    """Factors of the fields, of all coefficients and of the time of a problem."""

    fields: dict[str, float]
    coefficients: float
    time: float


SCALINGS = {
    "poisson": Scaling({"source": 8.0, "solution": 16.0}, 0.5, 1.0),
    "darcy": Scaling({"diffusivity": 4.0, "source": 8.0, "solution": 2.0}, 1.0, 1.0),
    "heat": Scaling({"u": 8.0}, 4.0, 0.25),
    "unsteady_advection_diffusion": Scaling({"u": 0.25}, 0.5, 2.0),
    "wave": Scaling({"u": 8.0, "u_t": 32.0}, 4.0, 0.25),
    "burgers": Scaling({"velocity_x": 4.0, "velocity_y": 4.0}, 4.0, 0.25),
    "navier_stokes": Scaling({"vorticity": 2.0}, 2.0, 0.5),
}
EVOLVING = [name for name, scaling in SCALINGS.items() if scaling.time != 1]
