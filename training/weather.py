"""What comes between the world and the cameras above water: fog, dust, rain, night and the robot's motion."""

from __future__ import annotations

import numpy as np

from saccade.geometry import F32, F64
from saccade.kernel import buffer, f32, f64, i64, kernel, void
from training import world as w
from training.water import Random, range_of
from training.world import Eye, Rig


def haze(radiance: F32, z_m: F32, rig: Rig, extinction: F64, veil: F64) -> F32:
    """Fog or dust by Koschmieder's law: J exp(-beta r) + A (1 - exp(-beta r)); beta (3,) per metre, A (3,)."""
    way = np.minimum(range_of(z_m, rig), np.float32(1e6))[..., None]
    left = np.exp(-extinction.astype(np.float32) * way)
    return np.asarray(radiance * left + veil.astype(np.float32) * (1.0 - left), np.float32)


def night(rng: Random, light: F64, rig: Rig) -> F64:
    """The world's light after dark: a few percent of daylight, a dim sky, and a lamp on the robot or in the street."""
    dark: F64 = light.copy()
    dark[w.SUN_COLOUR : w.LAMP] *= rng.uniform(0.005, 0.05)
    own = rng.random() < 0.7
    at = np.array([rng.uniform(-0.5, 1.5) * rig.baseline_m, 0.3 * rig.near_m, 0.0])
    street = rig.at(rng.uniform(0, rig.width), -0.3 * rig.height, rng.uniform(0.1, 0.5) * rig.max_disparity)
    dark[w.LAMP : w.LAMP + 3] = at if own else street
    dark[w.LAMP_COLOUR : w.LAMP_COLOUR + 3] = np.array([1.0, rng.uniform(0.7, 1.0), rng.uniform(0.4, 1.0)])
    dark[w.LAMP_REACH] = rig.near_m * rng.uniform(2, 6)
    return dark


def rain(rng: Random, n: int, rig: Rig) -> tuple[F64, F64]:
    """Starts (n, 3) metres and falls (3,) metres during the exposure of n drops between the cameras and the world."""
    z = rig.near_m * rng.uniform(0.8, 8.0, n)
    x = (rng.uniform(-0.2, 1.2, n) * rig.width - rig.cx) / rig.focal_px * z
    y = (rng.uniform(-0.3, 1.1, n) * rig.height - rig.cy) / rig.focal_px * z
    fall = np.array([rng.normal(0.0, 0.2), 1.0, 0.0]) * rig.near_m * rng.uniform(0.1, 0.4)
    return np.stack([x, y, z], axis=1), fall


def with_rain(radiance: F32, z_m: F32, rig: Rig, eye: Eye, drops: F64, fall: F64, strength: float) -> F32:
    """The picture with a bright, partly clear streak for each drop, where this camera sees it."""
    out: F32 = radiance.copy()
    glow = float(np.mean(radiance) * 1.2 + np.percentile(radiance[::8, ::8], 90) * 0.8)
    z = drops[:, 2]
    u, v = (drops[:, 0] - eye.x_m) / z * rig.focal_px + rig.cx, drops[:, 1] / z * rig.focal_px + rig.cy
    du, dv = fall[0] / z * rig.focal_px, fall[1] / z * rig.focal_px
    row, end = eye.row_of(rig, u, v), eye.row_of(rig, u + du, v + dv)
    _streaks(out, z_m, np.column_stack([u, row, du, end - row, z]), glow, strength)
    return out


@kernel(void, buffer(f32, 3), buffer(f32, 2), buffer(f64, 2), f64, f64)
def _streaks(out: F32, z_m: F32, streaks: F64, glow: float, strength: float) -> None:
    """Each streak: where it begins (u, v) and how far it goes (du, dv), in pixels, and how far away it is."""
    height, width = z_m.shape
    for k in range(len(streaks)):
        u0, v0, du, dv, z = streaks[k, 0], streaks[k, 1], streaks[k, 2], streaks[k, 3], streaks[k, 4]
        steps = int(abs(dv)) + 1
        for s in range(steps):
            u, v = u0 + du * s / steps, v0 + dv * s / steps
            x, y = int(np.floor(u)), int(np.floor(v))
            if x < 0 or y < 0 or x + 1 >= width or y >= height or z_m[y, x] < z:
                continue
            for i in range(2):
                share = strength * (1.0 - abs(u - (x + i)))
                for c in range(3):
                    out[y, x + i, c] += share * (glow - out[y, x + i, c])


def moved(radiance: F32, z_m: F32, rig: Rig, eye_x: float, travel: F64, turn: F64, taps: int = 9) -> F32:
    """The picture while the rig moves: blur along the flow of each point, centred on the instant of the truth.

    `travel` (3,) metres and `turn` (3,) radians of the left camera during the exposure; the rig is rigid.
    """
    own = travel + np.cross(turn, [eye_x, 0.0, 0.0])
    out = np.empty_like(radiance)
    _moved(np.ascontiguousarray(radiance), z_m, own, turn, rig.focal_px, rig.cx, rig.cy, taps, out)
    return out


@kernel(void, buffer(f32, 3), buffer(f32, 2), buffer(f64, 1), buffer(f64, 1), f64, f64, f64, i64, buffer(f32, 3))
def _moved(
    picture: F32, z_m: F32, travel: F64, turn: F64, focal: float, cx: float, cy: float, taps: int, out: F32
) -> None:
    height, width = z_m.shape
    for y in range(height):
        for x in range(width):
            a, b, near = (x - cx) / focal, (y - cy) / focal, 1.0 / z_m[y, x]
            # Flow of a still point seen from a moving camera (Longuet-Higgins and Prazdny 1980), pixels per exposure.
            fu = ((a * travel[2] - travel[0]) * near + a * b * turn[0] - (1 + a * a) * turn[1] + b * turn[2]) * focal
            fv = ((b * travel[2] - travel[1]) * near + (1 + b * b) * turn[0] - a * b * turn[1] - a * turn[2]) * focal
            r = g = c = 0.0
            for k in range(taps):
                s = k / (taps - 1.0) - 0.5
                u, v = min(max(x + s * fu, 0.0), width - 1.001), min(max(y + s * fv, 0.0), height - 1.001)
                i, j = int(u), int(v)
                p, q = u - i, v - j
                wa, wb, wc, wd = (1 - p) * (1 - q), p * (1 - q), (1 - p) * q, p * q
                r += (
                    wa * picture[j, i, 0]
                    + wb * picture[j, i + 1, 0]
                    + wc * picture[j + 1, i, 0]
                    + wd * picture[j + 1, i + 1, 0]
                )
                g += (
                    wa * picture[j, i, 1]
                    + wb * picture[j, i + 1, 1]
                    + wc * picture[j + 1, i, 1]
                    + wd * picture[j + 1, i + 1, 1]
                )
                c += (
                    wa * picture[j, i, 2]
                    + wb * picture[j, i + 1, 2]
                    + wc * picture[j + 1, i, 2]
                    + wd * picture[j + 1, i + 1, 2]
                )
            out[y, x, 0], out[y, x, 1], out[y, x, 2] = r / taps, g / taps, c / taps
