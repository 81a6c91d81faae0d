"""Errors of our FNO on a device against the same network in float64 on the CPU.

    python benchmarks/correctness.py [--device cuda]

Output and gradients in float32, TF32 and bfloat16, eager, by both transforms. Exits with 1 where an
error is above its bound.
"""

from argparse import ArgumentParser

import torch
from torch import Tensor

from lightning_sciml.models.fno import FNO

# Relative: 2⁻²⁴, 2⁻¹¹ and 2⁻⁹ are the roundings; a dozen operations in a row amplify them.
BOUNDS = {"32-true": 1e-5, "tf32": 1e-2, "bf16-mixed": 5e-2}


def output_and_gradient(
    network: FNO, source: Tensor, coefficients: Tensor, precision: str
) -> tuple[Tensor, Tensor]:
    """Solution, and the gradient of its mean square by all parameters, in float64 on the CPU."""
    torch.set_float32_matmul_precision("highest" if precision == "32-true" else "high")
    with torch.autocast(source.device.type, torch.bfloat16, enabled=precision == "bf16-mixed"):
        output = network(source, coefficients)
    network.zero_grad()
    output.square().mean().backward()
    gradient = torch.cat([p.grad.flatten() for p in network.parameters()])  # type: ignore[union-attr]
    return output.detach().double().cpu(), gradient.double().cpu()


def main() -> None:
    """Print a line a precision and transform."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    device = parser.parse_args().device
    torch.manual_seed(0)
    exact = FNO(num_channels=16, num_modes=8).double()
    source, coefficients = torch.randn(4, 1, 64, 60), torch.randn(4, 3)
    expected = output_and_gradient(exact, source.double(), coefficients.double(), "32-true")
    has_failed = False
    for precision, bound in BOUNDS.items():
        for transform in ("dft", "fft"):
            network = FNO(num_channels=16, num_modes=8, transform=transform)
            network.load_state_dict(exact.state_dict())
            results = output_and_gradient(
                network.to(device), source.to(device), coefficients.to(device), precision
            )
            errors = [
                ((r - e).norm() / e.norm()).item() for r, e in zip(results, expected, strict=True)
            ]
            has_failed |= max(errors) > bound
            verdict = "" if max(errors) <= bound else f"  above {bound:g}"
            print(
                f"{precision:<11}{transform}  output {errors[0]:.1e}  gradient {errors[1]:.1e}"
                + verdict
            )
    raise SystemExit(int(has_failed))


if __name__ == "__main__":
    main()
