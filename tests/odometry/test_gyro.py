"""Turns from a gyroscope: integrated, without the bias that standing shows, and none across gaps."""

import cv2
import numpy as np
import pytest

from perception_node.odometry.gyro import Gyro
from saccade.clock import MS, SEC

RATE = np.array([0.1, -0.4, 0.2])


def turned(R):
    return cv2.Rodrigues(R)[0].ravel()


def filled(rate=RATE, every_ns=5 * MS, until_ns=SEC):
    gyro = Gyro()
    for stamp_ns in range(0, until_ns + 1, every_ns):
        gyro.put(stamp_ns, rate)
    return gyro


def test_a_constant_rate_turns_by_its_time():
    assert turned(filled().turn(102 * MS, 613 * MS)) == pytest.approx(RATE * 0.511, abs=1e-9)


def test_turns_follow_one_another():
    gyro = filled()
    whole = gyro.turn(100 * MS, 500 * MS)
    assert gyro.turn(100 * MS, 303 * MS) @ gyro.turn(303 * MS, 500 * MS) == pytest.approx(whole, abs=1e-9)


def test_the_bias_is_learned_while_standing():
    gyro = filled()
    gyro.stood(0, 500 * MS)
    assert turned(gyro.turn(500 * MS, SEC)) == pytest.approx(np.zeros(3), abs=1e-9)


def test_missing_rates_are_no_turn():
    assert Gyro().turn(0, SEC) is None
    assert filled(every_ns=60 * MS).turn(0, SEC) is None
    assert filled(until_ns=800 * MS).turn(500 * MS, SEC) is None
    assert filled().turn(SEC, SEC + 40 * MS) is None


@pytest.mark.parametrize("garbled", [1e4, -1e308])
def test_a_number_that_is_no_rate_spoils_neither_turn_nor_bias(garbled):
    gyro = filled(until_ns=500 * MS)
    gyro.put(505 * MS, np.array([garbled, 0, 0]))
    gyro.put(510 * MS, RATE)
    assert turned(gyro.turn(400 * MS, 510 * MS)) == pytest.approx(RATE * 0.11, abs=1e-9)
    gyro.stood(400 * MS, 510 * MS)
    assert turned(gyro.turn(400 * MS, 510 * MS)) == pytest.approx(np.zeros(3), abs=1e-9)


def test_what_is_not_finite_or_late_is_left_out():
    gyro = filled(until_ns=500 * MS)
    gyro.put(505 * MS, np.array([np.nan, 0, 0]))
    gyro.put(100 * MS, np.array([9.0, 0, 0]))
    assert turned(gyro.turn(0, 500 * MS)) == pytest.approx(RATE * 0.5, abs=1e-9)
    gyro.clear()
    assert gyro.turn(0, 500 * MS) is None
