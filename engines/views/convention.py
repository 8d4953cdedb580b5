"""What a card says of a model of several views: the parts in which such models differ silently."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Cameras:
    """How poses and intrinsics stand in a model's tensors, be it told them or saying them.

    `form` matrix: poses (..., 3 or 4, 4) and a tensor of its own for intrinsics (..., 3, 3). `form` encoding, of VGGT
    (vggt/utils/pose_enc.py): one tensor (..., 9) of translation, quaternion and two fields of view.
    """

    poses: str = ""
    """Name of the tensor; empty where there is none."""
    form: Literal["matrix", "encoding"] = "matrix"
    direction: Literal["camera_from_world", "world_from_camera"] = "camera_from_world"
    axes: Literal["opencv", "opengl"] = "opencv"
    """Of the camera: x right, y down, z forward; or x right, y up, z backward."""
    quaternion: Literal["xyzw", "wxyz"] = "xyzw"
    fov: Literal["height_width", "width_height"] = "height_width"
    """Which field of view comes first."""
    intrinsics: str = ""
    unit: Literal["pixels", "normalised"] = "pixels"
    """Pixels of the picture that the model sees, or shares of its width and height."""

    def __post_init__(self) -> None:
        if self.form == "encoding" and self.intrinsics:
            raise ValueError("cameras: form encoding has its intrinsics in `poses`; leave `intrinsics` empty")


@dataclass(frozen=True, slots=True)
class Splatting:
    """Gaussians (Kerbl et al., SIGGRAPH 2023) that a model says, by the names of its outputs, in its world.

    means (..., m, 3); scales (..., m, 3); rotations (..., m, 4); opacities (..., m); colours (..., m, 3), or
    (..., m, 3, k) coefficients of spherical harmonics, of which the first is used.
    """

    means: str
    scales: str
    rotations: str
    opacities: str
    colours: str
    scale_is: Literal["linear", "log"] = "linear"
    opacity_is: Literal["unit", "logit"] = "unit"
    rotation_is: Literal["xyzw", "wxyz"] = "wxyz"
    colour_is: Literal["harmonics", "rgb"] = "harmonics"


@dataclass(frozen=True, slots=True)
class Limits:
    """How well a model must know the views of the probe, with one scale for all of them."""

    depth: float = 0.1
    """Median relative error; and how much the scale may differ from view to view, and from that of the poses."""
    turn_deg: float = 5.0
    way: float = 0.25
    """Error of the ways between the cameras, as a share of them."""
    intrinsics: float = 0.2

    def __post_init__(self) -> None:
        if not (min(self.depth, self.turn_deg, self.way, self.intrinsics) > 0 and max(self.depth, self.way) < 0.5):
            raise ValueError("views.probe: all limits are positive, depth and way below 0.5")


@dataclass(frozen=True, slots=True)
class Views:
    """How many pictures a model takes, what it must be told beside them, and what it says of each."""

    pictures: str = "images"
    """Name of the input (n, 3, H, W) or (1, n, 3, H, W)."""
    least: int = 2
    most: int = 8
    told: Cameras = field(default_factory=Cameras)
    """Inputs for poses and intrinsics, where the model wants them."""
    near: str = ""
    far: str = ""
    """Inputs (1, n) for the least and greatest depth of each view, in the unit of the poses."""
    said: Cameras = field(default_factory=Cameras)
    """Outputs for poses and intrinsics, where the model guesses them."""
    depth: str = "depth"
    """Output, one plane a view; or empty where depth is taken from `points`."""
    depth_is: Literal["z", "ray", "inverse_z"] = "z"
    """Along the optical axis, along the ray, or one over the first."""
    scale: float = 1.0
    """What depth must be multiplied by to be in the unit of the poses."""
    points: str = ""
    """Output (..., n, H, W, 3)."""
    points_in: Literal["world", "camera"] = "world"
    confidence: str = ""
    confidence_is: Literal["unit", "above_one", "logit"] = "unit"
    """0..1; from 1 up (1 + exp, where DUSt3R's kin have it), of which 1 - 1 / c is taken; or any number."""
    gaussians: Splatting | None = None
    probe: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if not 1 <= self.least <= self.most:
            raise ValueError(f"views: least is {self.least} and most {self.most}; expected 1 <= least <= most")
        if not (self.depth or self.points):
            raise ValueError("views: a model of several views gives `depth` or `points`; name one")
        if not self.depth and self.points_in == "world" and not self.said.poses:
            raise ValueError("views: points in the world need said.poses to become depth")
        if not self.scale > 0:
            raise ValueError("views: scale must be positive")
        if self.told.form == "encoding":
            raise ValueError("views: told.form is matrix; models that are told encodings are not known")
