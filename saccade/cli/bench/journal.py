"""What a long bench has found so far, on the disk: one that was killed goes on from there, and nothing is played twice.

The first line says what plays the episodes: everything of Saccade, the libraries and the machine. Each further one is
an episode that is over, with all that defines it. A journal of anything else is refused, never mixed in.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import json
import os
import platform
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from saccade.cli.episodes.episode import Episode
from saccade.cli.machine import cpu, versions
from saccade.errors import ConfigError
from saccade.paths import share
from saccade.robots import robot_file

ROOMS = ("saccade", "engines", "perception_node", "map_node", "vla_node", "safety_node", "sim")
_LIBRARIES = ("mujoco", "mink", "numba")
"""That worlds, arms and maps are made with, beside those that matching is."""


class Journal:
    """Outcomes of episodes by what defines these, see `key_of`; a context manager that holds its file.

    `outcomes`: those that are there. ConfigError for a journal that holds anything but `wanted` episodes of this
    runtime, or that another bench writes just now. Without a `path` nothing is kept on the disk.
    """

    def __init__(self, path: Path | None, bench: str, wanted: Iterable[Episode]) -> None:
        self.outcomes: dict[str, dict[str, Any]] = {}
        self._path, self._file = path, None if path is None else _opened(path)
        if self._file is not None:
            try:
                episodes = list(wanted)
                head = {"bench": bench, "robot": robots_of(episodes), **played_by()}
                self._read(self._file, head, set(map(key_of, episodes)))
            except BaseException:
                self._file.close()
                raise

    def add(self, episode: Episode, outcome: dict[str, Any]) -> None:
        """Keep what became of an episode; it is on its way to the disk when this returns."""
        key, text = key_of(episode), json.dumps(outcome)
        self.outcomes[key] = json.loads(text)  # as it would be read again, so that both give the same
        if self._file is not None:
            _append(self._file, f'{{"episode": {key}, "outcome": {text}}}')

    def remove(self) -> None:
        """All that is in it is elsewhere now."""
        if self._path is not None:
            self._path.unlink()

    def _read(self, file: BinaryIO, head: dict[str, Any], wanted: set[str]) -> None:
        file.seek(0)
        lines = [line for line in file if line.endswith(b"\n")]  # without what was being written when it was killed
        if not lines:
            file.truncate(0)
            _append(file, json.dumps(head))
            return
        try:
            begun, *rows = (json.loads(line) for line in lines)
            found = {_text(row["episode"]): dict(row["outcome"]) for row in rows}
            changed = [name for name in head if begun.get(name) != head[name]]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigError(f"{self._path} is not a journal of a bench: move it away") from error
        if changed:
            raise ConfigError(
                f"{self._path} was begun with another {' and another '.join(changed)}: what it holds would not be "
                "found again. Go on with what it was begun with, or remove it to begin anew"
            )
        if foreign := [key for key in found if key not in wanted]:
            raise ConfigError(
                f"{self._path} holds {len(foreign)} episodes that were not asked for, such as {foreign[0]}. Ask for "
                "at least what it was begun with, or remove it to begin anew"
            )
        file.truncate(sum(map(len, lines)))
        self.outcomes.update(found)

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()


def key_of(episode: Episode) -> str:
    """All that defines an episode, as JSON: errand, seed, variant with what it changes, faults."""
    return _text(asdict(episode))


def robots_of(episodes: Iterable[Episode]) -> dict[str, str]:
    """SHA-256 of each robot's file that episodes are played with."""
    paths = {robot: robot_file(robot) for robot in sorted({episode.errand.robot for episode in episodes})}
    try:
        return {robot: hashlib.sha256(path.read_bytes()).hexdigest() for robot, path in paths.items()}
    except OSError as error:
        raise ConfigError(f"cannot read parameter file {error.filename}: {error.strerror}") from error


def played_by() -> dict[str, Any]:
    """What outcomes depend on besides the episode: `runtime`, a hash of all that ships, libraries, processor."""
    folders = [Path(spec.origin).parent for room in ROOMS if (spec := importlib.util.find_spec(room)) and spec.origin]
    return {
        "runtime": hash_of(*folders, share("config")), "python": platform.python_version(),
        "libraries": versions(_LIBRARIES), "cpu": cpu(),
    }  # fmt: skip


def hash_of(*folders: Path) -> str:
    """SHA-256 of the names and the content of all files in these folders, without Python's and Numba's caches."""
    whole = hashlib.sha256()
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                whole.update(f"{path.relative_to(folder)} {path.stat().st_size}\n".encode())
                whole.update(path.read_bytes())
    return whole.hexdigest()


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _opened(path: Path) -> BinaryIO:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+b")
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}; give another --json") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # let go by the kernel when the bench dies
    except BlockingIOError as error:
        file.close()
        raise ConfigError(f"another bench writes {path}: let it end, or give another --json") from error
    return file


def _append(file: BinaryIO, line: str) -> None:
    file.write(line.encode() + b"\n")
    file.flush()
    os.fsync(file.fileno())
