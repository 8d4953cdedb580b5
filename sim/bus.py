"""`sim:` addresses: `hall?seed=7&seconds=60&instruction=go to the red box`, worlds behind a bus on virtual time."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from saccade.errors import ConfigError, choices
from saccade.wire.virtual import VirtualBus
from sim.options import WorldOptions, parse_options
from sim.world import START_NS, Kind, World

WORLDS = ("hall", "yard", "table", "gates")
"""Each is a folder here, whose `world.py` has its `KIND`."""


def open_sim(
    rest: str,
    reads: frozenset[str],
    writes: frozenset[str],
    *,
    latency_ns: Mapping[str, int] | None,
    pace: float | None,
) -> VirtualBus:
    """The bus of `sim:<rest>`; only topics in `reads` are simulated, or all of them when it is empty."""
    return VirtualBus(open_world(rest, reads), latency_ns=latency_ns, pace=pace)


def open_world(rest: str, reads: frozenset[str] = frozenset()) -> World:
    """The source behind an address such as `hall?seed=7`; ConfigError names what is wrong and the nearest valid."""
    kind, options = world_kind(rest)
    return make_world(kind, options, reads)


def make_world(
    kind: Kind[Any],
    options: WorldOptions,
    reads: frozenset[str] = frozenset(),
    start_ns: int = START_NS,
    clock_hz: int = 0,
) -> World:
    """A world of this kind; see `World`."""
    return World(kind.make(options, start_ns), options, reads, start_ns, clock_hz)


def world_kind(rest: str) -> tuple[Kind[Any], WorldOptions]:
    """What an address such as `hall?seed=7` asks for; ConfigError names what is wrong and the nearest valid."""
    name = rest.partition("?")[0]
    if name not in WORLDS:
        raise ConfigError(f"no world {name!r} in sim:{rest}: {choices(name, WORLDS)}")
    kind: Kind[Any] = importlib.import_module(f"sim.{name}.world").KIND
    return kind, parse_options(kind.options, rest)
