"""Every link in the documentation that stays within the repository leads to a file, and to a heading, that is there."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_ELSEWHERE = re.compile(r"[a-z]+:")  # https:, mailto:


def prose(text: str) -> str:
    """A page without its blocks of code."""
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def links(text: str) -> list[str]:
    """Targets of links and pictures, as [words](target), [words][name] with [name]: target, and href or src of HTML."""
    said = re.sub(r"`[^`\n]*`", "", prose(text))
    inline = re.findall(r"\]\(<?([^()\s>]+)>?(?:\s+\"[^\"]*\")?\)", said)
    named = re.findall(r"^\[[^\]]+\]:\s*(\S+)", said, re.MULTILINE)
    return inline + named + re.findall(r"(?:href|src)=\"([^\"]+)\"", said)


def anchors(text: str) -> set[str]:
    """What a page's headings are called in links, by GitHub's rule: lower case, spaces to hyphens, no punctuation."""
    found: dict[str, int] = {}
    for heading in re.findall(r"^#+ +(.+?) *#*$", prose(text), re.MULTILINE):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)|[*`]", r"\1", heading)
        name = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
        found[name] = found.get(name, -1) + 1
        if found[name]:  # headings that read alike are counted
            found[f"{name}-{found[name]}"] = 0
    return set(found)


def leads_somewhere(link: str, page: Path, text: str) -> bool:
    """Whether a link of a page with this text leads to what a clone of the repository has too."""
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.is_relative_to(ROOT) or not tracked(target):
        return False
    if not anchor:
        return True
    return target.suffix == ".md" and anchor in anchors(target.read_text() if path else text)


def tracked(target: Path) -> bool:
    """Whether it is a file of the repository, or a folder that holds one."""
    return bool(subprocess.run(["git", "ls-files", str(target)], cwd=ROOT, capture_output=True, text=True).stdout)


def broken(page: Path, text: str) -> list[str]:
    """The links of a page that lead nowhere."""
    return [link for link in links(text) if not _ELSEWHERE.match(link) and not leads_somewhere(link, page, text)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_its_links_lead_somewhere(page: Path) -> None:
    assert broken(page, page.read_text()) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[a](docs/flow.md) [b](docs/flow.md#diagnostics) [c](#here)\n\n## Here\n", []),
        ("[a](docs/no.md)", ["docs/no.md"]),
        ("[a](docs/flow.md#no-such-heading)", ["docs/flow.md#no-such-heading"]),
        ("[a](#there)\n\n## Here\n", ["#there"]),
        ("![a](docs/pictures/no.jpg)", ["docs/pictures/no.jpg"]),
        ("[a][b]\n\n[b]: docs/no.md\n", ["docs/no.md"]),
        ('<img src="docs/no.png">', ["docs/no.png"]),
        ("[a](../outside.md) [b](/etc/hosts)", ["../outside.md", "/etc/hosts"]),
        ("[a](docs/decisions.md \"why\") [b](https://example.org/no) [c](mailto:a@b.c)", []),
        ("`[a](docs/no.md)`\n\n```\n[a](docs/no.md)\n# Here\n```\n[b](#here)", ["#here"]),
        ("## A `b`, *c*: d_e?\n[a](#a-b-c-d_e)", []),
        ("## A\n## A\n[a](#a) [b](#a-1) [c](#a-2)", ["#a-2"]),
    ],
)  # fmt: skip
def test_what_counts_as_broken(text: str, found: list[str]) -> None:
    assert broken(ROOT / "README.md", text) == found
