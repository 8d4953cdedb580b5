"""Stereo pairs with true disparity on disk, in the layouts in which they are published.

    KITTI 2012, 2015       image_0 image_1 (or colored_0 colored_1, image_2 image_3); disp_noc disp_occ (disp_noc_0 …)
    Middlebury 2003        a folder a scene: im2 im6, or imL imR; disp2, disp6
    Middlebury 2005, 2006  a folder a scene: view1 view5; disp1, disp5
    Middlebury 2014, 2021  a folder a scene: im0 im1; disp0.pfm, disp1.pfm
    ETH3D, MiddEval3       a folder a scene: im0 im1; disp0GT.pfm, mask0nocc.png
    scikit-image, OpenCV   NAME_left NAME_right NAME_disp.npz; NAMEL NAMER NAMEGT

A true disparity is x_left - x_right in pixels of the pictures; the `doffs` of a calib.txt belongs to depth and plays
no part.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from engines import truth as files
from engines.accuracy import Bool, seen_by_both
from engines.engine import Array
from saccade.errors import DataError
from saccade.geometry import F32
from saccade.types import U8

LAYOUTS = "KITTI 2012 and 2015, Middlebury 2003 to 2021, ETH3D, and NAME_left, NAME_right, NAME_disp.npz"
_PICTURES = (".png", ".jpg", ".jpeg", ".ppm", ".pgm")
_DEPTH = 4
"""Folders down that are searched."""
_KITTI_SIDES = (("image_0", "image_1"), ("colored_0", "colored_1"), ("image_2", "image_3"))
_2003_WIDTH, _2006_WIDTH = 1800, 1340
"""Columns of Middlebury's pictures at full size: all of 2003, about those of 2005 and 2006."""
_SEEN_BY_BOTH = 255
"""In mask0nocc.png."""


@dataclass(frozen=True, slots=True, eq=False)
class StereoTruth:
    """A pair (H, W) grey or (H, W, 3) RGB uint8, and the true disparity (H, W) px of its left picture, NaN = not known.

    `seen` (H, W) is where the truth is known and both cameras see the point; None where the data set does not tell.
    """

    name: str
    left: U8
    right: U8
    truth: F32
    seen: Bool | None


@dataclass(frozen=True, slots=True)
class Source:
    """A pair on disk; `truth` and `seen` read what the layout has of it."""

    name: str
    left: Path
    right: Path
    truth: Callable[[], F32]
    seen: Callable[[F32], Bool | None]

    def read(self) -> StereoTruth:
        """Read it. DataError that names the file which is missing, unreadable, or of another size than the left one."""
        left, right, truth = files.picture(self.left), files.picture(self.right), self.truth()
        if left.shape != right.shape:
            raise DataError(f"{self.right} is {right.shape}, its left picture {left.shape}")
        if truth.shape != left.shape[:2]:
            raise DataError(f"{self.left} is {left.shape[:2]}, its true disparity {truth.shape}")
        if not np.isfinite(truth).any():
            raise DataError(f"{self.left} has no pixel of known disparity")
        return StereoTruth(self.name, left, right, truth, self.seen(truth))


@dataclass(frozen=True, slots=True)
class DataSet:
    """Pairs that belong together."""

    name: str
    pairs: tuple[Source, ...]


def find_datasets(root: Path) -> tuple[list[DataSet], list[Path]]:
    """The data sets in a folder, or the one that it is, and the topmost folders in it without any.

    A folder of scenes is one data set; names are relative to `root`. DataError where there is no folder, none that may
    be looked into, or no pair.
    """
    if not root.is_dir():
        raise DataError(f"no folder {root}; give one that holds pairs laid out as in {LAYOUTS}")
    try:
        sets, unknown = _walk(root, root.name, _DEPTH)
    except OSError as error:
        raise DataError(f"cannot look into {error.filename}: {error.strerror}") from error
    if not sets:
        raise DataError(f"no pair in {root} that is laid out as in {LAYOUTS}")
    return sets, unknown


def _walk(folder: Path, name: str, depth: int) -> tuple[list[DataSet], list[Path]]:
    if pairs := _kitti(folder) or _scene(folder) or _named(folder):
        return [DataSet(name, tuple(pairs))], []
    sets, unknown, scenes = list[DataSet](), list[Path](), list[Source]()
    for inner in sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")):
        below = inner.name if depth == _DEPTH else f"{name}/{inner.name}"
        try:
            scene = _scene(inner)
            within, strange = _walk(inner, below, depth - 1) if depth and not scene else ([], [])
        except PermissionError:  # such as lost+found
            scene, within, strange = [], [], []
        scenes += scene
        sets += within
        unknown += strange if within or scene else [inner]
    return ([DataSet(name, tuple(scenes))] if scenes else []) + sets, unknown


def _kitti(folder: Path) -> list[Source]:
    sides = next((s for s in _KITTI_SIDES if all((folder / side).is_dir() for side in s)), None)
    noc, occ = (
        next((d for n in (f"disp_{k}", f"disp_{k}_0") if (d := folder / n).is_dir()), None) for k in ("noc", "occ")
    )
    told = occ or noc
    if sides is None or told is None:
        return []
    return [
        Source(
            path.stem, folder / sides[0] / path.name, folder / sides[1] / path.name, partial(files.kitti, path),
            _everywhere_known if told is noc else partial(_known_in, noc / path.name) if noc else _not_told,
        )
        for path in sorted(told.glob("*.png"))
    ]  # fmt: skip


def _scene(folder: Path) -> list[Source]:
    """A Middlebury or ETH3D scene: two pictures, and disparities of the left one and perhaps of the right one."""
    for left, right, truth, other, width, exactly in (
        ("im2", "im6", "disp2", "disp6", _2003_WIDTH, True),
        ("imL", "imR", "disp2", "disp6", _2003_WIDTH, True),
        ("view1", "view5", "disp1", "disp5", _2006_WIDTH, False),
    ):
        if pictures := _both(folder, left, right):
            read = partial(files.grey, full_width=width, exactly=exactly)
            told, back = _picture(folder, truth) or folder / f"{truth}.png", _picture(folder, other)
            seen = partial(_agrees_with, read, back) if back else _not_told
            return [Source(folder.name, *pictures, partial(read, told), seen)]
    if not (pictures := _both(folder, "im0", "im1")):
        return []
    told, mask = folder / "disp0GT.pfm", folder / "mask0nocc.png"
    told, back = told if told.is_file() else folder / "disp0.pfm", folder / "disp1.pfm"
    seen = _not_told
    if mask.is_file():
        seen = partial(_allowed_by, mask)
    elif back.is_file():
        seen = partial(_agrees_with, files.pfm, back)
    return [Source(folder.name, *pictures, partial(files.pfm, told), seen)]


def _named(folder: Path) -> list[Source]:
    """Pairs whose files are told apart by the ends of their names."""
    pairs = []
    for left in sorted(path for path in folder.iterdir() if path.suffix.lower() in _PICTURES):
        if left.stem.endswith("_left"):
            name = left.stem.removesuffix("_left")
            right, told = _picture(folder, f"{name}_right"), folder / f"{name}_disp.npz"
            if right and told.is_file():
                pairs.append(Source(name, left, right, partial(files.archive, told), _not_told))
        elif left.stem.endswith("L"):
            name = left.stem.removesuffix("L")
            right, truth = _picture(folder, f"{name}R"), _picture(folder, f"{name}GT")
            if right and truth:
                pairs.append(Source(name, left, right, partial(files.grey, truth), _not_told))
    return pairs


def _picture(folder: Path, stem: str) -> Path | None:
    return next((path for suffix in _PICTURES if (path := folder / f"{stem}{suffix}").is_file()), None)


def _both(folder: Path, left: str, right: str) -> tuple[Path, Path] | None:
    one, other = _picture(folder, left), _picture(folder, right)
    return (one, other) if one and other else None


def _everywhere_known(truth: F32) -> Bool:
    return np.isfinite(truth)


def _not_told(_truth: F32) -> None:
    return None


def _known_in(path: Path, truth: F32) -> Bool:
    return np.isfinite(truth) & np.isfinite(_fitting(files.kitti(path), truth, path))


def _allowed_by(path: Path, truth: F32) -> Bool:
    return np.isfinite(truth) & np.equal(_fitting(files.mask(path), truth, path), _SEEN_BY_BOTH)


def _agrees_with(read: Callable[[Path], F32], path: Path, truth: F32) -> Bool:
    return seen_by_both(truth, _fitting(read(path), truth, path))


def _fitting(found: Array, truth: F32, path: Path) -> Array:
    if found.shape != truth.shape:
        raise DataError(f"{path} is {found.shape}, the true disparity {truth.shape}")
    return found
