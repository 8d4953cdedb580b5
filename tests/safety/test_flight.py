"""A multirotor in a room, from depth images to commands: map node, gate and vehicle on one bus, by the shipped file."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
import pytest
from flight_scene import STANDING_M, START, Flight, Mortal, Quad, Room

from map_node.node import MapNode
from map_node.params import MapNodeParams, MeshParams
from saccade import params
from saccade.clock import MS, SEC, nanoseconds, seconds
from saccade.node import NEVER_NS, run
from saccade.paths import share
from saccade.types import Decision
from saccade.wire.virtual import LocalBus
from safety_node.limits import Limits
from safety_node.node import SafetyNode

FILE = share("config") / "robots" / "uav.yaml"
LIMITS = params.load(Limits, FILE, "safety_node")
NEED_M = LIMITS.radius_m + LIMITS.margin_m
SHIPPED = params.load(MapNodeParams, FILE, "map_node")
MAP = replace(
    SHIPPED, worker="modelled", mesh=MeshParams(rate_hz=0), need_confidence=True,
    volume=replace(SHIPPED.volume, voxel_m=0.1, size_m=(6.4, 6.4, 4.0)),
    clearance=replace(SHIPPED.clearance, cell_voxels=1),
)  # fmt: skip
"""As shipped, with voxels as large as the field's cells: an eighth of the work."""
LATENCY = {"depth/image_rect": 60 * MS, "depth/confidence": 61 * MS, "clearance": 20 * MS, "odom": 5 * MS}
HOVER_S, HOVER_M = 3.0, 0.75
Then = Callable[[float], tuple[float, float, float]]


def hall() -> Room:
    return Room((-4.0, -3.0, 0.0), (6.0, 3.0, 2.6))


def fly(
    then: Then, until_s: float, room: Room | None = None, dead_s: float | None = None,
    events: Iterable[tuple[float, Callable[[Flight], None]]] = (),
) -> Flight:  # fmt: skip
    """Take off, then do what `then` says: vx, vy and vz by time; it holds its height where it moves level."""

    def action(quad: Quad, t: float) -> tuple[float, float, float, float]:
        hold = float(np.clip(HOVER_M - quad.at[2], -0.3, 0.3))
        if t < HOVER_S:
            return 0.0, 0.0, hold, 0.0
        vx, vy, vz = then(t)
        return vx, vy, vz or (hold if vx or vy else 0.0), 0.0

    flight, waiting = Flight(room or hall(), action), sorted(events, key=lambda event: event[0])
    bus = LocalBus(start_ns=START, latency_ns=LATENCY)

    def over() -> bool:
        t = seconds(bus.now_ns() - START)
        while waiting and t >= waiting[0][0]:
            waiting.pop(0)[1](flight)
        return t >= until_s

    map_until = NEVER_NS if dead_s is None else START + nanoseconds(dead_s)
    run([flight, Mortal(MapNode(MAP), map_until), SafetyNode(LIMITS)], bus, over)
    return flight


def stops(flight: Flight, since_s: float, until_s: float) -> list[str]:
    verdicts = flight.verdicts[int(since_s * 100) : int(until_s * 100)]
    return [verdict.reason for verdict in verdicts if verdict.decision is Decision.STOP]


def test_it_takes_off_and_a_map_that_dies_stops_it() -> None:
    flight = fly(lambda t: (0.8, 0.0, 0.0), 4.6, dead_s=4.0)
    took_off = np.array(flight.track)[:, 2]
    assert took_off[int(HOVER_S * 100)] > 0.6
    assert flight.nearest_m == pytest.approx(STANDING_M)
    assert stops(flight, 0.5, 4.2) == []
    silent = flight.verdicts[-1]
    assert (silent.decision, silent.reason.startswith("clearance stale")) == (Decision.STOP, True)
    first = next(v for v in flight.verdicts[100:] if v.decision is Decision.STOP)
    # The newest depth image is up to 0.1 s old when the map dies, and counts for 0.4 s.
    assert 300 * MS <= first.stamp_ns - (START + 4 * SEC) <= 410 * MS


@pytest.mark.slow
def test_it_flies_where_it_looks_and_stops_before_a_wall() -> None:
    flight = fly(lambda t: (0.8, 0.0, 0.0), 12.0)
    track = np.array(flight.track)
    free = [v for v, at in zip(flight.verdicts, flight.track, strict=False) if 0.3 < at[0] < 4.0]
    assert len(free) > 300
    assert all(v.decision is not Decision.STOP and "clearance" not in v.reason for v in free)
    assert track[track[:, 0] > 0.3, 2].min() > 0.6
    assert NEED_M - 0.01 < 6.0 - track[-1, 0] < NEED_M + 0.25
    assert abs(flight.quad.v).max() < 0.02


@pytest.mark.slow
@pytest.mark.parametrize(("vx", "vy"), [(0.0, 0.5), (0.0, -0.5), (-0.8, 0.0)])
def test_beside_and_behind_it_goes_no_farther_than_was_vouched_for(vx: float, vy: float) -> None:
    away = np.array([vx, vy]) / np.hypot(vx, vy)
    flight = fly(lambda t: (vx, vy, 0.0), 8.0)
    went = np.array(flight.track)[:, :2] @ away
    assert 0.3 < went.max() < MAP.clearance.blind_m - NEED_M
    assert stops(flight, 7.9, 8.0) or np.abs(flight.quad.v).max() < 0.02


@pytest.mark.slow
def test_the_ground_and_what_is_above_stop_it() -> None:
    """Straight down at the start, where the ground was never in sight; where it flew over; and straight up."""
    down = fly(lambda t: (0.0, 0.0, -0.5), 6.0)
    assert NEED_M - 0.01 < down.quad.at[2] < NEED_M + 0.1
    far = fly(lambda t: (0.8, 0.0, 0.0) if t < 7.0 else (0.0, 0.0, -0.5), 10.0)
    assert far.quad.at[0] > 2.5
    assert NEED_M - 0.01 < far.quad.at[2] < NEED_M + 0.2
    low = Room((-4.0, -3.0, 0.0), (6.0, 3.0, 1.6))
    up = fly(lambda t: (0.8, 0.0, 0.0) if t < 7.0 else (0.0, 0.0, 0.5), 10.0, low)
    assert up.quad.at[0] > 2.5
    assert NEED_M - 0.01 < 1.6 - up.quad.at[2] < NEED_M + 0.2
    start = fly(lambda t: (0.0, 0.0, 0.5), 8.0)
    assert start.quad.at[2] < STANDING_M + MAP.clearance.blind_m - NEED_M


@pytest.mark.slow
def test_a_thing_that_appears_is_not_touched() -> None:
    def appear(flight: Flight) -> None:
        x, y, z = flight.quad.at
        flight.room.add((x + 1.5, y - 0.2, z - 0.3), (x + 1.6, y + 0.2, z + 0.3))

    clear = []
    flight = fly(lambda t: (1.0, 0.0, 0.0), 9.0, events=[(5.5, appear)])
    box = flight.room.boxes[0]
    clear = [np.linalg.norm(np.maximum(np.maximum(box[0] - at, at - box[1]), 0)) for at in flight.track[550:]]
    assert LIMITS.radius_m < min(clear) < 0.8
    assert np.abs(flight.quad.v).max() < 0.02


@pytest.mark.slow
def test_two_flights_are_the_same() -> None:
    first, second = (fly(lambda t: (0.5, 0.1, 0.05), 5.0) for _ in range(2))
    assert np.array_equal(first.track, second.track)
    assert [v.reason for v in first.verdicts] == [v.reason for v in second.verdicts]
