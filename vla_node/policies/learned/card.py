"""The card of a learned policy: its graph, the robot that it was trained for, and how it was trained."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import yaml

from saccade.clock import SEC
from saccade.errors import ConfigError
from saccade.params import build

SHIPPED = Path(__file__).parent / "travel.yaml"


@dataclass(frozen=True, slots=True)
class LearnedCard:
    """`path` is where it was read from; `onnx` lies beside it.

    The rest is the robot it was trained for: its radius, its greatest speeds, and the rows of a chunk.
    """

    name: str
    source: str
    licence: str
    onnx: str
    sha256: str
    radius_m: float
    v_m_s: float
    w_rad_s: float
    dt_s: float
    horizon: int
    trained: dict[str, str] = field(default_factory=dict)
    path: str = ""

    def __post_init__(self) -> None:
        if len(self.sha256) != 64:
            raise ValueError("sha256 is missing; write the file's sha256, 64 hexadecimal digits (sha256sum FILE)")
        for name in ("radius_m", "v_m_s", "w_rad_s", "dt_s", "horizon"):
            if not 0 < getattr(self, name) < 1e3:
                raise ValueError(f"{name} is {getattr(self, name)}; expected a number above 0 and below 1000")

    @property
    def dt_ns(self) -> int:
        """`dt_s` in ns."""
        return round(self.dt_s * SEC)

    @property
    def graph(self) -> Path:
        """The ONNX file."""
        return Path(self.path).parent / self.onnx


def load_card(path: Path = SHIPPED) -> LearnedCard:
    """The card in a file; ConfigError says which key is wrong and which are valid."""
    try:
        document = yaml.safe_load(path.read_text())
    except OSError as error:
        raise ConfigError(f"cannot read the card of a learned policy, {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not YAML: {error}") from error
    if not isinstance(document, dict):
        raise ConfigError(f"{path} holds no card; expected keys such as name, onnx, sha256, radius_m")
    return build(LearnedCard, {**document, "path": str(path)}, str(path))
