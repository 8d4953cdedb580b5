"""Parameters of what is asked for plans: the section `planner.reasoner` of the VLA node's."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from saccade.params import param
from vla_node.dialects.params import DialectParams
from vla_node.reasoners.address import chat_url, loopback, tcp


@dataclass(frozen=True, slots=True)
class ReasonerParams:
    """Who plans, where it runs, and how long it is waited for. What `kind` has no use for must be left empty."""

    kind: Literal["embedded", "openai", "zmq"] = param(
        "embedded", "embedded: the one that needs no model; openai: a server of chat completions; zmq: our own"
    )
    address: str = param("", "openai: http(s)://HOST:PORT[/v1]; zmq: tcp://HOST:PORT")
    model: str = param("", "openai: name of the model, as the server has it")
    dialect: str = param("", "how the model is asked and understood; zmq: empty where the server answers with plans")
    deadline_s: float = param(8.0, "an answer that takes longer is none", low=0, high=600.0)
    token_file: str = param("", "openai: file with a bearer token, readable by its owner alone")
    ca_file: str = param("", "openai: certificates of authorities that are trusted instead of the system's")
    plain_http: bool = param(False, "openai: allow http:// beyond this machine, where others may read along and answer")
    keys: str = param("", "zmq: folder with this robot's CURVE keys; empty only where the server is on this machine")
    depth: bool = param(False, "zmq: send the depth image too")
    jpeg_quality: int = param(90, "of the pictures that are sent", low=1, high=100)
    retries: int = param(2, "openai: how often a failed question is asked again, within the deadline", low=0, high=10)
    backoff_s: float = param(0.25, "openai: wait before the first of them, doubled for each", low=0, high=30.0)
    failures: int = param(3, "openai: failed calls in a row after which the server is left alone", low=1, high=1000)
    open_s: float = param(5.0, "openai: for how long, until one call finds out whether it works", low=0, high=600.0)
    seed: int = param(0, "openai: of the model's sampling and of the jitter between retries", low=0, high=2**31 - 1)

    dialects: DialectParams = field(default_factory=DialectParams)

    def __post_init__(self) -> None:
        for name, low, high in (
            ("deadline_s", 0.01, 600), ("jpeg_quality", 1, 100), ("retries", 0, 10), ("backoff_s", 0, 30),
            ("failures", 1, 1000), ("open_s", 0, 600), ("seed", 0, 2**31 - 1),
        ):  # fmt: skip
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"reasoner.{name} is {value}; expected {low:g} to {high:g}")
        takes = {
            "embedded": (),
            "openai": ("address", "model", "dialect", "token_file", "ca_file", "plain_http"),
            "zmq": ("address", "dialect", "keys", "depth"),
        }
        for name in {name for names in takes.values() for name in names} - set(takes[self.kind]):
            if getattr(self, name):
                raise ValueError(f"reasoner.{name} is set, which a reasoner of kind {self.kind} has no use for")
        if self.kind == "openai":
            self._check_openai()
        if self.kind == "zmq" and not self.keys and not loopback(tcp(self.address)[0]):
            raise ValueError(
                f"reasoner.address {self.address} is another machine, which takes reasoner.keys; "
                "`saccade serve keys` makes them"
            )

    def _check_openai(self) -> None:
        for name in ("model", "dialect"):
            if not getattr(self, name):
                raise ValueError(f"reasoner.{name} is empty; a reasoner of kind openai needs one")
        url = chat_url(self.address)
        if not url.tls and not loopback(url.host) and not self.plain_http:
            raise ValueError(
                f"reasoner.address {self.address} is plain http to another machine, where others may read along and "
                "answer in its place: use https or a tunnel, or set reasoner.plain_http"
            )
