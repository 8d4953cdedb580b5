"""Words of the bounded language: colours, shapes, and units by what they are in SI."""

from __future__ import annotations

COLOURS = ("red", "orange", "yellow", "green", "cyan", "blue", "purple", "magenta", "white", "grey", "black")

COLOUR_WORDS = {**{c: c for c in COLOURS}, "violet": "purple", "pink": "magenta", "gray": "grey", "turquoise": "cyan"}
SHAPE_WORDS = {
    "box": "box", "cube": "box", "crate": "box", "block": "box",
    "cylinder": "cylinder", "pillar": "cylinder", "column": "cylinder", "post": "cylinder",
    "ball": "ball", "sphere": "ball",
    "door": "door", "tray": "tray",
    "object": None, "thing": None, "one": None,
}  # fmt: skip
METRES = {"m": 1.0, "cm": 0.01, "foot": 0.3048, "feet": 0.3048, "ft": 0.3048} | {
    f"{prefix}met{end}{s}": scale
    for prefix, scale in (("", 1.0), ("centi", 0.01))
    for end in ("er", "re")
    for s in ("", "s")
}
SECONDS = {"s": 1.0, "sec": 1.0, "secs": 1.0, "second": 1.0, "seconds": 1.0, "minute": 60.0, "minutes": 60.0}
