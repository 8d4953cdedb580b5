"""One build an engine: a lock that the kernel lets go of when its holder dies, and what the holder is doing."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from engines.compiler import Progress
from engines.engine import EngineError
from engines.store.files import cannot_write, private_folder

_LOOK_S = 0.2
_ROOM = 1024
"""Bytes in the file that say what its holder is doing."""


@contextlib.contextmanager
def locked(path: Path, progress: Progress, stop: threading.Event) -> Iterator[Progress]:
    """Hold the lock at `path`; while another process holds it, wait and pass on what that one is doing.

    What the `with` gives is told the progress in turn, for those who wait, and passes it on. `flock` belongs to the
    open file, so a holder that is killed leaves no lock behind. `stop` ends the waiting with KeyboardInterrupt.
    EngineError where the file cannot be made, or the file system has no locks.
    """
    private_folder(path.parent)
    fd = _held(path, progress, stop)

    def told(what: str, share: float) -> None:
        with contextlib.suppress(OSError):  # a full disk must not end the build for the sake of its bar
            text = json.dumps({"what": what[:80], "share": share, "pid": os.getpid()}).encode()
            os.pwrite(fd, text.ljust(_ROOM), 0)
        progress(what, share)

    try:
        yield told
    finally:
        os.close(fd)


def _held(path: Path, progress: Progress, stop: threading.Event) -> int:
    while True:
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise cannot_write(path, error) from error
        try:
            while not _taken(fd, path):
                progress(*_doing(fd))
                if stop.wait(_LOOK_S):
                    raise KeyboardInterrupt
            if _still_there(fd, path):
                return fd
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)  # it was cleaned away while we waited: another one may be held by somebody already


def _taken(fd: int, path: Path) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:  # such as of a network's file system
        raise EngineError(
            f"cannot lock {path}: {error.strerror}; set XDG_CACHE_HOME to a folder on a disk of this machine"
        ) from error
    return True


def _still_there(fd: int, path: Path) -> bool:
    try:
        return os.fstat(fd).st_ino == path.stat().st_ino
    except FileNotFoundError:
        return False


def _doing(fd: int) -> tuple[str, float]:
    """What the holder wrote last."""
    try:
        said = json.loads(os.pread(fd, _ROOM, 0))
        return f"process {said['pid']} builds it: {said['what']}", float(said["share"])
    except (ValueError, KeyError, TypeError):
        return "another process builds it", 0.0
