"""Which of several topics that carry the same thing is listened to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, NamedTuple, TypeVar

from perception_node.sync import Stamps
from saccade.clock import SEC
from saccade.errors import DataError
from saccade.inbox import Arrival
from saccade.wire.convert import decode, stamp_ns
from saccade.wire.diagnostics import Level
from saccade.wire.health import Refused

Key = TypeVar("Key")

PICTURES = tuple(f"{name}{suffix}" for name in ("image_rect", "image_raw") for suffix in ("", "/compressed"))
"""Names of a camera's pictures, best first: rectified before raw, plain before compressed."""
RGBD_COLOUR = ("rgbd/color/image_rect", "rgbd/color/image_rect/compressed")
RGBD_DEPTH = ("rgbd/depth/image_rect", "rgbd/depth/image_rect/compressedDepth")


class Message(NamedTuple):
    """A message not yet decoded: nothing is decoded before it is known to be used."""

    topic: str
    cdr: bytes | memoryview

    @property
    def rectified(self) -> bool:
        """Whether the topic says that its pictures are rectified."""
        return "image_rect" in self.topic

    @property
    def compressed(self) -> bool:
        """Whether decoding takes milliseconds."""
        return self.topic.endswith("/compressed")


class Choice(Generic[Key]):
    """Listens to the best-ranked source that was heard within the last second, and to no other."""

    def __init__(self, ranked: Sequence[Key], silence_ns: int = SEC) -> None:
        self._ranked = ranked
        self._silence_ns = silence_ns
        self._heard_ns: dict[Key, int] = {}

    def takes(self, source: Key, now_ns: int) -> bool:
        """Whether a message that just came from `source` is to be used."""
        self._heard_ns[source] = now_ns
        for better in self._ranked:
            if better == source:
                return True
            heard_ns = self._heard_ns.get(better)
            # What was heard before the clock went back is not heard now.
            if heard_ns is not None and 0 <= now_ns - heard_ns <= self._silence_ns:
                return False
        return False


def capture_ns(message: Message) -> int:
    """The header stamp of a message; Refused where it cannot be read."""
    try:
        return stamp_ns(decode(message.topic, message.cdr).header.stamp)
    except DataError as error:
        raise Refused("images", "corrupt picture", f"{message.topic}: {error}") from error


def accept(arrival: Arrival, stamps: Stamps, topic: str, now_ns: int, stale_ns: int) -> None:
    """Refuse a message whose stamp does not move forward."""
    if arrival is Arrival.ACCEPTED:
        return
    if stamps.frozen(now_ns, stale_ns):
        raise Refused("sync", "frozen stamps", f"stamps of {topic} stand still while messages keep coming")
    raise Refused("sync", arrival.value, f"{topic}: {arrival.value}; the message is not used", Level.WARN)
