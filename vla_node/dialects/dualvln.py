"""DualVLN, the dual system of InternVLA-N1 (arXiv:2512.08186; github.com/InternRobotics/InternNav): its slow half.

    320 240         a pixel of the picture to go to: x, then y
    ←←              turns of 15 degrees; → to the right, ↑ 25 cm forward, any number in a row
    ↓               look down: it wants to see the floor before it points
    STOP            the instruction has been carried out

The question is the published one. In training a pixel always comes after a ↓: upstream tilts the camera, or sends the
same picture again where it cannot, and asks "you can see" once more. So does this: ↓ is an `AskAgain`. Upstream shrinks
pictures to 384x384 in the first question and not in the second; here the current picture is sent alike both times, so
that a pixel means the same whenever it comes. Order: the model writes x y and InternNav's agent hands on [y, x], which
is what the parameter `dualvln_order` is for. Upstream takes any two numbers found anywhere, and ignores all words
beside arrows. The four latents for its fast half come from inside the model, not in text; a server may send {"latents":
[[...] * 4]}. They are refused unless the fast policy is declared to take them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from saccade.types import Plan, PlanKind
from vla_node.dialects.base import (
    MOST_CHARS,
    AskAgain,
    DialectError,
    Question,
    earlier,
    picture,
    rgb,
    told,
    understood,
    within,
)
from vla_node.dialects.markup import keyed, numbers, plain_json
from vla_node.dialects.params import DialectParams
from vla_node.dialects.plans import Forward, Step, Stop, Turn, of_steps, to_pixels
from vla_node.planner import Observation, make_plan

HISTORY, HISTORY_PX, LONGEST_PX = 8, 384, 640
LATENTS, LATENT_SIZES, LATENT_CHARS = 4, (1, 8192), 1_000_000
_PIXEL = re.compile(r"(\d{1,4})(?: *, *| +)(\d{1,4})|\[ *(\d{1,4}) *, *(\d{1,4}) *\]", re.ASCII)
_ARROWS: dict[str, Step] = {"↑": Forward(0.25), "←": Turn(15.0), "→": Turn(-15.0)}
LOOK_DOWN = "↓"


@dataclass(frozen=True, slots=True)
class DualVln:
    """See the module."""

    name: ClassVar[str] = "dualvln"
    params: DialectParams = field(default_factory=DialectParams)

    def ask(self, observation: Observation) -> Question:
        """See `Dialect.ask`: up to eight pictures of the history, 384x384, then the current one."""
        return Question("", self._first(observation), max_tokens=128)

    def read(self, text: str, observation: Observation) -> Plan:
        """See `Dialect.read`."""
        most = LATENT_CHARS if self.params.dualvln_latents else MOST_CHARS
        return understood(self._read, text, observation, most)

    def _first(self, observation: Observation) -> tuple[Any, ...]:
        words = (
            f"You are an autonomous navigation assistant. Your task is to {told(observation)}. Where should you go "
            "next to stay on track? Please output the next waypoint's coordinates in the image. Please output STOP "
            "when you have successfully completed the task."
        )
        history = [rgb(shot, HISTORY_PX, HISTORY_PX) for shot in earlier(observation, HISTORY)]
        past = [f"{words} These are your historical observations: ", *history] if history else [words]
        return (*past, "you can see ", *self._now(observation))

    def _now(self, observation: Observation) -> tuple[Any, ...]:
        image = picture(observation)
        return (rgb(image, *within(image, LONGEST_PX)),)

    def _read(self, text: str, observation: Observation) -> Plan:
        if text == LOOK_DOWN:
            again = Question(
                "", ("you can see ", *self._now(observation)), max_tokens=128,
                before=((self._first(observation), LOOK_DOWN),),
            )  # fmt: skip
            raise AskAgain("it wants to look down before it points", text, again)
        if text == "STOP":
            return of_steps(observation, [Stop()])
        if text.startswith("{"):
            return self._latents(text, observation)
        pixel = _PIXEL.fullmatch(text)
        if pixel:
            return self._point([int(n) for n in pixel.groups() if n is not None], observation)
        arrows = "".join(text.split())
        strange = arrows.strip("".join(_ARROWS))
        if strange:
            raise DialectError(f"{strange[:40]!r} is neither a pixel, nor arrows, nor STOP")
        return of_steps(observation, [_ARROWS[arrow] for arrow in arrows])

    def _point(self, pair: list[int], observation: Observation) -> Plan:
        x, y = pair if self.params.dualvln_order == "xy" else pair[::-1]
        image = picture(observation)
        width, height = within(image, LONGEST_PX)
        if x >= width or y >= height:
            raise DialectError(f"pixel ({x}, {y}) is outside the picture of {width}x{height} that was sent")
        u = (x + 0.5) * image.data.shape[1] / width - 0.5
        v = (y + 0.5) * image.data.shape[0] / height - 0.5
        return to_pixels(observation, [(u, v)], self.params.standoff_m, f"pixel ({u:.0f}, {v:.0f})")

    def _latents(self, text: str, observation: Observation) -> Plan:
        if not self.params.dualvln_latents:
            raise DialectError("latents, and dualvln_latents says that the fast policy does not take them")
        rows = keyed(plain_json(text), "the answer", ("latents",))["latents"]
        if not isinstance(rows, list) or len(rows) != LATENTS or not isinstance(rows[0], list):
            raise DialectError(f'"latents" is no list of {LATENTS} lists')
        if not LATENT_SIZES[0] <= len(rows[0]) <= LATENT_SIZES[1]:
            raise DialectError(f"latents of {len(rows[0])} numbers; expected {LATENT_SIZES[0]} to {LATENT_SIZES[1]}")
        values = np.array([numbers(row, "a latent", len(rows[0]), -1e6, 1e6) for row in rows])
        return make_plan(observation, PlanKind.LATENT, f"{LATENTS} latents", values=values.ravel())
