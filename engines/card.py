"""A card says how to use a model somebody else made: what it wants, what it gives, and where it comes from.

Cards are YAML. An unknown key is an error that names the nearest valid one; a card without licence is not loaded.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import yaml

from engines.compiler import BuildPlan
from engines.convention import DEPTH_UNITS, STEREO_UNITS, Colour, Output, Size
from engines.options import IN_THE_GRAPH, BmOptions, OpenVinoOptions, OrtOptions, SgbmOptions, TrtOptions
from engines.views.convention import Views
from saccade.errors import ConfigError, choices
from saccade.params import build, plain
from saccade.paths import user_data

__all__ = ["CARDS", "TEMPLATES", "Adapted", "BmOptions", "BuildPlan", "Card", "Colour", "Golden", "OrtOptions",
           "Output", "ProbeLimits", "Runtime", "Second", "SgbmOptions", "Size", "Tolerance", "added_cards",
           "card_names", "load_card", "with_options", "with_runtime"]  # fmt: skip

Runtime = Literal["onnxruntime", "openvino", "tensorrt"]

CARDS = Path(__file__).parent / "cards"
TEMPLATES = CARDS / "foreign"
"""Cards of models whose weights are not ours to ship; `saccade engine add` fills in `onnx` and `sha256`."""


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
class Second:
    """A second graph that goes on where the first ends.

    `group_correlation`: the first gives features of both pictures, the runtime correlates them in groups of channels
    (Guo et al., CVPR 2019), and the second takes that volume and, by their names, the features it asks for.
    `coarse_first`: the first matches the pictures at half their size, and the second starts from what it found.
    """

    onnx: str
    sha256: str
    step: Literal["group_correlation", "coarse_first"]
    input: str
    """The second graph's input for the volume, or for the coarse result."""
    left: str = ""
    right: str = ""
    """Names of the features to correlate."""
    normalise: bool = True
    """Whether features are made unit vectors, group by group, before they are correlated."""


@dataclass(frozen=True, slots=True)
class Adapted:
    """Whence an adapted network comes (see `saccade adapt`), and the figures by which it was judged."""

    parent: str
    parent_sha256: str
    recording: str
    pairs: int
    learned_from: int
    judged_by: int
    seed: int
    steps: int
    ranks: dict[str, int]
    """Of the adapters, by the name of the weight."""
    before: dict[str, float]
    after: dict[str, float]


@dataclass(frozen=True, slots=True)
class ProbeLimits:
    """How well a stereo model must match the pairs of the probe, and how far they are taken."""

    max_disparity: int = 48
    """Largest disparity shown, in pixels of the picture that the model sees."""
    median_px: float = 0.5
    bad_px: float = 3.0
    bad_share: float = 0.25
    """Largest share of the pixels that both cameras see that may be off by more than `bad_px`, or be none."""

    def __post_init__(self) -> None:
        if self.max_disparity < 8 or min(self.median_px, self.bad_px) <= 0 or not 0 < self.bad_share < 0.5:
            raise ValueError("probe: max_disparity is at least 8, median_px and bad_px positive, bad_share 0..0.5")


@dataclass(frozen=True, slots=True)
class Card:
    """One model. `path` is where the card was read from; files it names lie beside it."""

    name: str
    kind: Literal["stereo", "depth", "multiview"]
    backend: Literal["sgbm", "bm", "onnx"]
    source: str
    licence: str
    verified: tuple[str, ...] = ()
    """Which of what this card says was read where, and what was not."""
    left: str = "left"
    """Name of the model's input for the left picture, or for the only one."""
    right: str = "right"
    onnx: str = ""
    sha256: str = ""
    second: Second | None = None
    colour: Colour = field(default_factory=Colour)
    size: Size = field(default_factory=Size)
    output: Output = field(default_factory=Output)
    views: Views | None = None
    """For kind multiview, in place of `left`, `right` and `output`."""
    baked: dict[str, float] = field(default_factory=dict)
    """Constants inside the graph that hold for one rig only, such as f*B; said here so that nobody trusts them."""
    trained: dict[str, str] = field(default_factory=dict)
    """Of our own networks: on what, for how long, with which seed, and how good it was then."""
    golden: Golden | None = None
    adapted: Adapted | None = None
    probe: ProbeLimits = field(default_factory=ProbeLimits)
    runtime: Runtime = "onnxruntime"
    """What runs the graph. All but onnxruntime compile it first: `saccade engine build`."""
    build: BuildPlan = field(default_factory=BuildPlan)
    """How it is compiled."""
    meanwhile: Literal["", "onnxruntime"] = ""
    """What runs while no verified engine is there: nothing, so that nothing starts, or the CPU until one is built."""
    ort: OrtOptions = field(default_factory=OrtOptions)
    openvino: OpenVinoOptions = field(default_factory=OpenVinoOptions)
    tensorrt: TrtOptions = field(default_factory=TrtOptions)
    sgbm: SgbmOptions = field(default_factory=SgbmOptions)
    bm: BmOptions = field(default_factory=BmOptions)
    path: str = ""

    def __post_init__(self) -> None:
        units = DEPTH_UNITS if self.kind == "depth" else STEREO_UNITS
        if self.output.unit not in units:
            raise ValueError(f"{self.name}: output.unit of kind {self.kind} is one of {', '.join(units)}")
        if self.backend == "onnx" and not (self.onnx and len(self.sha256) == 64):
            raise ValueError(f"{self.name}: backend onnx needs `onnx` (a file beside the card) and its `sha256`")
        if self.backend != "onnx" and self.runtime != "onnxruntime":
            raise ValueError(f"{self.name}: runtime {self.runtime} runs ONNX graphs; backend {self.backend} has none")
        if (self.kind == "multiview") != (self.views is not None):
            raise ValueError(f"{self.name}: `views` belongs to kind multiview, and to no other; this is {self.kind}")
        if self.views and (self.runtime != "onnxruntime" or self.second or self.colour.layout != "nchw"):
            raise ValueError(f"{self.name}: kind multiview is one graph in onnxruntime, with colour.layout nchw")
        if self.second is not None and self.build.precision in IN_THE_GRAPH:
            raise ValueError(f"{self.name}: build.precision of two graphs is fp32 or bf16; export them in less bits")

    def beside(self, file: str) -> Path:
        """A file that the card names."""
        return Path(self.path).parent / file

    @property
    def max_disparity(self) -> float:
        """The largest disparity that the model can give, in pixels of the picture it sees; infinite where not known."""
        if self.backend == "onnx":
            return self.output.max_disparity or math.inf
        return float((self.sgbm if self.backend == "sgbm" else self.bm).disparities)


def load_card(name_or_path: str | Path, **options: Any) -> Card:
    """A card by name or path; `options` replace those of its backend, e.g. `disparities=128`.

    Names are those of `engines/cards`, then those of the models that `saccade engine add` has put into `added_cards()`.

    ConfigError says which key or card does not exist and which is nearest.
    """
    path = Path(name_or_path)
    if path.suffix not in (".yaml", ".yml"):
        places = (folder / f"{name_or_path}.yaml" for folder in (CARDS, added_cards()))
        found = next((place for place in places if place.is_file()), None)
        if found is None:
            if (TEMPLATES / f"{name_or_path}.yaml").is_file():
                how = f"saccade engine add --card {name_or_path} --onnx FILE (docs/models.md)"
                raise ConfigError(f"{name_or_path} is a foreign model; add it first: {how}")
            if path.suffix == ".onnx":
                how = f"saccade engine add --card CARD --onnx {path} (docs/models.md)"
                raise ConfigError(f"{path} is a model; add it with a card that says how to use it: {how}")
            valid = card_names() + card_names(added_cards())
            raise ConfigError(f"no card {str(name_or_path)!r}; {choices(str(name_or_path), valid)}, or a path")
        path = found
    try:
        document = yaml.safe_load(path.read_text())
    except OSError as error:
        raise ConfigError(f"cannot read card {path}: {error.strerror}") from error
    except Exception as error:  # yaml lets through what its constructors stumble over, such as the 32nd of a month
        raise ConfigError(f"{path} is not YAML: {error}") from error
    if not isinstance(document, dict):
        raise ConfigError(f"{path} holds no card; expected keys such as name, kind, backend")
    return with_options(build(Card, {**document, "path": str(path)}, str(path)), options)


def with_options(card: Card, options: dict[str, Any]) -> Card:
    """The same card with some of its backend's options replaced."""
    if not options:
        return card
    runtime = "ort" if card.runtime == "onnxruntime" else card.runtime
    key = runtime if card.backend == "onnx" else card.backend
    known = getattr(card, key)
    where = f"options of card {card.name!r}"
    return replace(card, **{key: build(type(known), {**plain(known), **options}, where)})


def with_threads(card: Card, threads: int) -> Card:
    """The same card with so many threads for its graph, whichever of ONNX Runtime and OpenVINO runs it."""
    return replace(card, ort=replace(card.ort, intra_threads=threads), openvino=replace(card.openvino, threads=threads))


def with_runtime(card: Card, runtime: str = "", precision: str = "", meanwhile: str = "") -> Card:
    """The same card for this machine: its runtime, precision or `meanwhile` replaced where one is given.

    So one card serves machines with and without a GPU. ConfigError for what does not exist or does not fit the card.
    """
    given = {"runtime": runtime, "meanwhile": meanwhile}
    fields: dict[str, Any] = {key: value for key, value in given.items() if value}
    if precision:
        fields["build"] = {**plain(card.build), "precision": precision}
    if not fields:
        return card
    where = f"runtime of card {card.name!r}"
    return build(Card, {**plain(card), **fields}, where)


def card_names(folder: Path = CARDS) -> list[str]:
    """Names of the cards in a folder; without one, of those that ship with Saccade."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def added_cards() -> Path:
    """The folder of the cards and models that the user has added; it need not exist."""
    return user_data() / "engines"
