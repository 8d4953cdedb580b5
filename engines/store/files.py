"""Files that are code: read only where nobody else can have written them, and written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from engines.engine import EngineError

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


class Untrusted(EngineError):
    """A file of the cache that somebody else may have written, or that is not what was verified."""


def private_folder(path: Path) -> Path:
    """Make a folder that only this user can write to, and check one that exists; EngineError where neither can be."""
    if not path.parent.exists():
        private_folder(path.parent)
    try:
        path.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from error
    with _opened_folder(path):
        return path


def read_files(folder: Path, names: tuple[str, ...], root: Path) -> list[bytes]:
    """The content of files in a folder directly under `root`.

    Each file is opened once, relative to its folder, and its owner and permissions are asked of what was opened, so
    that nothing can be exchanged between the check and the use. Owned by this user or by root, not writable by anybody
    else, no symbolic link: else Untrusted, with the command that mends it. FileNotFoundError where there is none.
    """
    with _opened_folder(root) as root_fd, _opened_folder(Path(folder.name), root_fd, folder) as folder_fd:
        return [_read(folder / name, folder_fd) for name in names]


def write_file(path: Path, data: bytes) -> None:
    """Write a file beside its place, to the disk, then into its place; OSError leaves what was there."""
    partial = part_of(path)
    write_part(partial, data)
    put_in_place(partial, path)


def write_part(partial: Path, data: bytes) -> None:
    """Write a new file to the disk, readable by this user alone, or leave nothing of it."""
    fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(fd)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def put_in_place(partial: Path, path: Path) -> None:
    """Give a file that is on the disk its name, and see that the name is on the disk too."""
    os.replace(partial, path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def part_of(path: Path) -> Path:
    """Where a file is written before it is whole: beside it, by this process."""
    return path.with_name(f".{path.name}.part-{os.getpid()}")


def sha256(data: bytes) -> str:
    """The hash that manifests and cards name."""
    return hashlib.sha256(data).hexdigest()


def cannot_write(path: Path, error: OSError) -> EngineError:
    """What to tell of a cache that cannot be written to."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        how = "make room: saccade engine gc --yes removes engines that are of no more use"
    elif error.errno == errno.EROFS:
        how = "build where it can be written, or set XDG_CACHE_HOME to a folder that can"
    elif error.errno in (errno.ENOTDIR, errno.EEXIST):
        how = "a file is where a folder should be: remove it, or set XDG_CACHE_HOME to another folder"
    else:
        how = f"make it yours: sudo chown -R $USER {path.parent}, or set XDG_CACHE_HOME to another folder"
    return EngineError(f"cannot write {path}: {os.strerror(error.errno or 0)}; {how}")


@contextlib.contextmanager
def _opened_folder(path: Path, within: int | None = None, shown: Path | None = None) -> Iterator[int]:
    shown = shown or path
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=within)
    except OSError as error:
        raise _not_opened(shown, error) from error
    try:
        _check_owner(shown, os.fstat(fd))
        yield fd
    finally:
        os.close(fd)


def _read(path: Path, folder_fd: int) -> bytes:
    try:
        fd = os.open(path.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder_fd)
    except OSError as error:
        raise _not_opened(path, error) from error
    with os.fdopen(fd, "rb") as file:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise Untrusted(f"{path} is no regular file; run: rm -r {path}")
        _check_owner(path, found)
        return file.read()


def _not_opened(path: Path, error: OSError) -> Exception:
    if isinstance(error, FileNotFoundError):
        return error
    if error.errno in (errno.ELOOP, errno.ENOTDIR) and path.is_symlink():
        return Untrusted(
            f"{path} is a symbolic link; engines are code and are loaded from the cache itself only. Run: rm {path}"
        )
    return EngineError(f"cannot open {path}: {os.strerror(error.errno or 0)}; expected it to be readable by this user")


def _check_owner(path: Path, found: os.stat_result) -> None:
    user = os.geteuid()
    if found.st_uid not in (user, 0):  # root can change this program as well
        raise Untrusted(
            f"{path} belongs to user {found.st_uid}; engines are code and are loaded only where they belong to this "
            f"user ({user}) or to root. If you trust it: sudo chown {user} {path}; else: rm -r {path}"
        )
    if found.st_mode & _OTHERS_WRITE:
        raise Untrusted(
            f"{path} can be written by others (mode {stat.S_IMODE(found.st_mode):o}); engines are code and are loaded "
            f"only where nobody else can have written them. Run: chmod go-w {path}"
        )
