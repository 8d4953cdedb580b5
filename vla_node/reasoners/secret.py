"""Secrets come from files that nobody else can read, and never show in what is said or recorded."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from saccade.errors import ConfigError

MOST_BYTES = 8192
HIDDEN = "***"


def read_secret(path: Path | str, what: str) -> str:
    """The text of a file that its owner alone can read, without the white space around it.

    ConfigError where it cannot be read, anyone else could, it belongs to another user, or is empty, too long or not
    ASCII. The file that is looked at is the one that is read.
    """
    path = Path(path).expanduser()
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            raw = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"cannot read {what} {path}: {error.strerror}") from error
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise ConfigError(
            f"{what} {path} can be read by others (mode {stat.S_IMODE(found.st_mode):04o}); chmod 600 {path}"
        )
    if found.st_uid not in (os.geteuid(), 0):
        raise ConfigError(f"{what} {path} belongs to another user (uid {found.st_uid}); chown it to the one that runs")
    text = raw.decode("ascii", "replace").strip()
    if not text or len(raw) > MOST_BYTES or not text.isascii():
        raise ConfigError(f"{what} {path} must hold 1 to {MOST_BYTES} bytes of ASCII; found {len(raw)}")
    return text


def read_token(path: Path | str) -> str:
    """A token in a file of its own, one word; ConfigError, as `read_secret`."""
    token = read_secret(path, "the token file")
    if not all("!" <= c <= "~" for c in token):
        raise ConfigError(f"the token file {path} must hold one word of printable characters and nothing else")
    return token


def write_secret(path: Path, text: str) -> None:
    """A new file that its owner alone can read, from its first byte on; FileExistsError where there is one."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def without(secret: str, text: str) -> str:
    """A text in which a secret does not stand, whoever put it there: servers quote what they were sent."""
    return text.replace(secret, HIDDEN) if secret else text
