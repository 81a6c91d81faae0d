"""u_t of each nonlinear evolution equation as written, by derivatives of full transforms."""

import numpy as np


class Derivatives:
    """Derivatives of fields on the grid, by full complex transforms."""

    def __init__(self, shape, lengths):
        (H, W), (L_y, L_x) = shape, lengths
        self.kx = 2 * np.pi / L_x * np.fft.fftfreq(W, 1 / W)
        self.ky = 2 * np.pi / L_y * np.fft.fftfreq(H, 1 / H)[:, None]
        self.x, self.y = np.arange(W) * L_x / W, np.arange(H)[:, None] * L_y / H

    def of(self, symbol, u):
        return np.fft.ifft2(symbol * np.fft.fft2(u)).real

    def dx(self, u):
        return self.of(1j * self.kx, u)

    def dy(self, u):
        return self.of(1j * self.ky, u)

    def laplacian(self, u):
        return self.of(-(self.kx**2) - self.ky**2, u)


def navier_stokes(d, lengths, w, nu, drag=0.0, force=0.0):
    psi = d.of(1 / np.where(d.kx**2 + d.ky**2 == 0, np.inf, d.kx**2 + d.ky**2), w)
    convection = -d.dy(psi) * d.dx(w) + d.dx(psi) * d.dy(w)
    return [convection + nu * d.laplacian(w) - drag * w + force]


def forced_navier_stokes(d, lengths, w, nu):
    phase = 2 * np.pi * (d.x / lengths[1] + d.y / lengths[0])
    return navier_stokes(d, lengths, w, nu, force=0.1 * (np.sin(phase) + np.cos(phase)))


def kolmogorov_flow(d, lengths, w, nu, drag):
    force = -d.dy(np.sin(8 * np.pi * d.y / lengths[0]) + 0 * d.x)
    return navier_stokes(d, lengths, w, nu, drag, force)


def burgers(d, lengths, u, v, nu):
    return [-u * d.dx(a) - v * d.dy(a) + nu * d.laplacian(a) for a in (u, v)]


def kuramoto_sivashinsky(d, lengths, u, side):
    slope = (d.dx(u) ** 2 + d.dy(u) ** 2) / 2 / side**2
    stretched = d.laplacian(u) / side**2
    return [-stretched - d.laplacian(stretched) / side**2 - slope + slope.mean()]


def allen_cahn(d, lengths, u, nu):
    return [nu * d.laplacian(u) + u - u**3]


def fisher_kpp(d, lengths, u, nu, r):
    return [nu * d.laplacian(u) + r * u * (1 - u)]


def swift_hohenberg(d, lengths, u, r, g):
    once = u + d.laplacian(u)
    return [r * u - once - d.laplacian(once) + g * u**2 - u**3]


def gray_scott(d, lengths, u, v, feed, kill, D_u, D_v):
    return [
        D_u * d.laplacian(u) - u * v**2 + feed * (1 - u),
        D_v * d.laplacian(v) + u * v**2 - (feed + kill) * v,
    ]


RIGHT_HAND_SIDES = {
    f.__name__: f
    for f in (
        navier_stokes,
        forced_navier_stokes,
        kolmogorov_flow,
        burgers,
        kuramoto_sivashinsky,
        allen_cahn,
        fisher_kpp,
        swift_hohenberg,
        gray_scott,
    )
}
