"""The checks of `saccade doctor --topics`: is each topic there, of the right type, in time, and does anybody listen."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

from saccade.cli.doctor.findings import Finding, Grade
from saccade.cli.doctor.hearing import Heard, Hearing
from saccade.cli.doctor.needs import Need, Robot
from saccade.clock import MS, SEC, seconds
from saccade.topics import on_wire, topic
from saccade.wire.endpoints import unheard, writing
from saccade.wire.reader import BagTopic
from saccade.wire.recognise import recognise

_FUTURE_NS = 100 * MS
_SIMULATED_NS = 10**6 * SEC
"""Stamps below this are no time of day: two weeks after 1970."""
_SOME = 0.05
"""Share of a topic's messages from which on a fault is one."""


def presence(need: Need, hearing: Hearing) -> Iterator[Finding]:
    """What is wrong with a topic that is not heard; nothing of one that is."""
    if any(name in hearing.heard for name in need.names):
        return
    name, grade = need.names[0], Grade.ERROR if need.essential else Grade.WARN
    for candidate in need.names:
        own, row = hearing.own[candidate], topic(candidate)
        for peer in (peer for peer in hearing.peers or () if peer.sends and peer.topic == own):
            if peer.type != row.type:
                advice = f"have it sent as {row.type}, convert it, or map another topic to {candidate}"
                yield Finding(grade, candidate, f"wrongly typed: {own} is sent as {peer.type}, not {row.type}", advice)
            elif unmet := unheard(row, peer):
                found = f"QoS does not match: {own} is sent {unmet}"
                yield Finding(
                    grade, candidate, found, f"set the publisher of {own} to {unmet.rpartition(' expected ')[2]}"
                )
            else:
                found = f"silent: {own} is announced, but nothing came"
                advice = "is its device on? Of large messages: saccade doctor tells whether the buffers hold them"
                yield Finding(grade, candidate, found, advice)
            return
    others = f" (nor {', '.join(need.names[1:])})" if need.names[1:] else ""
    yield Finding(grade, name, f"missing: nobody sends {hearing.own[name]}{others}", _look_alike(need, hearing))


def _look_alike(need: Need, hearing: Hearing) -> str:
    """Which topic may be meant, by type and by the names that drivers give, as a line for the robot's file."""
    taken = {hearing.own[name] for name in hearing.heard}
    free = [BagTopic(f"/{peer.topic}", peer.type, 1) for peer in hearing.senders() if peer.topic not in taken]
    known = recognise(
        [*free, *(BagTopic(f"/{own}", topic(n).type, 1) for n, own in hearing.own.items() if own in taken)]
    )
    for name in need.names:
        if name in known and known[name] in free:
            return f"did you mean {known[name].topic}? In the robot's file: topics: {{{name}: {known[name].topic}}}"
    typed = [found.topic for found in free if found.type in {topic(name).type for name in need.names}]
    if typed:
        meant, *others = sorted(typed, key=lambda own: not get_close_matches(hearing.own[need.names[0]], [own[1:]]))
        also = f"; of its type there are also {', '.join(others)}" if others else ""
        return f"did you mean {meant}{also}? In the robot's file: topics: {{{need.names[0]}: {meant}}}"
    return "start what sends it, on this domain and interface" if hearing.peers is not None else "this world has none"


def flow(heard: Heard) -> Iterator[Finding]:
    """Whether it comes often enough, by the row of the topic table."""
    row = topic(heard.name)
    if heard.corrupt:
        yield Finding(Grade.ERROR, heard.name, f"corrupt: {heard.corrupt}", "is it recorded or sent by another ROS?")
    if not row.rate_hz:
        return
    rate_hz, stale_hz = heard.rate_hz, SEC / row.stale_ns
    said = f"{rate_hz:.1f} Hz, expected {row.rate_hz:g}"
    if rate_hz < min(row.rate_hz / 2, 2 * stale_hz):
        grade = Grade.ERROR if rate_hz < stale_hz else Grade.WARN
        advice = "raise the rate of what sends it; over a network: saccade doctor tells of buffers"
        yield Finding(grade, heard.name, f"too slow: {said}", advice)
    elif heard.gap_ns > row.stale_ns:
        found = (
            f"uneven: {said}, but once nothing for {heard.gap_ns / MS:.0f} ms; stale after {row.stale_ns / MS:.0f} ms"
        )
        yield Finding(Grade.WARN, heard.name, found, "the robot stops at such a gap: is the sender short of processor?")


def stamps(heard: Heard) -> Iterator[Finding]:
    """Whether its stamps move, and go by the clock of whoever listens."""
    if not heard.stamps_ns or not (stale_ns := topic(heard.name).stale_ns):
        return
    newest_ns, age_ns = heard.stamps_ns[-1], heard.age_ns
    if not any(heard.stamps_ns):
        yield Finding(
            Grade.ERROR, heard.name, "its stamps are zero", "have the driver stamp what it sends (header.stamp)"
        )
    elif heard.standing > 0.5 and not heard.name.endswith("camera_info"):
        found = f"frozen: {heard.standing:.0%} of its messages repeat the stamp before"
        yield Finding(Grade.ERROR, heard.name, found, "what does not move is as stale as silence: restart its driver")
    elif newest_ns < _SIMULATED_NS < newest_ns + age_ns:
        found = f"simulated time: its newest stamp is {seconds(newest_ns):.3f} s"
        advice = (
            "launch with use_sim_time:=true, and ask with --bus 'ros:?use_sim_time=true'; dds: buses have no /clock"
        )
        yield Finding(Grade.ERROR, heard.name, found, advice)
    elif age_ns > stale_ns:
        found = f"late: {seconds(age_ns):.3f} s old on arrival, stale after {seconds(stale_ns):.1f} s"
        yield Finding(Grade.ERROR, heard.name, found, "synchronise the clocks (chrony, PTP), or shorten the way")
    elif age_ns < -_FUTURE_NS:
        found = f"from the future: stamps are {seconds(-age_ns):.3f} s ahead of the clock here"
        yield Finding(Grade.ERROR, heard.name, found, "synchronise the clocks (chrony, PTP)")
    elif heard.backwards > _SOME * len(heard.stamps_ns):
        found = f"out of order: {heard.backwards} of {len(heard.stamps_ns)} stamps go back"
        yield Finding(Grade.WARN, heard.name, found, "do two senders share the topic?")


def listeners(robot: Robot, hearing: Hearing) -> Iterator[Finding]:
    """Whether anybody hears the commands that the robot will be sent."""
    if hearing.peers is None or not hearing.live:
        return
    for name in robot.commands():
        row, own = topic(name), hearing.own[name]
        there = [peer for peer in hearing.peers if not peer.sends and peer.topic == own]
        fitting = [peer for peer in there if peer.type == row.type]
        if not there:
            advice = "start the robot's driver; what it listens to is named in the robot's file, section topics"
            yield Finding(Grade.WARN, name, f"nobody listens to {own}", advice)
        elif not fitting:
            other = {
                r.type: "twist" if r.name.endswith("unstamped") else "twist_stamped" for r in on_wire(row.wire_name)
            }
            wanted = there[0].type
            advice = f"in the robot's file: safety_node command: {other[wanted]}" if wanted in other else "convert it"
            found = f"wrongly typed: {own} is listened to as {wanted}, but sent as {row.type}"
            yield Finding(Grade.ERROR, name, found, advice)
        elif all(peer.latched and not writing(row).latched for peer in fitting):
            found = f"QoS does not match: {own} is wanted transient local, commands are volatile"
            yield Finding(Grade.ERROR, name, found, f"set the subscriber of {own} to volatile")
