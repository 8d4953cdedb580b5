"""Keys for CURVE (ZeroMQ RFC 26): who a server answers, and which server a robot trusts.

A folder of keys, as `saccade serve keys` makes it:

    server.key_secret          stays on the server (mode 600)
    server.key                 the server's public half
    clients/NAME.key           public halves of those who may ask; removing one shuts that robot out
    robots/NAME/               what goes to that robot: client.key_secret (mode 600) and server.key

The files are certificates as czmq and pyzmq write them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import zmq

from saccade.errors import ConfigError
from vla_node.reasoners.secret import read_secret, write_secret

_KEY = re.compile(r'^\s*(public|secret)-key\s*=\s*"([!-~]{40})"\s*$', re.MULTILINE)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True)
class Pair:
    """Both halves of a key, Z85 (40 ASCII characters each)."""

    public: bytes
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ClientKeys:
    """A robot's own pair, and the public half of the only server that it speaks with."""

    own: Pair
    server: bytes


def make_server(folder: Path) -> bool:
    """Make a server's pair in a folder unless it has one; whether it was made now."""
    _folder(folder)
    _folder(folder / "clients")
    if (folder / "server.key_secret").exists():
        server_pair(folder)
        return False
    pair = _new_pair()
    _write(folder / "server.key_secret", pair, secret=True)
    _write(folder / "server.key", pair, secret=False)
    return True


def make_robot(folder: Path, name: str) -> Path:
    """Make a pair for a robot and let it in; the folder that goes to it. ConfigError where the name is taken."""
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{name!r} is no name of a robot; expected letters, digits, - and _")
    server, out = server_pair(folder), folder / "robots" / name
    if out.exists() or (folder / "clients" / f"{name}.key").exists():
        raise ConfigError(f"{folder} has keys of a robot {name!r}; give another name, or remove those first")
    pair = _new_pair()
    _folder(out.parent)
    _folder(out)
    _write(out / "client.key_secret", pair, secret=True)
    _write(out / "server.key", server, secret=False)
    _write(folder / "clients" / f"{name}.key", pair, secret=False)
    return out


def server_pair(folder: Path | str) -> Pair:
    """The pair of a server's folder of keys; ConfigError where it cannot be used."""
    return _pair(Path(folder).expanduser() / "server.key_secret", "the server's key")


def client_keys(folder: Path | str) -> ClientKeys:
    """The keys in a robot's folder; ConfigError where they cannot be used."""
    folder = Path(folder).expanduser()
    return ClientKeys(_pair(folder / "client.key_secret", "the robot's key"), _public(folder / "server.key"))


class Allowed:
    """Says whether a client may speak with the server, as pyzmq's authenticator asks it.

    The folder is read anew for each connection: keys can be added and removed while the server runs.
    """

    def __init__(self, folder: Path | str) -> None:
        self._clients = Path(folder).expanduser() / "clients"

    def callback(self, domain: str, key: bytes) -> bool:
        """Whether `key`, Z85, is that of a client which has its public half here. A file that is no key counts not."""
        for path in self._clients.glob("*.key"):
            try:
                if _public(path) == key:
                    return True
            except ConfigError:
                continue
        return False


def _new_pair() -> Pair:
    public, secret = zmq.curve_keypair()
    return Pair(public, secret)


def _folder(path: Path) -> None:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot make the folder {path}: {error.strerror}") from error


def _write(path: Path, pair: Pair, *, secret: bool) -> None:
    lines = ["metadata", "curve", f'    public-key = "{pair.public.decode()}"']
    if secret:
        lines.append(f'    secret-key = "{pair.secret.decode()}"')
    text = "\n".join((*lines, ""))
    try:
        if secret:
            write_secret(path, text)
        else:
            path.write_text(text)
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}") from error


def _pair(path: Path, what: str) -> Pair:
    found = dict(_KEY.findall(read_secret(path, what)))
    if set(found) != {"public", "secret"}:
        raise ConfigError(f"{path} is not a pair of CURVE keys; `saccade serve keys DIR` makes one")
    pair = Pair(found["public"].encode(), found["secret"].encode())
    try:
        fits = zmq.curve_public(pair.secret) == pair.public
    except (ValueError, zmq.ZMQError):
        fits = False
    if not fits:
        raise ConfigError(f"{path}: the two keys are not halves of one pair; `saccade serve keys DIR` makes one")
    return pair


def _public(path: Path) -> bytes:
    try:
        found = dict(_KEY.findall(path.read_text("ascii")))
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read the key {path}: {error}") from error
    if set(found) != {"public"}:
        raise ConfigError(f"{path} must hold a public CURVE key and nothing else; `saccade serve keys DIR` makes one")
    return str(found["public"]).encode()
