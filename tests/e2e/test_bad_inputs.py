"""Each bad input of a real robot, through all three nodes: named, and the robot stands where motion would be unsafe."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hall_drive import ListSource, drive_nodes, scripted_drive

from saccade.clock import SEC
from saccade.geometry import SE3
from saccade.types import Image
from saccade.wire.codec import codec
from saccade.wire.convert import (
    decode,
    decode_camera,
    decode_odom,
    decode_transforms,
    encode_camera,
    encode_odom,
    encode_transforms,
)
from saccade.wire.images import decode_image, encode_image
from saccade.wire.inject import InjectSource, parse_faults

SECONDS = 4
STALE_S = 0.6
"""After a fault begins: the local map's stale-after of 0.4 s, modelled latencies, and a frame."""


def with_fault(spec: str):
    return InjectSource(ListSource(scripted_drive(SECONDS)), parse_faults(spec))


def changed(change, seconds=SECONDS):
    """The drive, or its beginning, with each sample changed; None leaves one out."""
    drive = scripted_drive(SECONDS)
    end_ns = drive[0].stamp_ns + seconds * SEC
    samples = (change(sample) for sample in drive if sample.stamp_ns < end_ns)
    return ListSource([sample for sample in samples if sample is not None])


@pytest.fixture(scope="module")
def clean():
    return drive_nodes(ListSource(scripted_drive(SECONDS)))


def test_the_clean_drive_moves_and_has_nothing_to_say(clean):
    assert clean.moved(2, SECONDS)
    assert [text for t, text in clean.diagnoses if t > 2] == []


@pytest.mark.parametrize(
    ("spec", "diagnosis"),
    [
        ("freeze@2s", "frozen stamps"),
        ("gap@2s+2s", "pictures"),
        ("corrupt@2s", "corrupt picture"),
        ("gap:odom@2s", "odom"),
        ("freeze:odom@2s", "odom frozen"),
    ],
)
def test_a_fault_of_the_sensors_is_named_and_stops_the_robot(clean, spec, diagnosis):
    notes = drive_nodes(with_fault(spec))
    assert clean.moved(2 + STALE_S, SECONDS)
    assert not notes.moved(2 + STALE_S, SECONDS)
    assert notes.said(diagnosis), notes.diagnoses
    assert any("local_map" in r or "odom" in r for r in notes.reasons(2 + STALE_S, SECONDS))


def test_after_a_gap_the_robot_moves_again():
    notes = drive_nodes(with_fault("gap@1.5s+1s"))
    assert notes.moved(1, 1.5)
    assert not notes.moved(1.5 + STALE_S, 2.5)
    assert notes.moved(2.5, SECONDS)


def test_a_clock_that_jumps_back_is_named_and_stops_the_robot():
    notes = drive_nodes(with_fault("back:left=10s@2s,back:right=10s@2s"))
    assert not notes.moved(2 + STALE_S, SECONDS)
    assert notes.said("clock went back"), notes.diagnoses


def test_duplicate_frames_change_nothing_but_a_warning(clean):
    notes = drive_nodes(with_fault("duplicate"))
    assert notes.said("duplicate")
    assert [v.tolist() for _, v in notes.commands] == [v.tolist() for _, v in clean.commands]


def calibration(change):
    def apply(sample):
        if not sample.topic.endswith("camera_info"):
            return sample
        stamp, model = decode_camera(sample.cdr)
        return sample._replace(cdr=encode_camera(stamp, change(sample.topic, model)))

    return apply


def with_fields(model, **fields):
    values = {name: getattr(model, name) for name in model.__slots__} | fields
    return type(model)(**values)


CALIBRATIONS = {
    "nan": (lambda _, m: with_fields(m, K=m.K * np.nan, P=m.P * np.nan), "calibration"),
    "zero": (lambda _, m: with_fields(m, K=m.K * 0, P=m.P * 0), "left/camera_info: K is all zero"),
    "absurd focal length": (lambda _, m: with_fields(m, K=m.K * 1e6, P=m.P * 1e6), "calibration"),
    "size": (
        lambda _, m: with_fields(m, width=m.width * 2),
        "left/image_rect is 320x240, left/camera_info says 640x240",
    ),
    "no baseline": (lambda _, m: with_fields(m, P=m.P * [[1, 1, 1, 0]] * 3), "calibration"),
    "negative baseline": (lambda t, m: with_fields(m, P=m.P * np.array([1, 1, 1, -1])), "swapped"),
}


@pytest.mark.parametrize("name", CALIBRATIONS)
def test_a_calibration_that_cannot_be_right_is_named_and_never_used(clean, name):
    change, diagnosis = CALIBRATIONS[name]
    if name == "no baseline":
        change = lambda _, m: with_fields(m, P=m.P * np.array([1, 1, 1, 0]))  # noqa: E731
    notes = drive_nodes(changed(calibration(change), 3))
    assert clean.moved(1, 3)
    assert not notes.moved(0, SECONDS)
    assert "depth/image_rect" not in {topic for _, topic in notes.heard}
    assert notes.said(diagnosis), notes.diagnoses


def with_frame(topics, frame):
    """Those topics under another frame_id, the rest of each message as it was."""

    def apply(sample):
        if sample.topic not in topics:
            return sample
        msg = decode(sample.topic, sample.cdr)
        msg.header.frame_id = frame
        return sample._replace(cdr=codec().encode(msg))

    return apply


def with_child(frame):
    """Odometry of that frame, without the moving transforms that would tie it to base_link."""

    def apply(sample):
        if sample.topic == "tf":
            return None
        if sample.topic != "odom":
            return sample
        return sample._replace(cdr=encode_odom(decode_odom(sample.cdr)[0], frame))

    return apply


def body_axes(sample):
    """tf_static as of drivers that put pictures into the camera's body frame: x forward."""
    if sample.topic != "tf_static":
        return sample
    links = [(parent, child, SE3(np.eye(3), T.t)) for _, parent, child, T in decode_transforms(sample.cdr)]
    return sample._replace(cdr=encode_transforms(sample.stamp_ns, links))


PICTURES = ("left/image_rect", "right/image_rect")
FRAMES = {
    "no transforms": (
        lambda sample: None if sample.topic == "tf_static" else sample,
        ("missing transform", "'left_optical'", "'base_link'", "tf_static"),
    ),
    "unknown frame": (with_frame(PICTURES, "webcam"), ("missing transform", "'webcam'", "'base_link'", "tf_static")),
    "a body's frame": (body_axes, ("wrong frame", "an optical frame (z forward")),
    "odometry of another body": (with_child("tail"), ("missing transform", "odom tells", "'tail'", "'base_link'")),
}


@pytest.mark.parametrize("name", FRAMES)
def test_a_wrong_frame_is_named_and_stops_the_robot(name):
    change, words = FRAMES[name]
    notes = drive_nodes(changed(change, 3))
    assert not notes.moved(0, SECONDS)
    told = [text for _, text in notes.diagnoses if text.startswith("perception: map")]
    assert any(all(word in text for word in words) for text in told), told
    assert any("local_map missing" in reason for reason in notes.reasons(2, 3))


def test_a_map_in_another_frame_than_odometry_stops_the_robot():
    def renamed(sample):
        if sample.topic != "odom" or sample.stamp_ns < scripted_drive(SECONDS)[0].stamp_ns + 2 * SEC:
            return sample
        state, child = decode_odom(sample.cdr)
        return sample._replace(cdr=encode_odom(with_fields(state, frame_id="map"), child))

    notes = drive_nodes(changed(renamed, 3))
    assert notes.moved(1, 2)
    assert any("in frame 'map' but local_map in 'odom'" in reason for reason in notes.reasons(2, 3))


def test_swapped_cameras_are_named_and_stop_the_robot():
    other = {"left/image_rect": "right/image_rect", "right/image_rect": "left/image_rect"}
    notes = drive_nodes(changed(lambda sample: sample._replace(topic=other.get(sample.topic, sample.topic))))
    assert notes.said("swapped"), notes.diagnoses
    assert not notes.moved(2, SECONDS)


def test_a_vertical_offset_is_named_and_stops_the_robot():
    shift = np.array([[1.0, 0, 0], [0, 1, 4]])

    def lower(sample):
        if sample.topic != "right/image_rect":
            return sample
        image = decode_image(sample.topic, sample.cdr)
        data = cv2.warpAffine(image.data, shift, image.data.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)
        return sample._replace(cdr=encode_image(Image(image.stamp_ns, image.frame_id, data)))

    notes = drive_nodes(changed(lower))
    assert notes.said("px below left"), notes.diagnoses
    assert not notes.moved(2, SECONDS)


@pytest.mark.parametrize("text", ["sudo make me a sandwich", "don't go to the red box", "go to the red box unless"])
def test_an_instruction_that_is_not_understood_moves_nothing(clean, text):
    notes = drive_nodes(changed(lambda sample: sample, 3), text)
    assert clean.moved(1, 3)
    assert not notes.moved(0, SECONDS)
    assert notes.plans[-1].kind.name == "STOP"
    assert "understand" in notes.plans[-1].text


def test_nothing_is_commanded_before_anything_is_known():
    notes = drive_nodes(ListSource([s for s in scripted_drive(SECONDS) if "image" not in s.topic]))
    assert notes.commands
    assert not notes.moved(0, SECONDS)
