"""Recordings as buses: what was recorded comes back on virtual time, under canonical names and in canonical frames."""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeVar
from urllib.parse import parse_qsl

import numpy as np

from saccade.clock import MS, SEC
from saccade.errors import ConfigError, DataError, choices
from saccade.geometry import Pinhole
from saccade.node import Sample
from saccade.topics import topic
from saccade.wire.convert import Cdr, decode, decode_camera, decode_odom, decode_transforms, encode_transforms, stamp_ns
from saccade.wire.frames import Frames, Link, OdomRewriter, arrange
from saccade.wire.ground import Ground, find_ground
from saccade.wire.images import decode_depth
from saccade.wire.mapping import NO_ODOMETRY, choose, read_mapping_file
from saccade.wire.mapping import Mapping as TopicMapping
from saccade.wire.reader import Record, open_reader
from saccade.wire.virtual import VirtualBus

T = TypeVar("T")
_CAMERAS = ("rgbd/depth/image", "left/image", "rgbd/color/image")
"""Beginnings of the topics whose frames must be tied to base_link, the one to rely on first."""
_FIRST = 20
"""How many messages of a topic are looked at before playing."""
_FUTURE_NS = 100 * MS


def open_recording(
    path: Path | str, mapping: Path | None = None, camera_height_m: float | None = None, *, odometry: bool = True
) -> Recording:
    """Open a recording and decide what to play; see `Recording`. DataError or ConfigError when it cannot be used.

    `camera_height_m` above the ground is used where neither the recording nor the mapping file tells. Without
    `odometry` its own is left out, for a node that tells it from pictures.
    """
    return Recording(Path(path), mapping, camera_height_m, odometry)


def open_bag(
    rest: str,
    reads: Collection[str],
    writes: Collection[str],
    *,
    latency_ns: Mapping[str, int] | None = None,
    pace: float | None = None,
) -> VirtualBus:
    """The opener of `bag:PATH[?mapping=FILE]`; plays what is in `reads`, or everything when that is empty."""
    path, _, query = rest.partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    for key in options:
        if key != "mapping":
            raise ConfigError(f"bag:{rest} has an unknown option {key!r}; {choices(key, ['mapping'])}")
    recording = open_recording(path, Path(options["mapping"]) if "mapping" in options else None)
    return VirtualBus(recording.source(reads, recording.close), latency_ns=latency_ns, pace=pace)


class Recording:
    """A recording that can be played, any number of times. Print `mapping` to see what is played and assumed."""

    def __init__(
        self, path: Path, mapping: Path | None = None, camera_height_m: float | None = None, odometry: bool = True
    ) -> None:
        file = read_mapping_file(mapping)
        if file.camera_height_m is None:
            file = replace(file, camera_height_m=camera_height_m)
        self._reader = open_reader(path)
        self._problems: list[str] = []
        self._fixed = b""  # tf_static as recorded: to encode it anew may change last digits, and with them commands
        try:
            self.mapping: TopicMapping = choose(self._reader.topics, file, self._problems)
            if not odometry:
                self._leave_out_odometry()
            self._frames = self._look()
        except DataError as error:
            self.close()
            raise DataError("\n".join([f"{path}: {error}", *self.problems])) from error
        self.mapping.assumptions += self._frames.assumptions
        if "tf" in self.mapping.topics and not (odometry and self._frames.keeps_odom):
            del self.mapping.topics["tf"]
            self.mapping.assumptions.append("moving transforms are not played, as they belong to the recorded odometry")

    @property
    def problems(self) -> list[str]:
        """What is wrong with the recording, in whole sentences; playing it may find more."""
        return [*self._reader.problems, *self._problems]

    def source(self, only: Collection[str] = (), on_close: Callable[[], None] = lambda: None) -> BagSource:
        """The recording from its start, all topics or `only` these."""
        return BagSource(self._samples(frozenset(only)), self._reader.end_ns, on_close)

    def close(self) -> None:
        """Release the files; sources of this recording end."""
        self._reader.close()

    def _leave_out_odometry(self) -> None:
        self._problems = [problem for problem in self._problems if problem != NO_ODOMETRY]
        if left_out := self.mapping.topics.pop("odom", None):
            self.mapping.assumptions.append(f"{left_out.topic} is not played: odometry is told from the pictures")

    def _look(self) -> Frames:
        """Look at the first messages: frames, fixed transforms, whether velocity is recorded, how old stamps are."""
        fixed = list(self._first("tf_static", decode_transforms, None))
        links: list[Link] = [link[1:] for _, transforms in fixed for link in transforms]
        cameras: list[str] = []
        for name in (n for prefix in _CAMERAS for n in self.mapping.topics if n.startswith(prefix)):
            for record, msg in islice(self._first(name, partial(decode, name), _FIRST), 1):
                self._judge_stamp(name, record, stamp_ns(msg.header.stamp))
                cameras.append(msg.header.frame_id)
        odom = list(self._first("odom", decode_odom, _FIRST))
        for record, (state, _) in odom[:1]:
            self._judge_stamp("odom", record, state.stamp_ns)
        poses = [state_and_child for _, state_and_child in odom]
        frames = arrange(poses, cameras, links, self.mapping.file, self._ground())
        if len(fixed) == 1 and len(frames.links) == len(links) and all(map(operator.is_, frames.links, links)):
            self._fixed = bytes(fixed[0][0].cdr)
        return frames

    def _ground(self) -> Ground | None:
        """What the first depth image shows below the camera; only a depth camera can tell before anything runs."""
        name = next((name for name in self.mapping.topics if name.startswith("rgbd/depth/image")), "")
        depth = next(self._first(name, partial(decode_depth, name), 1), None)
        info = next(self._first("rgbd/depth/camera_info", decode_camera, 1), None)
        if depth is None or info is None:
            return None
        (_, (_, _, depth_m)), (_, (_, model)) = depth, info
        M = model.P if model.P.any() else model.K
        if depth_m.shape != (model.height, model.width) or not (M[0, 0] > 0 < M[1, 1] and np.isfinite(M).all()):
            return None  # the nodes will say what is wrong with it
        return find_ground(depth_m, Pinhole(M[0, 0], M[1, 1], M[0, 2], M[1, 2], model.width, model.height))

    def _first(self, name: str, decoder: Callable[[Cdr], T], at_most: int | None) -> Iterator[tuple[Record, T]]:
        """The first messages of one canonical topic, without those that are corrupt, which is said."""
        b = self.mapping.topics.get(name)
        corrupt = 0
        for record in islice(self._reader.records({b.topic: b.type}), at_most) if b else ():
            try:
                yield record, decoder(record.cdr)
            except DataError as error:
                corrupt += 1
                if corrupt == 1:
                    self._problems.append(f"{name} holds corrupt messages, the first of them because {error}.")

    def _judge_stamp(self, name: str, record: Record, header_stamp_ns: int) -> None:
        """Say in `problems` when a header stamp is no good for telling how old the data is."""
        age_ns, stale_ns = record.stamp_ns - header_stamp_ns, topic(name).stale_ns
        if age_ns > stale_ns or age_ns < -_FUTURE_NS:
            self._problems.append(
                f"{name} arrived {age_ns / SEC:.3f} s after its header stamp, which is outside of "
                f"{-_FUTURE_NS / SEC:.1f} to {stale_ns / SEC:.1f} s: the gate will hold the robot. "
                f"Record with the clocks of sensors and recorder synchronised."
            )

    def _samples(self, only: frozenset[str]) -> Iterator[Sample]:
        names: dict[str, list[str]] = {}
        wanted: dict[str, str] = {}
        for name, b in self.mapping.topics.items():
            if name != "tf_static" and (not only or name in only):
                names.setdefault(b.topic, []).append(name)
                wanted[b.topic] = b.type
        rewriter = None if self._frames.keeps_odom else OdomRewriter(self._frames)
        links = self._frames.links if not only or "tf_static" in only else []
        newest_ns, back = -1, _JumpsBack(self._problems)
        for bag_topic, stamp, cdr in self._reader.records(wanted):
            if stamp < newest_ns:
                back.add(bag_topic, newest_ns - stamp)
            if links:
                yield Sample("tf_static", stamp, self._fixed or encode_transforms(stamp, links))
                links = []
            newest_ns = max(stamp, newest_ns)
            for name in names[bag_topic]:
                yield Sample(name, newest_ns, _rewritten(rewriter, cdr) if rewriter and name == "odom" else cdr)


def _rewritten(rewriter: OdomRewriter, cdr: Cdr) -> Cdr:
    try:
        return rewriter(cdr)
    except DataError:
        return cdr  # the nodes diagnose it like any other corrupt message


class _JumpsBack:
    """Counts messages whose log time lies before an earlier one's, in one problem that is kept up to date."""

    def __init__(self, problems: list[str]) -> None:
        self._problems, self._count, self._worst_ns, self._text = problems, 0, 0, ""

    def add(self, bag_topic: str, by_ns: int) -> None:
        """One more message."""
        self._count, self._worst_ns = self._count + 1, max(self._worst_ns, by_ns)
        if self._text:
            self._problems.remove(self._text)
        self._text = (
            f"{self._count} message(s), such as of {bag_topic}, are up to {self._worst_ns / SEC:.3f} s out of order "
            f"in log time; they are played late, at the time of the newest before them, with their header stamps kept."
        )
        self._problems.append(self._text)


class BagSource:
    """The world of a recording, see `Source`. It holds one message at a time."""

    def __init__(self, samples: Iterator[Sample], end_ns: int, on_close: Callable[[], None]) -> None:
        self._samples, self._on_close = samples, on_close
        self._next = next(samples, None)
        self.start_ns = self._next.stamp_ns if self._next else end_ns
        self.end_ns = end_ns

    def next_ns(self) -> int | None:
        """See `Source.next_ns`."""
        return self._next.stamp_ns if self._next else None

    def take(self) -> Sample:
        """See `Source.take`."""
        sample = self._next
        if sample is None:
            raise IndexError("the recording is over")
        self._next = next(self._samples, None)
        return sample

    def advance(self, to_ns: int) -> None:
        """Nothing moves in a recording."""

    def heard(self, topic: str, cdr: Cdr, now_ns: int) -> None:
        """A recording does not listen."""

    def close(self) -> None:
        """See `Source.close`."""
        self._next, self._samples = None, iter(())
        self._on_close()
