"""The evolution equations by name."""

from lightning_sciml.pde.evolution_equation import EvolutionEquation
from lightning_sciml.pde.flows import (
    Burgers,
    ForcedNavierStokes,
    KolmogorovFlow,
    KuramotoSivashinsky,
    NavierStokes,
)
from lightning_sciml.pde.linear_evolution import Heat, UnsteadyAdvectionDiffusion, Wave
from lightning_sciml.pde.reactions import AllenCahn, FisherKPP, GrayScott, SwiftHohenberg

EVOLUTION_EQUATIONS: dict[str, type[EvolutionEquation]] = {
    equation.name: equation
    for equation in (
        Heat,
        UnsteadyAdvectionDiffusion,
        Wave,
        Burgers,
        NavierStokes,
        ForcedNavierStokes,
        KolmogorovFlow,
        KuramotoSivashinsky,
        AllenCahn,
        FisherKPP,
        SwiftHohenberg,
        GrayScott,
    )
}
