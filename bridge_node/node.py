"""The bridge to a robot that takes velocities: ticks by the clock, and stops the robot when the gate falls silent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bridge_node.driver import Driver, refused
from bridge_node.granted import Granted
from bridge_node.params import BridgeParams
from saccade.clock import MS, SEC, TickGrid, nanoseconds
from saccade.errors import DataError
from saccade.node import Out, Sample
from saccade.stages import Stages
from saccade.wire.convert import decode_command, decode_verdict
from saccade.wire.diagnostics import Level, encode_diagnostics


class TwistBridge:
    """Follows `cmd_vel` as far as the gate's verdicts grant it; see `Driver` for what a robot is told."""

    name = "bridge_node"

    def __init__(self, driver: Driver, params: BridgeParams) -> None:
        self._driver = driver
        self.reads = frozenset({"cmd_vel", "verdict"}) | driver.reads
        self.writes = driver.writes | {"diagnostics"}
        self.stages = Stages()
        self._grid = TickGrid(nanoseconds(1.0 / params.rate_hz))
        self._granted = Granted(round(params.silence_ms * MS))
        self._ignored: dict[str, str] = {}
        self._told: tuple[Level, str] | None = None
        self._told_ns = self._ticked_ns = self._began_ns = 0

    def next_ns(self, now_ns: int) -> int:
        """See `Node.next_ns`; after a clock that went back the robot is told at once."""
        return self._grid.due(now_ns)

    def on_sample(self, sample: Sample, now_ns: int) -> Iterator[Out]:
        """Keep what the gate says; put into our words what the robot says."""
        try:
            if sample.topic == "cmd_vel":
                self._granted.put_command(decode_command(sample.cdr))
            elif sample.topic == "verdict":
                self._granted.put_verdict(decode_verdict(sample.cdr))
            if sample.topic in self._driver.reads:
                yield from self._driver.hear(sample, now_ns)
                self._ignored.pop(sample.topic, None)
        except DataError as error:
            self._ignored[sample.topic] = str(error)

    def on_tick(self, now_ns: int) -> Iterator[Out]:
        """Tell the robot what holds now."""
        self._grid.advance(now_ns)
        self._began_ns = self._began_ns or now_ns
        self._ticked_ns = now_ns
        command = self._granted.at(now_ns)
        reason = "" if command is None else refused(command, self._driver.limits)
        silent_ns = 0 if command is not None else min(self._granted.age_ns(now_ns), now_ns - self._began_ns)
        yield from self._driver.drive(None if reason else command, silent_ns, now_ns)
        yield from self._diagnose(command is None, reason, now_ns)

    def close(self) -> Iterable[Out]:
        """A stop."""
        return self._driver.close(self._ticked_ns)

    def _diagnose(self, silent: bool, reason: str, now_ns: int) -> Iterator[Out]:
        """The bridge's status, when it changes and once a second."""
        if reason or self._ignored:
            said = Level.ERROR, "; ".join(filter(None, [reason, *self._ignored.values()]))
        elif problem := self._driver.problem(now_ns):
            said = Level.WARN, problem
        else:
            said = (Level.STALE, "no command of the gate: stopped") if silent else (Level.OK, "following the gate")
        if said != self._told or not 0 <= now_ns - self._told_ns < SEC:
            self._told, self._told_ns = said, now_ns
            values = {"commands that no verdict granted": self._granted.strangers, "late ticks": self._grid.missed}
            yield Out("diagnostics", encode_diagnostics(now_ns, f"bridge_node/{self._driver.name}", *said, values))
