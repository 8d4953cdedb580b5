"""What a dialect is: how a family of models is asked, and what may be understood of its answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from saccade.errors import SaccadeError
from saccade.types import U8, Image, Plan
from vla_node.lift import LiftError
from vla_node.planner import Observation

MOST_CHARS = 16_384
"""A longer answer is refused before anything else looks at it."""
QUOTED_CHARS = 240
"""How much of an offending answer an error quotes."""
SPACE = " \t\r\n"
"""What may stand around an answer and its parts; of the many other blanks none is expected."""


class DialectError(SaccadeError):
    """A question that cannot be asked, or an answer that is not exactly what was asked for: the robot must stop.

    `reason` says what is wrong; `text` is the answer, or its beginning and end, as it came.
    """

    def __init__(self, reason: str, text: str = "") -> None:
        self.reason, self.text = reason, clipped(text)
        super().__init__(f"{reason}; the answer was {self.text!r}" if text else reason)


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """What is sent to a model: the system's words, then one message of the user.

    parts: words and pictures (h, w, 3) RGB uint8, in the order in which they are sent. `temperature` and `max_tokens`
    are what the model was published with, or what its answer needs. `before` holds what was asked and answered
    earlier in the same exchange, oldest first: each the parts of the user's message, and the model's words. An answer
    is complete with the first of `ends` that it contains: what would come after is neither waited for nor read.
    """

    system: str
    parts: tuple[str | U8, ...]
    temperature: float = 0.0
    max_tokens: int = 1024
    before: tuple[tuple[tuple[str | U8, ...], str], ...] = ()
    ends: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """All of it as text for the record, a picture as its size."""
        said = [self.system]
        for parts, answer in self.before:
            said += [*map(_in_words, parts), f"[answered] {answer}"]
        return "\n".join(filter(None, (*said, *map(_in_words, self.parts))))


class AskAgain(DialectError):
    """The model wants to be asked once more before it answers: `question` is what to send; not sent, it is a stop."""

    def __init__(self, reason: str, text: str, question: Question) -> None:
        super().__init__(reason, text)
        self.question = question


class Dialect(Protocol):
    """One way to ask and to understand; it remembers nothing, so that the same words always mean the same plan."""

    @property
    def name(self) -> str:
        """As in the registry."""

    def ask(self, observation: Observation) -> Question:
        """The question about this observation. DialectError where something that it needs is missing."""

    def read(self, text: str, observation: Observation) -> Plan:
        """The plan that an answer to this observation's question stands for.

        DialectError for anything that is not completely understood: nothing is repaired, guessed, or left out. It is an
        AskAgain where one more question about the same observation may lead on.
        """


def clipped(text: str) -> str:
    """At most QUOTED_CHARS of a text: its beginning and its end."""
    if len(text) <= QUOTED_CHARS:
        return text
    half = QUOTED_CHARS // 2
    return f"{text[:half]} ... {len(text) - 2 * half} more ... {text[-half:]}"


def bounded(text: str, most: int = MOST_CHARS) -> str:
    """An answer without the white space around it. DialectError when it is empty or longer than `most`."""
    if len(text) > most:
        raise DialectError(f"{len(text)} characters long; at most {most} are read", text)
    stripped = text.strip(SPACE)
    if not stripped:
        raise DialectError("nothing was answered")
    return stripped


def understood(
    read: Callable[[str, Observation], Plan], text: str, observation: Observation, most: int = MOST_CHARS
) -> Plan:
    """What `read` makes of an answer of bounded length; a DialectError or LiftError comes out quoting the answer."""
    try:
        return read(bounded(text, most), observation)
    except AskAgain:
        raise
    except (DialectError, LiftError) as error:
        reason = error.reason if isinstance(error, DialectError) else str(error)
        raise DialectError(reason, text) from error


def _in_words(part: str | U8) -> str:
    return part if isinstance(part, str) else f"[{part.shape[1]}x{part.shape[0]} picture]"


def picture(observation: Observation) -> Image:
    """The picture that is asked about. DialectError where there is none."""
    if observation.image is None:
        raise DialectError(f"there is no picture to ask about: {observation.blind or 'none came'}")
    return observation.image


def rgb(image: Image, width: int = 0, height: int = 0) -> U8:
    """A picture (h, w, 3) RGB uint8, resized where a size in pixels is given; grey becomes three equal channels."""
    data = image.data
    if data.ndim == 2:
        data = np.repeat(data[:, :, None], 3, axis=2)
    if (width or height) and data.shape[:2] != (height, width):
        data = cv2.resize(data, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    return np.ascontiguousarray(data)


def within(image: Image, longest_px: int) -> tuple[int, int]:
    """(width, height) of a picture that is made no longer than this on either side, in its own proportions."""
    height, width = image.data.shape[:2]
    scale = min(1.0, longest_px / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def earlier(observation: Observation, count: int) -> tuple[Image, ...]:
    """Up to `count` pictures of the history, spread evenly over it from the oldest to the newest, in order."""
    frames = observation.history
    if len(frames) <= count:
        return tuple(frame.image for frame in frames)
    return tuple(frames[i].image for i in np.linspace(0, len(frames) - 1, count).round().astype(int))


def told(observation: Observation) -> str:
    """The instruction, and what the operator has said since."""
    return ". ".join((observation.instruction.strip().rstrip("."), *observation.feedback))
