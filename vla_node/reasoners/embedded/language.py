"""The bounded instruction language: a strict parser from English to steps. What it does not know, it refuses.

Every clause must match one rule whole; nothing is guessed from a keyword, because a sentence that merely contains
"go to the red box" ("don't …", "… unless …") may mean the opposite.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from vla_node.reasoners.embedded.numbers import NUMBER, number
from vla_node.reasoners.embedded.steps import (
    Climb,
    Drive,
    Explore,
    GoTo,
    Pass,
    Put,
    Return,
    Step,
    Stop,
    Take,
    Turn,
    Until,
    Wait,
)  # fmt: skip
from vla_node.reasoners.embedded.words import COLOUR_WORDS, COLOURS, METRES, SECONDS, SHAPE_WORDS

MAX_TEXT = 500
MAX_STEPS = 20
MAX_DISTANCE_M = 50.0
MAX_HEIGHT_M = 20.0
MAX_ANGLE_RAD = 2 * math.tau
MAX_WAIT_S = 600.0


@dataclass(frozen=True, slots=True)
class _Ending:
    """A clause that gives the exploring before it an end."""

    landmark: GoTo


@dataclass(frozen=True, slots=True)
class Misunderstood:
    """An instruction that will not be acted on: the offending part, and why or what would be understood."""

    part: str
    hint: str

    def __str__(self) -> str:
        return f"not understood: {self.part!r}. {self.hint}"


HELP = (
    "I understand: 'go to the red box', 'come back', 'go forward 2 metres', 'back up 50 cm', 'turn left 90 degrees', "
    "'turn around', 'wait two seconds', 'follow the corridor', 'follow the corridor and stop before the door', "
    "'go straight on until the red pillar', 'explore until you see the green ball', 'stop', "
    "of a robot that flies 'fly through the red gate', 'climb 1 metre', 'descend 50 cm', "
    "and of an arm 'pick up the red box', 'put it on the purple tray', 'put the red box on the purple tray', "
    "joined by ',', 'and' or 'then'. "
    f"Colours: {', '.join(COLOURS)}. Things: {', '.join(w for w in SHAPE_WORDS)}; only a door needs no colour."
)

_N = f"(?P<n>{NUMBER})"
_GO = "(?:go|drive|move|head|walk|roll|fly)"
_LENGTH = f"{_N} ?(?P<unit>{'|'.join(sorted(METRES, key=len, reverse=True))})"
_DURATION = f"{_N} ?(?P<unit>{'|'.join(sorted(SECONDS, key=len, reverse=True))})"
_ONWARD = "(?:forwards?|straight(?: ahead| on| forward)?)"
_FORWARD = f"(?:ahead|{_ONWARD})"  # without a length, "go ahead" may just mean yes
_BACKWARD = f"(?:back up|reverse|{_GO} back(?:wards?)?)"
_SIDE = "(?P<side>left|right)"
_EXPLORE = (
    rf"(?:{_GO} {_ONWARD}|keep going(?: {_ONWARD})?|explore"
    rf"|(?:follow|{_GO} (?:down|along)) (?:the )?(?:corridor|hallway|hall))"
)
_THING = (
    rf"(?:the|a|an|that) (?:(?:(?P<colour>{'|'.join(COLOUR_WORDS)}) )?(?P<shape>{'|'.join(SHAPE_WORDS)})"
    r"|(?P<unknown>[a-z]+(?: [a-z]+)?))"
)
"""A colour and a thing, or one or two words in their place that are refused by name."""
_ON = "(?:on|onto|on to|in|into)"
_LAY = "(?:put|place|set|lay|drop)"
_SEE = "you (?:see|spot|find)"
_REACH = "you (?:reach|get to|come to|are at|arrive at)"
_DEGREES = f"{_N} ?-?(?:degrees?|deg|°)"


def _drive(sign: int) -> Callable[[re.Match[str]], Step | str]:
    def build(match: re.Match[str]) -> Step | str:
        distance_m = number(match["n"]) * METRES[match["unit"]]
        if not 0 < distance_m <= MAX_DISTANCE_M:
            return f"A distance must be above 0 and at most {MAX_DISTANCE_M:g} m."
        return Drive(sign * distance_m)

    return build


def _turn(match: re.Match[str]) -> Step | str:
    degrees = match.groupdict().get("n")
    angle_rad = math.radians(number(degrees)) if degrees else math.pi / 2
    if not 0 < angle_rad <= MAX_ANGLE_RAD:
        return f"An angle must be above 0 and at most {math.degrees(MAX_ANGLE_RAD):g} degrees."
    return Turn(angle_rad if match["side"] == "left" else -angle_rad)


def _with_thing(build: Callable[[GoTo], Step | _Ending]) -> Callable[[re.Match[str]], Step | _Ending | str]:
    def checked(match: re.Match[str]) -> Step | _Ending | str:
        if match["unknown"] is not None:
            return f"I cannot recognise a {match['unknown']!r}. {HELP}"
        shape = SHAPE_WORDS[match["shape"]]
        if match["colour"] is None and shape != "door":
            return f"Say the colour of the {match['shape']}: only a door can be told without. {HELP}"
        return build(GoTo(COLOUR_WORDS.get(match["colour"]), shape))

    return checked


def _put(match: re.Match[str]) -> Step | str:
    """What is put, where it is named, and where; both by colour."""
    found: list[GoTo] = []
    for name in ("what", "where"):
        if match.groupdict().get(name) is None:
            continue
        thing = re.fullmatch(_THING, match[name])
        if thing is None:
            return f"I cannot recognise {match[name]!r}. {HELP}"
        step = _with_thing(lambda landmark: landmark)(thing)
        if not isinstance(step, GoTo):
            return str(step)
        found.append(step)
    return Put(found[-1], found[0] if len(found) > 1 else None)


def _climb(sign: int) -> Callable[[re.Match[str]], Step | str]:
    def build(match: re.Match[str]) -> Step | str:
        height_m = number(match["n"]) * METRES[match["unit"]]
        if not 0 < height_m <= MAX_HEIGHT_M:
            return f"A change of height must be above 0 and at most {MAX_HEIGHT_M:g} m."
        return Climb(sign * height_m)

    return build


def _wait(match: re.Match[str]) -> Step | str:
    seconds = number(match["n"]) * SECONDS[match["unit"]]
    return Wait(seconds) if 0 < seconds <= MAX_WAIT_S else f"A wait may last up to {MAX_WAIT_S:g} s."


_RULES: list[tuple[str, Callable[[re.Match[str]], Step | _Ending | str]]] = [
    (
        rf"(?:{_GO}|drive up|go up|come|get|navigate|travel) (?:over )?(?:to|towards?) {_THING}",
        _with_thing(lambda thing: thing),
    ),
    (
        rf"(?:take(?: hold of)?|pick up|grab(?: hold of)?|grasp|lift(?: up)?|get hold of) {_THING}",
        _with_thing(Take),
    ),
    (rf"(?:pick|lift) {_THING} up", _with_thing(Take)),
    (rf"{_LAY} (?:it|that)(?: down)? {_ON} (?P<where>.+)", _put),
    (rf"{_LAY} (?P<what>.+?) {_ON} (?P<where>.+)", _put),
    (
        rf"(?:{_GO}|pass)(?: on)? through (?:the|a|an|that) (?P<colour>{'|'.join(COLOUR_WORDS)}) (?:gate|frame|hoop)",
        lambda m: Pass(COLOUR_WORDS[m["colour"]]),
    ),
    (rf"(?:climb|rise|ascend|{_GO} up)(?: by)? {_LENGTH}", _climb(+1)),
    (rf"(?:descend|sink|{_GO} down)(?: by)? {_LENGTH}", _climb(-1)),
    (
        r"(?:(?:come|go|drive|head|fly) (?:back|home)|return)"
        r"(?: home| to (?:me|the start|start|where you (?:started|were)|the starting (?:point|place|position)))?",
        lambda m: Return(),
    ),
    (rf"{_GO} {_FORWARD}(?: for| by)? {_LENGTH}", _drive(+1)),
    (rf"{_GO} {_LENGTH} {_FORWARD}", _drive(+1)),
    (rf"{_BACKWARD}(?: for| by)? {_LENGTH}", _drive(-1)),
    (rf"{_GO} {_LENGTH} back(?:wards?)?", _drive(-1)),
    (rf"(?:turn|rotate)(?: to the)? {_SIDE}(?:(?: by)? {_DEGREES})?", _turn),
    (rf"(?:turn|rotate)(?: by)? {_DEGREES}(?: to the)? {_SIDE}", _turn),
    (rf"make a {_SIDE} turn", _turn),
    (r"turn (?:a)?round|(?:make|do) an? (?:180|u)(?: ?-?degrees?)?[- ]turn", lambda m: Turn(math.pi)),
    (rf"(?:wait|pause)(?: for)? {_DURATION}", _wait),
    (_EXPLORE, lambda m: Explore()),
    (rf"{_EXPLORE} (?:(?:until|till)(?: {_REACH})?|up to|to) {_THING}", _with_thing(Until)),
    (rf"{_EXPLORE} (?:until|till) {_SEE} {_THING}", _with_thing(lambda thing: Until(thing, sight=True))),
    (rf"(?:stop|halt) (?:before|in front of|at) {_THING}", _with_thing(_Ending)),
    (
        r"(?:stop|halt|freeze)(?: now| here| immediately| moving| there)?|(?:wait|stay|stand still)(?: here)?",
        lambda m: Stop(),
    ),
]  # fmt: skip
_COMPILED = [(re.compile(pattern), build) for pattern, build in _RULES]
_JOINT = re.compile(r"\s*(?:[,;.!]+(?:\s*(?:and then|then|and)\b)?|\b(?:and then|then|and)\b)\s*")
_POLITE = re.compile(r"^(?:please|now)\s+|\s+(?:please|now)$")


def parse(text: str) -> list[Step] | Misunderstood:
    """Steps of an instruction, or why it is refused as a whole; empty text means stop."""
    if len(text) > MAX_TEXT:
        return Misunderstood(text[:40] + "…", f"An instruction has at most {MAX_TEXT} characters.")
    clean = " ".join(unicodedata.normalize("NFKC", text).lower().split())
    clean = re.sub(r"(?<=\d)\.(?=\d)", "·", clean).strip(" .,;!")  # a decimal point joins nothing
    if not clean:
        return [Stop()] if not text.strip() else Misunderstood(text, HELP)
    steps: list[Step] = []
    for clause in _JOINT.split(clean):
        if not clause:
            return Misunderstood(clean, "A joining word has nothing on one side of it.")
        found = _clause(clause.replace("·", "."))
        why = found if isinstance(found, Misunderstood) else _append(steps, found, clause)
        if why is not None:
            return why
    if len(steps) > MAX_STEPS:
        return Misunderstood(text, f"An instruction has at most {MAX_STEPS} steps.")
    return steps


def says_stop(text: str) -> bool:
    """Whether a text, to whatever reasoner, begins by telling the robot to stop; an empty one does."""
    steps = parse(text)
    return not isinstance(steps, Misunderstood) and isinstance(steps[0], Stop)


def _append(steps: list[Step], found: Step | _Ending, clause: str) -> Misunderstood | None:
    """Put a clause's step behind the others, or end the last of them with it; why not, where it cannot be."""
    if isinstance(found, _Ending):
        if not steps or not isinstance(steps[-1], Explore):
            return Misunderstood(clause, "Say what to do until then: 'follow the corridor and stop before the door'.")
        steps[-1] = Until(found.landmark)
        return None
    if steps and isinstance(steps[-1], Explore | Stop):
        why = f"It has no end, so nothing can follow it; say how far, how long or until what, before {clause!r}."
        return Misunderstood(str(steps[-1]), why)
    steps.append(found)
    return None


def _clause(clause: str) -> Step | _Ending | Misunderstood:
    words = _POLITE.sub("", clause)
    for pattern, build in _COMPILED:
        if match := pattern.fullmatch(words):
            step = build(match)
            return Misunderstood(clause, step) if isinstance(step, str) else step
    return Misunderstood(clause, HELP)
