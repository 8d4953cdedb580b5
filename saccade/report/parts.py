"""What the parts of a report are made of: markup of sections, tables and legends."""

from __future__ import annotations

from collections.abc import Sequence

from saccade.report.svg import tag, text


def table(header: Sequence[str], rows: Sequence[Sequence[str]], numbers: str = "") -> str:
    """A table of markup cells; in `numbers` an n marks a column to be aligned right."""
    classes = [("n" if kind == "n" else None) for kind in numbers.ljust(len(header))]
    head = tag("tr", *(tag("th", text(h), class_=c) for h, c in zip(header, classes, strict=True)))
    shown = tag("thead", head) if any(header) else ""
    body = (tag("tr", *(tag("td", cell, class_=c) for cell, c in zip(row, classes, strict=True))) for row in rows)
    return tag("div", tag("table", shown, tag("tbody", *body)), class_="scroll")


def section(heading: str, content: str, note: str = "") -> str:
    """A part of the page under a heading; `note` is small beside it."""
    small = tag("small", text(note)) if note else ""
    return tag("section", tag("h2", text(heading), small), content)


def folded(heading: str, content: str) -> str:
    """A part that opens on a click."""
    return tag("section", tag("details", tag("summary", text(heading)), content))


def none(what: str) -> str:
    """What is said where there is nothing to show."""
    return tag("p", text(what), class_="none")


def key(*entries: tuple[str, str]) -> str:
    """A legend of (class, name)."""
    return tag("p", *(tag("i", class_=class_) + text(name) for class_, name in entries), class_="key")
