"""A card says how to use a model somebody else made: what it wants, what it gives, and where it comes from.

Cards are YAML. An unknown key is an error that names the nearest valid one; a card without licence is not loaded.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import yaml

from saccade.errors import ConfigError, choices
from saccade.params import build, plain

CARDS = Path(__file__).parent / "cards"


@dataclass(frozen=True, slots=True)
class Colour:
    """How a model wants its pictures: order of channels, value of white, then (x - mean) / std per channel.

    `dtype` is what the model's inputs hold; uint8 takes pixels as they are and allows no scaling.
    """

    order: Literal["grey", "rgb", "bgr"] = "grey"
    white: float = 255.0
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    dtype: Literal["uint8", "float32"] = "uint8"
    layout: Literal["hw", "nchw", "nhwc"] = "hw"

    def __post_init__(self) -> None:
        channels = 1 if self.order == "grey" else 3
        if len(self.mean) not in (1, channels) or len(self.std) not in (1, channels):
            raise ValueError(f"colour: mean and std need 1 or {channels} numbers for order {self.order!r}")
        if min(self.std) <= 0 or self.white <= 0:
            raise ValueError("colour: std and white must be positive")
        if self.dtype == "uint8" and (self.white != 255 or set(self.mean) != {0.0} or set(self.std) != {1.0}):
            raise ValueError("colour: uint8 inputs cannot be scaled or normalised; set dtype: float32")
        if self.layout == "hw" and self.order != "grey":
            raise ValueError(f"colour: layout hw has no channels for order {self.order!r}; use nchw or nhwc")


@dataclass(frozen=True, slots=True)
class Size:
    """How a picture is made to fit: as it is, halved until it has at most `max_pixels`, padded or resized.

    `pad` adds rows below and columns at the right up to the next multiple of `stride`. `resize` goes to
    `width` x `height`; left at 0, to the nearest multiple of `stride`.
    """

    rule: Literal["as_is", "halve", "pad", "resize"] = "as_is"
    stride: int = 1
    width: int = 0
    height: int = 0
    max_pixels: int = 0

    def __post_init__(self) -> None:
        if self.stride < 1 or min(self.width, self.height, self.max_pixels) < 0:
            raise ValueError("size: stride must be at least 1, and width, height and max_pixels not negative")
        if self.rule == "halve" and not self.max_pixels:
            raise ValueError("size: rule halve needs max_pixels")


@dataclass(frozen=True, slots=True)
class Output:
    """The model's disparity: its name, sign, unit, and how many of its pixels lie along one input pixel."""

    name: str = "disparity"
    sign: Literal["positive", "negative"] = "positive"
    unit: Literal["px", "width_fraction"] = "px"
    resolution: float = 1.0
    unit_at: Literal["input", "output"] = "input"
    """Pixels of the model's input picture, or of its (perhaps smaller) output."""
    confidence: str = ""
    """Name of a uint8 or 0..1 confidence output, if the model has one."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far an engine may be from its reference: the largest error, cosine, and share of values off by `bad_over`."""

    max_abs: float = 0.01
    cosine: float = 0.9999
    bad_over: float = 0.005
    bad_fraction: float = 0.001


@dataclass(frozen=True, slots=True)
class Golden:
    """Arrays the model was seen to turn into each other: two .npz beside the card, keyed by tensor name."""

    inputs: str
    outputs: str
    tolerance: Tolerance = field(default_factory=Tolerance)


@dataclass(frozen=True, slots=True)
class OrtOptions:
    """ONNX Runtime: providers in order of preference, threads, and whether falling back to another is allowed."""

    providers: tuple[str, ...] = ("CPUExecutionProvider",)
    intra_threads: int = 2
    inter_threads: int = 1
    allow_fallback: bool = False


@dataclass(frozen=True, slots=True)
class SgbmOptions:
    """OpenCV's semi-global block matching; disparities and windows in pixels of the picture it is given."""

    mode: Literal["3way", "sgbm", "hh"] = "3way"
    disparities: int = 64
    block: int = 5
    p1: int = 200
    p2: int = 800
    uniqueness: int = 10
    """Per cent by which the best match must beat the second."""
    left_right_px: int = 1
    """Largest disagreement of the left-right check, at least 1; -1 turns it off."""
    speckle_px: int = 60
    """Islands smaller than this are discarded; 0 keeps them."""

    def __post_init__(self) -> None:
        if self.disparities <= 0 or self.disparities % 16:
            raise ValueError(f"sgbm: disparities is {self.disparities}; expected a positive multiple of 16")
        if self.left_right_px < 1 and self.left_right_px != -1:
            raise ValueError(f"sgbm: left_right_px is {self.left_right_px}; expected at least 1, or -1")
        if self.block < 1 or self.block % 2 == 0 or not 0 < self.p1 < self.p2:
            raise ValueError("sgbm: block must be odd and 0 < p1 < p2")


@dataclass(frozen=True, slots=True)
class Card:
    """One model. `path` is where the card was read from; files it names lie beside it."""

    name: str
    kind: Literal["stereo"]
    backend: Literal["sgbm", "onnx"]
    source: str
    licence: str
    left: str = "left"
    right: str = "right"
    onnx: str = ""
    sha256: str = ""
    colour: Colour = field(default_factory=Colour)
    size: Size = field(default_factory=Size)
    output: Output = field(default_factory=Output)
    baked: dict[str, float] = field(default_factory=dict)
    """Constants inside the graph that hold for one rig only, such as f*B; said here so that nobody trusts them."""
    golden: Golden | None = None
    ort: OrtOptions = field(default_factory=OrtOptions)
    sgbm: SgbmOptions = field(default_factory=SgbmOptions)
    path: str = ""

    def __post_init__(self) -> None:
        if self.backend == "onnx" and not (self.onnx and len(self.sha256) == 64):
            raise ValueError(f"{self.name}: backend onnx needs `onnx` (a file beside the card) and its `sha256`")

    def beside(self, file: str) -> Path:
        """A file that the card names."""
        return Path(self.path).parent / file


def load_card(name_or_path: str | Path, **options: Any) -> Card:
    """A card by name (see `engines/cards`) or path; `options` replace those of its backend, e.g. `disparities=128`.

    ConfigError says which key or card does not exist and which is nearest.
    """
    path = Path(name_or_path)
    if path.suffix not in (".yaml", ".yml"):
        path = CARDS / f"{name_or_path}.yaml"
        if not path.is_file():
            raise ConfigError(f"no card {str(name_or_path)!r}; {choices(str(name_or_path), card_names())}, or a path")
    try:
        document = yaml.safe_load(path.read_text())
    except OSError as error:
        raise ConfigError(f"cannot read card {path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not YAML: {error}") from error
    if not isinstance(document, dict):
        raise ConfigError(f"{path} holds no card; expected keys such as name, kind, backend")
    return with_options(build(Card, {**document, "path": str(path)}, str(path)), options)


def with_options(card: Card, options: dict[str, Any]) -> Card:
    """The same card with some of its backend's options replaced."""
    if not options:
        return card
    where = f"options of card {card.name!r}"
    if card.backend == "sgbm":
        return replace(card, sgbm=build(SgbmOptions, {**plain(card.sgbm), **options}, where))
    return replace(card, ort=build(OrtOptions, {**plain(card.ort), **options}, where))


def card_names() -> list[str]:
    """Names of the cards that ship with Saccade."""
    return sorted(path.stem for path in CARDS.glob("*.yaml"))
