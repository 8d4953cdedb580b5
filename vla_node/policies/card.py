"""A policy card says how to use a model somebody else made: where it is, what it is shown, and what it answers.

Cards are YAML. An unknown key is an error that names the valid ones; what is missing is an error that says what to
write, for a unit, a frame or a time step that was guessed is a robot that moves wrongly.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

import yaml

from saccade.clock import nanoseconds
from saccade.errors import ConfigError, choices
from saccade.params import build
from saccade.paths import user_data
from vla_node.clients.base import MOST_BYTES
from vla_node.policies.answered import ActionPart, Actions
from vla_node.policies.base import PolicySpec
from vla_node.policies.shown import DepthPart, Entry, ImagePart, Part, Statistics, required

__all__ = ["CARDS", "ActionPart", "Actions", "DepthPart", "Entry", "ImagePart", "LeRobot", "Part",
           "PolicyCard", "Statistics", "added_cards", "card_names", "load_card"]  # fmt: skip

CARDS = Path(__file__).parent / "cards"
Protocol = Literal["openpi", "gr00t", "lerobot", "http", "zmq", "onnx", "replay", "stub"]
_REMOTE = {"address", "timeout_s", "most_bytes"}
_OWN = {
    "openpi": {*_REMOTE, "token_file", "ca_file"}, "gr00t": {*_REMOTE, "token_file"}, "http": _REMOTE,
    "lerobot": {*_REMOTE, "allow_pickle", "lerobot"}, "zmq": {*_REMOTE, "keys"},
    "onnx": {"onnx", "sha256", "timeout_s"}, "replay": {"recording", "by"}, "stub": {"rows"},
}  # fmt: skip
_EXAMPLE = {"openpi": "ws://127.0.0.1:8000", "gr00t": "tcp://127.0.0.1:5555", "lerobot": "127.0.0.1:8080",
            "http": "http://127.0.0.1:8000", "zmq": "tcp://127.0.0.1:5600"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class LeRobot:
    """What LeRobot's server is told to load: a `policy_type` (act, smolvla, pi0) from a folder or name of the hub."""

    policy_type: str = ""
    pretrained: str = ""
    device: str = ""

    def __post_init__(self) -> None:
        required("lerobot.policy_type", self.policy_type, "what LeRobot calls the policy, e.g. policy_type: act")
        required("lerobot.pretrained", self.pretrained, "the folder or hub name that the server loads")
        required("lerobot.device", self.device, "the server's device, e.g. device: cuda")


@dataclass(frozen=True, slots=True)
class PolicyCard:
    """One policy. `path` is where the card was read from; files it names lie beside it."""

    name: str = ""
    protocol: Protocol | None = None
    about: str = ""
    """Where the model comes from, under which licence, and what of this card was read where."""
    address: str = ""
    timeout_s: float | None = None
    """An answer that takes longer is none."""
    most_bytes: int = MOST_BYTES
    token_file: str = ""
    ca_file: str = ""
    """Certificates of authorities, beside the card, that are trusted instead of the system's; for wss:// alone."""
    allow_pickle: bool = False
    """LeRobot's messages are pickles. Ours are read without running them, but it is asked for all the same."""
    lerobot: LeRobot | None = None
    keys: str = ""
    """This robot's folder of keys for our own protocol, beside the card; `saccade serve keys` makes it."""
    onnx: str = ""
    sha256: str = ""
    recording: str = ""
    by: Literal["time", "sequence"] | None = None
    """Whether a replayed chunk is chosen by its time, or one after the other."""
    rows: tuple[tuple[float, ...], ...] = ()
    """What a stub answers, in SI; one row is repeated."""
    observation: tuple[Entry, ...] = ()
    actions: Actions | None = None
    path: str = ""

    def __post_init__(self) -> None:
        required("name", self.name, "what the policy is called")
        protocol = required("protocol", self.protocol, f"one of {', '.join(_OWN)}")
        required("actions", self.actions, "kind, frame, dt_s, horizon and parts")
        self._check_owned(protocol)
        if protocol in _EXAMPLE:
            required("address", self.address, f"where the server is, e.g. address: {_EXAMPLE[protocol]}")
        if "timeout_s" in _OWN[protocol]:
            timeout_s = required("timeout_s", self.timeout_s, "seconds after which an answer is none, e.g. 0.3")
            if not 0.001 <= timeout_s <= 60:
                raise ValueError(f"timeout_s is {timeout_s}; expected 0.001 to 60")
        if not 1024 <= self.most_bytes <= 2**31 - 1:
            raise ValueError(f"most_bytes is {self.most_bytes}; expected 1024 to 2147483647")
        self._check_protocol(protocol)
        self._check_observation(protocol)

    @property
    def spec(self) -> PolicySpec:
        """What a policy of this card answers with."""
        actions = self.moves
        cameras = tuple(dict.fromkeys(e.image.camera for e in self.observation if e.image))
        promised = any(entry.promised for entry in self.observation)
        horizon = required("horizon", actions.horizon, "")
        return PolicySpec(
            self.name, actions.action_kind, actions.axes, actions.dt_ns, horizon, cameras, takes_promised=promised,
            depth=any(entry.depth for entry in self.observation),
        )  # fmt: skip

    @property
    def moves(self) -> Actions:
        """`actions`, which every card has."""
        assert self.actions is not None
        return self.actions

    @property
    def timeout_ns(self) -> int:
        """`timeout_s` in ns."""
        return nanoseconds(self.timeout_s or 0.0)

    def beside(self, file: str) -> Path:
        """A file that the card names."""
        return Path(self.path).parent / file

    def _check_owned(self, protocol: str) -> None:
        """Nothing is given that this protocol would not look at."""
        for field in fields(self):
            owners = [name for name, own in _OWN.items() if field.name in own]
            if owners and protocol not in owners and getattr(self, field.name) != field.default:
                raise ValueError(
                    f"{field.name} is not for protocol {protocol}; remove it ({', '.join(owners)} have it)"
                )

    def _check_protocol(self, protocol: str) -> None:
        if protocol == "onnx":
            required("onnx", self.onnx, "the ONNX file beside the card")
            if len(self.sha256) != 64:
                raise ValueError("sha256 is missing; write the file's sha256, 64 hexadecimal digits (sha256sum FILE)")
        elif protocol == "lerobot":
            required("lerobot", self.lerobot, "policy_type, pretrained and device")
            if not self.allow_pickle:
                raise ValueError(
                    "LeRobot answers with pickles; to have them read, as data only, write allow_pickle: true"
                )
        elif protocol == "replay":
            required("recording", self.recording, "the recording whose chunks are replayed, beside the card")
            required("by", self.by, "time or sequence")
        elif protocol == "stub":
            rows = required("rows", self.rows, "one row to be repeated, or all of them, e.g. rows: [[0.2, 0.0]]")
            if {len(row) for row in rows} != {len(self.moves.axes)} or len(rows) not in (1, self.moves.horizon):
                raise ValueError(f"rows: expected 1 or {self.moves.horizon} rows of {len(self.moves.axes)} numbers")

    def _check_observation(self, protocol: str) -> None:
        if not self.observation and protocol not in ("replay", "stub"):
            raise ValueError("observation is missing; write the keys that the model is shown")
        keys = [(entry.group, entry.key) for entry in self.observation]
        if len(set(keys)) != len(keys) or {group for group, _ in keys if group} & {k for g, k in keys if not g}:
            raise ValueError("observation: two entries have the same key")
        if protocol in ("onnx", "lerobot"):
            for entry in self.observation:
                if entry.group or (protocol == "onnx" and entry.text):
                    raise ValueError(f"observation {entry.key!r}: {protocol} takes no group, and an ONNX graph no text")


def load_card(name_or_path: str | Path) -> PolicyCard:
    """A card by name or path. Names are those of `policies/cards`, then of `added_cards()`.

    ConfigError says which key or card does not exist and which are valid.
    """
    path = Path(name_or_path)
    if path.suffix not in (".yaml", ".yml"):
        places = (folder / f"{name_or_path}.yaml" for folder in (CARDS, added_cards()))
        found = next((place for place in places if place.is_file()), None)
        if found is None:
            valid = card_names() + card_names(added_cards())
            raise ConfigError(f"no policy card {str(name_or_path)!r}; {choices(str(name_or_path), valid)}, or a path")
        path = found
    try:
        document = yaml.safe_load(path.read_text())
    except OSError as error:
        raise ConfigError(f"cannot read policy card {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not YAML: {error}") from error
    if not isinstance(document, dict):
        raise ConfigError(f"{path} holds no policy card; expected keys such as name, protocol, observation, actions")
    return build(PolicyCard, {**document, "path": str(path)}, str(path))


def card_names(folder: Path = CARDS) -> list[str]:
    """Names of the policy cards in a folder; without one, of those that ship with Saccade."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def added_cards() -> Path:
    """The folder of the policy cards that the user has added; it need not exist."""
    return user_data() / "policies"
