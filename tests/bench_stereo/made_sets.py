"""Tiny stereo data sets in the layouts in which real ones are published, with a truth that is exact."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

HEIGHT, WIDTH, NEAR, FAR = 48, 96, 9, 4
BOARD = np.s_[12:36, 50:70]
"""A board NEAR px of disparity away before a wall at FAR."""


def pair(colour: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """left, right (H, W, 3) or (H, W) uint8 of a textured board before a textured wall."""
    noise = np.random.default_rng(5).integers(0, 256, (2, HEIGHT, WIDTH + FAR, 3), np.uint8)
    wall, board = (cv2.GaussianBlur(n, (0, 0), 1.0) for n in noise)
    left, right = wall[:, :-FAR].copy(), wall[:, FAR:].copy()
    left[BOARD] = board[BOARD]
    right[12:36, 50 - NEAR : 70 - NEAR] = board[BOARD]
    return (left, right) if colour else (left[..., 1].copy(), right[..., 1].copy())


def truth() -> np.ndarray:
    """Disparity (H, W) float32 px of the left picture; NaN in the top row, as if it were not known."""
    disparity = np.full((HEIGHT, WIDTH), FAR, np.float32)
    disparity[BOARD] = NEAR
    disparity[0] = np.nan
    return disparity


def right_truth() -> np.ndarray:
    """The same of the right picture."""
    disparity = np.full((HEIGHT, WIDTH), FAR, np.float32)
    disparity[12:36, 50 - NEAR : 70 - NEAR] = NEAR
    return disparity


def seen() -> np.ndarray:
    """Pixels of the left picture that the right camera sees too: within its picture, and not behind the board."""
    both = np.isfinite(truth())
    both[:, :FAR] = False
    both[12:36, 50 - (NEAR - FAR) : 50] = False
    return both


def write(path: Path, picture: np.ndarray) -> None:
    """Write RGB or one channel."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), picture[..., ::-1] if picture.ndim == 3 else picture)


def scaled(disparity: np.ndarray, scale: float, dtype: type) -> np.ndarray:
    """As integers, 0 where there is none."""
    return np.rint(np.nan_to_num(disparity) * scale).astype(dtype)


def write_pfm(path: Path, disparity: np.ndarray, scale: bytes = b"-0.003922") -> None:
    """A portable float map as Middlebury writes it: upside down, infinite where not known, an odd scale."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.where(np.isfinite(disparity), disparity, np.inf)[::-1].astype("<f4" if scale[:1] == b"-" else ">f4")
    path.write_bytes(b"Pf\n%d %d\n%s\n" % (values.shape[1], values.shape[0], scale) + values.tobytes())


def kitti(
    folder: Path, sides: tuple[str, str] = ("image_0", "image_1"), kinds: tuple[str, ...] = ("disp_noc",)
) -> Path:
    """KITTI: `kinds` of disp_noc, disp_occ, disp_noc_0, disp_occ_0; a second picture has no truth."""
    left, right = pair(colour=sides[0] != "image_0")
    for name in ("000000_10.png", "000000_11.png"):
        write(folder / sides[0] / name, left)
        write(folder / sides[1] / name, right)
    for kind in kinds:
        disparity = np.where(seen(), truth(), np.nan) if "noc" in kind else truth()
        write(folder / kind / "000000_10.png", scaled(disparity, 256, np.uint16))
    return folder


def middlebury(folder: Path, names: tuple[str, str, str, str | None], scale: int, suffix: str = ".png") -> Path:
    """A Middlebury scene before 2014: names of left, right, and their disparities; a name of None is left out."""
    for name, picture in zip(names[:2], pair(), strict=True):
        write(folder / f"{name}{suffix}", picture)
    write(folder / f"{names[2]}{suffix.replace('ppm', 'pgm')}", scaled(truth(), scale, np.uint8))
    if names[3]:
        write(folder / f"{names[3]}{suffix.replace('ppm', 'pgm')}", scaled(right_truth(), scale, np.uint8))
    return folder


def middlebury_2014(folder: Path, right: bool = True) -> Path:
    """im0, im1, disp0.pfm, disp1.pfm, and a calib.txt whose doffs must not matter."""
    for name, picture in zip(("im0.png", "im1.png"), pair(), strict=True):
        write(folder / name, picture)
    write_pfm(folder / "disp0.pfm", truth())
    if right:
        write_pfm(folder / "disp1.pfm", right_truth(), b"1")
    (folder / "calib.txt").write_text("doffs=31.086\nbaseline=193.001\nndisp=70\n")
    return folder


def eth3d(folder: Path) -> Path:
    """im0, im1, disp0GT.pfm, mask0nocc.png."""
    for name, picture in zip(("im0.png", "im1.png"), pair(), strict=True):
        write(folder / name, picture)
    write_pfm(folder / "disp0GT.pfm", truth(), b"-1")
    write(folder / "mask0nocc.png", np.where(seen(), 255, np.where(np.isfinite(truth()), 128, 0)).astype(np.uint8))
    return folder


def named(folder: Path) -> Path:
    """scikit-image's and OpenCV's samples in one folder."""
    left, right = pair()
    write(folder / "cycle_left.png", left)
    write(folder / "cycle_right.png", right)
    np.savez(folder / "cycle_disp.npz", np.where(np.isfinite(truth()), truth(), np.inf))
    write(folder / "aloeL.png", left)
    write(folder / "aloeR.png", right)
    write(folder / "aloeGT.png", scaled(truth(), 1, np.uint8))
    return folder
