"""`open_bus(url)`: the one door to every bus. Schemes are entry points of the group `saccade.bus`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import entry_points

from saccade.errors import ConfigError, choices
from saccade.node import Bus
from saccade.topics import topic


def open_bus(
    url: str,
    reads: Iterable[str] = (),
    writes: Iterable[str] = (),
    *,
    latency_ns: Mapping[str, int] | None = None,
    pace: float | None = None,
) -> Bus:
    """Open `scheme:rest`, e.g. `dds:0`, `bag:drive.mcap`, `sim:hall?seed=7`; plain `dds` is `dds:0`.

    `reads` and `writes` are canonical topics; live buses subscribe and advertise just these. `latency_ns` and `pace`
    go to buses on virtual time and are refused by live ones. ConfigError for an unknown scheme or topic, and where the
    bus needs a package that is not installed.
    """
    scheme, _, rest = url.partition(":")
    openers = {point.name: point for point in entry_points(group="saccade.bus")}
    if scheme not in openers:
        raise ConfigError(f"no bus {url!r}: expected SCHEME:ADDRESS such as dds:0; {choices(scheme, openers)}")
    for name in (*reads, *writes):
        topic(name)
    try:
        opener: Callable[..., Bus] = openers[scheme].load()
    except ImportError as error:
        raise ConfigError(
            f"bus {url!r} needs what cannot be imported here ({error}); `saccade doctor` and docs/platforms.md say "
            "what to install"
        ) from error
    return opener(rest, frozenset(reads), frozenset(writes), latency_ns=latency_ns, pace=pace)
