"""Numbers as people write them: digits, decimals and number words up to the hundreds."""

from __future__ import annotations

_UNITS = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
]  # fmt: skip
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_VALUES = {word: i for i, word in enumerate(_UNITS)} | {word: 10 * i for i, word in enumerate(_TENS, 2)}

_BELOW_TEN = "|".join(_UNITS[1:10])
_BELOW_HUNDRED = rf"(?:{'|'.join(_TENS)})(?:[ -](?:{_BELOW_TEN}))?|{'|'.join(reversed(_UNITS))}"
NUMBER = (
    rf"(?:\d{{1,4}}(?:\.\d{{1,3}})?|(?:{_BELOW_TEN}|an?) hundred(?: (?:{_BELOW_HUNDRED}))?|{_BELOW_HUNDRED}"
    r"|half an?|an?)"
)
"""Regular expression of everything that `number` reads."""


def number(text: str) -> float:
    """Value of a text that matches NUMBER."""
    if text[0].isdigit():
        return float(text)
    if text.startswith("half"):
        return 0.5
    total = 0
    for word in text.replace("-", " ").split():
        if word == "hundred":
            total *= 100
        else:
            total += 1 if word in ("a", "an") else _VALUES[word]
    return float(total)
