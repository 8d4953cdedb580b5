"""Messages that are well formed and meant badly: the gate ticks on, on time."""

import numpy as np
import pytest

from saccade.clock import MS, SEC
from saccade.node import Sample
from saccade.types import ActionChunk, Decision
from saccade.wire.codec import codec
from saccade.wire.convert import decode, decode_verdict, encode_chunk
from safety_node.limits import Limits
from safety_node.node import SafetyNode

NOW = 1_000 * SEC


def chunk(rows=4, axes=("vx", "wz")):
    return encode_chunk(ActionChunk(NOW, NOW, 50 * MS, axes, np.zeros((rows, len(axes))), 1, 1))


def gate_that_heard(cdr):
    """What a gate says at its next tick: the verdict, and its diagnostics by key."""
    node = SafetyNode(Limits(required={"chunk": 0.3}))
    list(node.on_sample(Sample("chunk", NOW, cdr), NOW))
    command, verdict, told = node.on_tick(NOW + 10 * MS)
    assert command.topic == "cmd_vel"
    (status,) = decode("diagnostics", told.cdr).status
    return decode_verdict(verdict.cdr), {pair.key: pair.value for pair in status.values}


def test_a_stamp_beyond_the_end_of_time_stops_the_robot_and_not_the_gate():
    message = codec().decode("saccade_msgs/msg/ActionChunk", chunk())
    message.header.stamp.sec, message.header.stamp.nanosec = 2**31 - 1, 2**32 - 1
    verdict, _ = gate_that_heard(codec().encode(message))
    assert verdict.decision is Decision.STOP
    assert "chunk from the future" in verdict.reason


@pytest.mark.parametrize(
    ("cdr", "why"),
    [(chunk(rows=300_000), "bytes; at most"), (chunk(axes=tuple(f"a{i}" for i in range(300))), "300 axes; at most")],
    ids=["rows", "axes"],
)
def test_a_chunk_that_would_keep_every_tick_busy_is_refused(cdr, why):
    verdict, values = gate_that_heard(cdr)
    assert verdict.reason == "chunk missing"
    assert why in values["chunk ignored"]
