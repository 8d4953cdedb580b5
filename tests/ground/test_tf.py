import math

import numpy as np
import pytest

from saccade.clock import MS, SEC
from saccade.geometry import SE3
from saccade.tf import TfBuffer, TransformError

T0 = 10**18


def tree() -> TfBuffer:
    tf = TfBuffer()
    tf.set_static("base_link", "camera", SE3.from_rpy(0, 0, 0, (0.1, 0, 0.35)))
    tf.add("odom", "base_link", T0, SE3.from_rpy(0, 0, 0, (0, 0, 0)))
    tf.add("odom", "base_link", T0 + 100 * MS, SE3.from_rpy(0, 0, math.pi / 2, (1, 0, 0)))
    return tf


def test_interpolates_at_the_stamp_through_the_chain():
    T = tree().lookup("odom", "camera", T0 + 50 * MS)
    assert T.yaw == pytest.approx(math.pi / 4)
    assert np.allclose(T.t, [0.5 + 0.1 * math.cos(math.pi / 4), 0.1 * math.sin(math.pi / 4), 0.35])


def test_lookup_backwards_is_the_inverse():
    tf = tree()
    T = tf.lookup("odom", "camera", T0 + 30 * MS) @ tf.lookup("camera", "odom", T0 + 30 * MS)
    assert np.allclose(T.R, np.eye(3))
    assert np.allclose(T.t, 0)


def test_out_of_order_arrival_gives_the_same_answer():
    tf = TfBuffer()
    for ms in (100, 0, 50):
        tf.add("odom", "base_link", T0 + ms * MS, SE3.from_rpy(0, 0, 0, (ms, 0, 0)))
    assert tf.lookup("odom", "base_link", T0 + 25 * MS).t[0] == pytest.approx(25)


def test_a_little_beyond_the_newest_is_held_and_further_is_an_error():
    tf = tree()
    assert np.allclose(tf.lookup("odom", "base_link", T0 + 150 * MS).t, [1, 0, 0])
    with pytest.raises(TransformError, match=r"\+400 ms outside"):
        tf.lookup("odom", "base_link", T0 + 500 * MS)


def test_a_missing_link_is_named_with_what_is_known():
    with pytest.raises(TransformError) as error:
        tree().lookup("odom", "lidar", T0)
    assert "'lidar'" in str(error.value)
    assert "base_link, camera, odom" in str(error.value)


def test_a_loop_is_named():
    tf = TfBuffer()
    tf.set_static("a", "b", SE3.identity())
    tf.set_static("b", "a", SE3.identity())
    with pytest.raises(TransformError, match="loop"):
        tf.lookup("a", "c", 0)


def test_history_is_bounded():
    tf = TfBuffer(keep_ns=SEC)
    for i in range(100):
        tf.add("odom", "base_link", T0 + i * 100 * MS, SE3.identity())
    with pytest.raises(TransformError, match="outside"):
        tf.lookup("odom", "base_link", T0)


def test_stamps_that_stand_still_take_no_more_memory():
    tf = TfBuffer()
    for i in range(100):
        tf.add("odom", "base_link", T0, SE3.from_rpy(0, 0, 0, (i, 0, 0)))
    assert [len(history) for history in tf._moving.values()] == [1]
    assert tf.lookup("odom", "base_link", T0).t[0] == 0


def test_a_clock_that_is_set_back_starts_a_link_anew():
    tf = TfBuffer(keep_ns=SEC)
    for stamp_ns, yaw in ((3600 * SEC, 0.5), (SEC, 0.1), (2 * SEC, 0.3)):
        tf.add("base", "pan", stamp_ns, SE3.from_rpy(0, 0, yaw))
    assert tf.lookup("base", "pan", 3 * SEC // 2).yaw == pytest.approx(0.2)


@pytest.mark.parametrize("static_first", [True, False])
def test_a_link_that_is_told_on_both_topics_is_static_and_not_forgotten(static_first):
    tf = TfBuffer()
    tell = [
        lambda: tf.set_static("base", "camera", SE3.from_rpy(0, 0, 0.5)),
        lambda: tf.add("base", "camera", SEC, SE3.identity()),
    ]
    for say in tell if static_first else tell[::-1]:
        say()
    assert tf.lookup("base", "camera", SEC).yaw == pytest.approx(0.5)
    tf.forget_moving()
    assert tf.lookup("base", "camera", 5 * SEC).yaw == pytest.approx(0.5)


def test_forgetting_moving_links_keeps_static_ones():
    tf = tree()
    tf.forget_moving()
    assert np.allclose(tf.lookup("base_link", "camera", T0).t, [0.1, 0, 0.35])
    with pytest.raises(TransformError):
        tf.lookup("odom", "camera", T0)
