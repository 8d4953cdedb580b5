"""Which of several topics that carry the same thing is listened to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, NamedTuple, TypeVar

from saccade.clock import SEC

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
            if heard_ns is not None and now_ns - heard_ns <= self._silence_ns:
                return False
        return False
