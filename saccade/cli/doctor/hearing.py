"""Listening to a robot: what came on each topic, how often, of which stamps and frames; and who else is there."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import median

from saccade.cli.record import patient
from saccade.clock import nanoseconds, seconds
from saccade.errors import DataError
from saccade.node import BusEnd
from saccade.poses import Poses
from saccade.topics import BRIDGED, TOPICS, Role, topic
from saccade.wire.codec import codec
from saccade.wire.convert import Cdr, decode_odom, decode_transforms, stamp_ns, starts_with_header
from saccade.wire.endpoints import Peer
from saccade.wire.live import keep_memory
from saccade.wire.open import open_bus
from saccade.wire.reader import BagTopic, open_reader
from saccade.wire.recognise import recognise

_KEPT = 2000
"""Newest stamps and ages of a topic that are looked at."""
_LIVE_S = 5.0
_ALL = (*TOPICS, *BRIDGED)


@dataclass
class Heard:
    """What came on one topic. `stamps_ns` and `ages_ns` are of its newest messages, ages at their arrival."""

    name: str
    count: int = 0
    first_ns: int = 0
    last_ns: int = 0
    gap_ns: int = 0
    stamps_ns: deque[int] = field(default_factory=lambda: deque(maxlen=_KEPT))
    ages_ns: deque[int] = field(default_factory=lambda: deque(maxlen=_KEPT))
    frames: Counter[str] = field(default_factory=Counter)
    corrupt: str = ""
    newest: Cdr = b""

    def put(self, cdr: Cdr, now_ns: int) -> None:
        """One more message."""
        if self.count:
            self.gap_ns = max(self.gap_ns, now_ns - self.last_ns)
        else:
            self.first_ns = now_ns
        self.count, self.last_ns, self.newest = self.count + 1, now_ns, cdr
        if starts_with_header(topic(self.name).type):
            try:
                header = codec().decode(topic(self.name).type, cdr).header
            except DataError as error:
                self.corrupt = str(error)
                return
            stamp = stamp_ns(header.stamp)
            self.stamps_ns.append(stamp)
            self.ages_ns.append(now_ns - stamp)
            self.frames[header.frame_id] += 1

    @property
    def rate_hz(self) -> float:
        """Messages a second; 0 for less than two."""
        passed_ns = self.last_ns - self.first_ns
        return (self.count - 1) / seconds(passed_ns) if passed_ns > 0 else 0.0

    @property
    def age_ns(self) -> int:
        """The middle one of the ages."""
        return round(median(self.ages_ns))

    @property
    def standing(self) -> float:
        """Share of the messages whose stamp is that of the one before."""
        pairs = list(pairwise(self.stamps_ns))
        return sum(a == b for a, b in pairs) / len(pairs) if pairs else 0.0

    @property
    def backwards(self) -> int:
        """How many stamps are older than the one before."""
        return sum(b < a for a, b in pairwise(self.stamps_ns))


@dataclass
class Hearing:
    """All that was heard in a while, and `live` whether just now.

    `own` are the robot's names by ours, of every topic; `peers` is None where nobody can be seen.
    """

    poses: Poses
    own: dict[str, str]
    heard: dict[str, Heard] = field(default_factory=dict)
    peers: list[Peer] | None = None
    live: bool = False

    def senders(self) -> list[Peer]:
        """Who sends anything; what is called like something that our nodes send is theirs."""
        ours = {own for name, own in self.own.items() if topic(name).role in (Role.OUTPUT, Role.INTERNAL)}
        return [peer for peer in self.peers or () if peer.sends and peer.topic not in ours]

    def seen(self) -> set[str]:
        """The canonical topics that are heard, or that others look like."""
        return {*self.heard, *recognise([BagTopic(f"/{peer.topic}", peer.type, 1) for peer in self.senders()])}

    def put(self, name: str, now_ns: int, cdr: Cdr) -> None:
        """One more message on a canonical topic."""
        heard = self.heard.setdefault(name, Heard(name))
        heard.put(cdr, now_ns)
        try:
            if name == "odom":
                self.poses.put(*decode_odom(cdr))
            elif name in ("tf", "tf_static"):
                for stamp, parent, child, T in decode_transforms(cdr):
                    if name == "tf":
                        self.poses.tf.add(parent, child, stamp, T)
                    else:
                        self.poses.tf.set_static(parent, child, T)
        except DataError as error:
            heard.corrupt = str(error)


def listen(
    url: str, rules: Mapping[str, str], names: Collection[str], base_frame: str, for_s: float | None = None
) -> Hearing:
    """Listen to canonical topics on a bus for so long: 5 s unless told, of a recording all; see `Hearing`.

    `rules` are the robot's own names, {ours: its}. A recording is heard as it is, not as a `bag:` bus would mend it.
    """
    scheme, _, rest = url.partition(":")
    if scheme == "bag":
        return _recording(Path(rest), rules, names, base_frame, for_s)
    keep_memory()
    bus = open_bus(_addressed(patient(url), rules), names)
    try:
        own_name = getattr(bus, "own_name", str)
        hearing = Hearing(Poses(base_frame, 0.0), {name: own_name(name) for name in _ALL})
        end_ns = bus.now_ns() + nanoseconds(_LIVE_S if for_s is None else for_s)
        while bus.now_ns() < end_ns:
            if (sample := bus.recv(end_ns)) is not None:
                hearing.put(sample.topic, sample.stamp_ns, sample.cdr)
        if hasattr(bus, "peers"):
            hearing.peers, hearing.live = bus.peers(), True
    except BusEnd:
        pass
    finally:
        bus.close()
    return hearing


def _recording(
    path: Path, rules: Mapping[str, str], names: Collection[str], base_frame: str, for_s: float | None
) -> Hearing:
    own = {name: rules.get(topic(name).wire_name, topic(name).wire_name).strip("/") for name in _ALL}
    hearing, ours = Hearing(Poses(base_frame, 0.0), own), {own[name]: name for name in names}
    reader = open_reader(path)
    try:
        hearing.peers = [Peer(b.topic.strip("/"), b.type, True) for b in reader.topics if b.count]
        wanted = {
            b.topic: b.type for b in reader.topics
            if (name := ours.get(b.topic.strip("/"))) and topic(name).type == b.type
        }  # fmt: skip
        begin_ns = None
        for record in reader.records(wanted):
            begin_ns = record.stamp_ns if begin_ns is None else begin_ns
            if for_s is not None and record.stamp_ns - begin_ns > nanoseconds(for_s):
                break
            hearing.put(ours[record.topic.strip("/")], record.stamp_ns, record.cdr)
    finally:
        reader.close()
    return hearing


def _addressed(url: str, rules: Mapping[str, str]) -> str:
    """The address of a bus on which topics have the robot's own names; worlds of our own have ours."""
    if not rules or url.partition(":")[0] not in ("dds", "ros"):
        return url
    url = url if ":" in url else f"{url}:"
    return f"{url}{'&' if '?' in url else '?'}" + "&".join(f"remap={name}:={own}" for name, own in rules.items())
