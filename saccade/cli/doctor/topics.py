"""`saccade doctor --topics`: a robot is listened to, and every topic that its nodes need is judged."""

from __future__ import annotations

from collections.abc import Iterator

from saccade.cli.doctor.camera_checks import cameras
from saccade.cli.doctor.findings import Finding, Grade
from saccade.cli.doctor.hearing import Hearing, listen
from saccade.cli.doctor.needs import Robot, read_robot
from saccade.cli.doctor.topic_checks import flow, listeners, presence, stamps
from saccade.robots import robot_file
from saccade.topics import topic


def check_topics(robot: str, bus: str, seconds: float | None = None) -> list[Finding]:
    """Listen on a bus to a robot by name or file, and say what is fine and what is not; see `listen`.

    ConfigError or DataError for a robot, bus or recording that there is not.
    """
    read = read_robot(robot_file(robot))
    hearing = listen(bus, read.rules, read.readable(), read.perception.base_frame, seconds)
    return list(judge(read, hearing))


def judge(robot: Robot, hearing: Hearing) -> Iterator[Finding]:
    """All findings: of each topic that is needed what is wrong with it, or its rate."""
    faults = list(_faults(robot, hearing))
    for need in robot.needs(hearing.seen()):
        name = next((name for name in need.names if name in hearing.heard), need.names[0])
        told = [finding for finding in faults if finding.what == name or (finding.what in need.names)]
        if not told and name in hearing.heard:
            heard = hearing.heard[name]
            expected_hz = topic(name).rate_hz
            rate = f"{heard.rate_hz:.1f} of {expected_hz:g} Hz" if expected_hz else f"{heard.count} message(s)"
            age = f", {heard.age_ns / 1e6:.0f} ms old on arrival" if heard.ages_ns else ""
            yield Finding(Grade.OK, name, f"{rate}{age}")
    yield from faults


def _faults(robot: Robot, hearing: Hearing) -> Iterator[Finding]:
    needs = list(robot.needs(hearing.seen()))
    for need in needs:
        yield from presence(need, hearing)
    needed = {name for need in needs for name in need.names}
    for name in sorted(hearing.heard):
        if name in needed:
            yield from flow(hearing.heard[name])
            yield from stamps(hearing.heard[name])
    yield from cameras(robot, hearing)
    yield from listeners(robot, hearing)
