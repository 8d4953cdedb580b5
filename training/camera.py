"""From radiance to pixels: exposure, vignetting, blur, noise, tone curve; no two cameras are alike."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from saccade.geometry import F32
from saccade.types import U8

Random = np.random.Generator
MIDDLE_GREY = 0.18


@dataclass(frozen=True, slots=True)
class Sensor:
    """One camera: gains (RGB) on the exposure, gamma of the tone curve, vignetting (loss in the corners, 0..1).

    blur_px is the standard deviation of the lens's blur; noise (shot, read) is relative to full scale: variance
    shot * signal + read**2; `colour` false gives grey pictures.
    """

    gain: tuple[float, float, float] = (1.0, 1.0, 1.0)
    gamma: float = 2.2
    vignetting: float = 0.0
    blur_px: float = 0.0
    shot: float = 0.0
    read: float = 0.0
    colour: bool = True


def sensors_for(rng: Random, dark: bool) -> tuple[Sensor, Sensor]:
    """Two cameras of one make that are not quite alike; `dark` asks for the noise of a night."""
    noisy = rng.uniform(0.0, 1.0) ** 2 * (4.0 if dark else 1.0)
    left = Sensor(
        (1.0 + rng.normal(0.0, 0.08), 1.0, 1.0 + rng.normal(0.0, 0.08)), rng.uniform(1.7, 2.6),
        rng.uniform(0.0, 0.5) if rng.random() < 0.5 else 0.0, abs(rng.normal(0.0, 0.5)), 2e-3 * noisy, 1e-2 * noisy,
        bool(rng.random() < 0.75),
    )  # fmt: skip
    unlike = rng.choice([0.0, 0.05, 0.2]) * rng.normal(size=6)
    gain = (
        left.gain[0] * np.exp(unlike[0] + unlike[1] / 2),
        np.exp(unlike[0]),
        left.gain[2] * np.exp(unlike[0] + unlike[2] / 2),
    )
    right = replace(
        left, gain=gain, gamma=left.gamma * np.exp(0.4 * unlike[3]),
        vignetting=float(np.clip(left.vignetting + 0.5 * unlike[4], 0.0, 0.7)),
        blur_px=abs(left.blur_px + 2.0 * unlike[5]),
    )  # fmt: skip
    return left, right


def exposure_for(radiance: F32, brightness: float = 1.0) -> float:
    """Factor that brings the picture's typical light (its geometric mean) to middle grey times `brightness`."""
    return float(MIDDLE_GREY * brightness / np.exp(np.mean(np.log(radiance[::4, ::4] + 1e-4))))


def expose(radiance: F32, exposure: float, sensor: Sensor, rng: Random) -> U8:
    """The picture (H, W, 3) uint8 that a sensor makes of radiance (H, W, 3)."""
    picture = radiance * (np.array(sensor.gain, np.float32) * np.float32(exposure))
    height, width = picture.shape[:2]
    if sensor.vignetting > 0.0:
        x = np.linspace(-1, 1, width, dtype=np.float32) ** 2
        y = np.linspace(-1, 1, height, dtype=np.float32) ** 2
        picture *= (1.0 - np.float32(sensor.vignetting / 2) * (x[None, :] + y[:, None]))[..., None]
    if sensor.blur_px > 0.2:
        picture = cv2.GaussianBlur(picture, (0, 0), sensor.blur_px)
    if not sensor.colour:
        picture = np.repeat(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    if sensor.shot > 0.0 or sensor.read > 0.0:
        channels = 3 if sensor.colour else 1
        dirt = rng.standard_normal((height, width, channels), np.float32)
        picture = picture + dirt * np.sqrt(
            np.float32(sensor.shot) * np.maximum(picture, 0.0) + np.float32(sensor.read**2)
        )
    level = np.clip(picture, 0.0, 1.0) * np.float32(4095.0)
    curve = (np.linspace(0.0, 1.0, 4096) ** (1.0 / sensor.gamma) * 255.0 + 0.5).astype(np.uint8)
    return np.asarray(curve[level.astype(np.uint16)], np.uint8)
