"""Where a reasoner runs: addresses as written in parameters, checked before anything is opened."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from saccade.errors import ConfigError

_CHAT = "/chat/completions"


@dataclass(frozen=True, slots=True)
class Url:
    """An HTTP address that holds no secret."""

    tls: bool
    host: str
    port: int
    path: str

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}{self.path}"


def chat_url(text: str) -> Url:
    """Where an OpenAI-compatible server takes questions: `http://host:8000`, `…/v1` or the whole path; ConfigError."""
    example = "expected http://HOST:PORT or https://HOST[:PORT][/v1]"
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigError(f"{text!r} is no address: {error}; {example}") from error
    if parts.username is not None or parts.password is not None:
        raise ConfigError("an address must not hold a name or password; put a token into a file (token_file)")
    if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment or not text.isascii():
        raise ConfigError(f"{text!r} is no address of an OpenAI-compatible server; {example}")
    if any(c.isspace() for c in text):
        raise ConfigError(f"{text!r} is no address: it has a space in it; {example}")
    tls = parts.scheme == "https"
    path = parts.path.rstrip("/") or "/v1"
    return Url(tls, host, port or (443 if tls else 80), path if path.endswith(_CHAT) else path + _CHAT)


def tcp(text: str) -> tuple[str, int]:
    """Host and port of `tcp://HOST:PORT`, as ZeroMQ takes it; ConfigError."""
    host, _, port = text.removeprefix("tcp://").rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not text.startswith("tcp://") or not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise ConfigError(f"{text!r} is no address; expected tcp://HOST:PORT, such as tcp://127.0.0.1:5570")
    return host, int(port)


def loopback(host: str) -> bool:
    """Whether a host is this machine and nobody else can be in between."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
