"""The protocol's bytes: what was said comes back, and nothing else is ever understood or unfolded."""

import struct
from dataclasses import replace

import cv2
import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reasoner_scene import TwoNumbers, observe

from vla_node.planner import NO_LEAD
from vla_node.reasoners.protocol import (
    ProtocolError,
    Reply,
    Request,
    WirePlan,
    depth,
    depth_png,
    pack,
    picture,
    se3,
    unpack,
)
from vla_node.reasoners.translate import observation_of, plan_of, question_of, send_observation, send_question

SEEN = Request("plan", 3, 5, 10**9, observation=send_observation(observe(), 90, with_depth=True))
ASKED = Request("plan", 3, 5, 10**9, "two_numbers", question=send_question(TwoNumbers().ask(observe()), 90))
DONE = Reply(3, 5, plan=WirePlan("waypoints", "on", waypoints=((1.0, 2.0, 0.0),), valid_for_ns=1))


@pytest.mark.parametrize("message", [SEEN, ASKED, DONE, Request("health", 1), Reply(1, 0, text="<go>")])
def test_what_was_packed_is_unpacked(message):
    assert unpack(type(message), pack(message)) == message


def test_a_robot_whose_speed_is_not_known_can_ask_all_the_same():
    lost = replace(SEEN, observation=replace(SEEN.observation, twist=(np.nan,) * 6))
    assert np.isnan(unpack(Request, pack(lost)).observation.twist).all()


@given(st.sampled_from([SEEN, ASKED]), st.integers(0), st.binary(min_size=1, max_size=4))
def test_a_damaged_request_is_refused_or_read_and_nothing_else(message, at, rubbish):
    data = bytearray(pack(message))
    at %= len(data)
    data[at : at + len(rubbish)] = rubbish
    try:
        request = unpack(Request, bytes(data))
        if request.observation:
            observation_of(request, request.observation)
        if request.question:
            question_of(request.question)
    except ProtocolError:
        pass


_SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats() | st.text(max_size=5) | st.binary(max_size=5)
)
_VALUES = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner)
)


@settings(max_examples=50)
@given(
    st.sampled_from(["kind", "text", "waypoints", "values", "confidence", "final", "progress", "valid_for_ns"]), _VALUES
)
def test_a_plan_with_anything_in_a_field_is_refused_or_fit_to_be_acted_on(name, value):
    whole = msgpack.unpackb(pack(DONE))
    whole["plan"][name] = value
    try:
        plan = plan_of(unpack(Reply, msgpack.packb(whole)).plan, observe())
    except ProtocolError:
        return
    assert np.isfinite(plan.waypoints).all()
    assert np.isfinite(plan.values).all()
    assert 0 <= plan.confidence <= 1
    assert 0 < plan.valid_for_ns <= observe().valid_for_ns


def _png(width, height):
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", width, height) + b"\x10\0\0\0\0"


def _jpeg(width, height):
    return b"\xff\xd8\xff\xe0\x00\x04ab\xff\xc0" + struct.pack(">HBHH", 17, 8, height, width) + bytes(20)


@pytest.mark.parametrize("size", [(65_000, 65_000), (17_000, 1), (1, 17_000), (0, 5), (4001, 4000)])
def test_pictures_that_would_unfold_to_something_huge_are_not_touched(size, monkeypatch):
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(ProtocolError, match=f"picture of {size[0]}x{size[1]}"):
        picture(_jpeg(*size))
    with pytest.raises(ProtocolError, match=f"picture of {size[0]}x{size[1]}"):
        depth(_png(*size))


@given(st.binary(max_size=64) | st.binary(max_size=64).map(lambda b: _jpeg(4, 4) + b) | st.just(_jpeg(4, 4)[:9]))
def test_what_is_no_picture_is_refused(data):
    with pytest.raises(ProtocolError):
        picture(data)
    with pytest.raises(ProtocolError):
        depth(_png(4, 4) + data)


def test_a_png_of_another_kind_is_no_depth():
    for array in (np.zeros((3, 3), np.uint8), np.zeros((3, 3, 3), np.uint16)):
        with pytest.raises(ProtocolError, match="16 bit, grey"):
            depth(cv2.imencode(".png", array)[1].tobytes())


def test_depth_survives_to_the_millimetre_and_what_it_cannot_say_is_none():
    depth_m = np.array([[0.001, 1.2344, 65.535, 66.0, np.nan, np.inf, 0.0, -1.0, -np.inf]], np.float32)
    back = depth(depth_png(depth_m))
    assert np.allclose(back[0, :3], [0.001, 1.234, 65.535], atol=1e-4)
    assert np.isnan(back[0, 3:]).all()


def test_a_pose_must_be_one():
    for values in ((0, 0, 0, 0, 0, 0, 0.0), (np.nan, 0, 0, 0, 0, 0, 1.0), (0, 0, 0, np.inf, 0, 0, 1.0)):
        with pytest.raises(ProtocolError, match="start"):
            se3(values, "start")


def test_the_lead_is_told_and_must_be_one():
    told = observation_of(SEEN, SEEN.observation)
    assert told.lead == pytest.approx(observe().lead)
    assert told.yaw_then == pytest.approx(0.32)
    nobody = send_observation(observe(lead=NO_LEAD), 90, with_depth=False)
    assert observation_of(SEEN, nobody).lead.shape == (0, 4)
    for lead in (((np.nan, 0.0, 0.0, 0.0),), ((1e6, 0.0, 0.0, 0.0),), ((0.0, 0.0, 0.0, 0.0),) * 1001):
        with pytest.raises(ProtocolError, match="lead of"):
            observation_of(SEEN, replace(SEEN.observation, lead=lead))
