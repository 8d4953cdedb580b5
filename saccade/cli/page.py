"""Parts of a Markdown page that commands write, between markers; the rest of the page is people's."""

from __future__ import annotations

import re

from saccade.errors import ConfigError


def with_part(page: str, name: str, body: str) -> str:
    """The page with `body` between the markers of `name`, where they are, or else at its end.

    ConfigError where only the first marker is: how much of what follows is people's cannot be told then.
    """
    begin, end = f"<!-- {name}: begin, written by the command -->", f"<!-- {name}: end -->"
    part = f"{begin}\n{body.strip()}\n{end}"
    head, found, rest = page.partition(begin)
    if not found:
        return f"{page.rstrip()}\n\n{part}\n".lstrip()
    _, ended, tail = rest.partition(end)
    if not ended:
        raise ConfigError(f"the page has {begin!r} without {end!r}; put that back where the part ends")
    return f"{head}{part}{tail}"


def parts(page: str) -> list[str]:
    """Every such part of a page, markers included."""
    return [
        match[0]
        for match in re.finditer(r"<!-- (.+?): begin, written by the command -->.*?<!-- \1: end -->", page, re.S)
    ]
