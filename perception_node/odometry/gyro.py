"""How a camera turned between two pictures, from a gyroscope."""

from __future__ import annotations

from collections import deque

import cv2
import numpy as np

from saccade.clock import MS, SEC, seconds
from saccade.geometry import F64

_GAP_NS = 50 * MS
_LEARN = 0.2
_FASTEST_RAD_S = 100.0
"""No gyroscope measures more. One garbled number, taken for a rate, would spoil the bias for seconds, or for good."""


class Gyro:
    """Angular rates in camera axes, and their integral over an interval; the bias is learned while standing."""

    def __init__(self) -> None:
        self._rates: deque[tuple[int, F64]] = deque()
        self._bias: F64 | None = None

    def put(self, stamp_ns: int, rate: F64) -> None:
        """Take a rate (3,) rad/s in camera (optical) axes; what cannot be one, or goes back in time, is left out.

        More than a second back means that the sensor's clock was set back: what was known is forgotten.
        """
        if self._rates and self._rates[-1][0] - stamp_ns > SEC:
            self._rates.clear()
        if not (np.abs(rate) <= _FASTEST_RAD_S).all() or (self._rates and stamp_ns <= self._rates[-1][0]):
            return
        self._rates.append((stamp_ns, np.asarray(rate, np.float64)))
        while stamp_ns - self._rates[0][0] > 2 * SEC:
            self._rates.popleft()

    def stood(self, begin_ns: int, end_ns: int) -> None:
        """Learn the bias: between these stamps the camera did not turn."""
        rates = [rate for stamp_ns, rate in self._rates if begin_ns < stamp_ns <= end_ns]
        if rates:
            mean = np.mean(rates, axis=0)
            self._bias = mean if self._bias is None else self._bias + _LEARN * (mean - self._bias)

    def turn(self, begin_ns: int, end_ns: int) -> F64 | None:
        """R_begin_from_end (3, 3), or None where rates are missing for more than 50 ms of the interval."""
        R, at_ns = np.eye(3), begin_ns
        bias = np.zeros(3) if self._bias is None else self._bias
        for stamp_ns, rate in self._rates:
            if stamp_ns <= begin_ns:
                continue
            until_ns = min(stamp_ns, end_ns)
            if until_ns - at_ns > _GAP_NS:
                return None
            R, at_ns = R @ cv2.Rodrigues((rate - bias) * seconds(until_ns - at_ns))[0], until_ns
            if at_ns == end_ns:
                return R
        return R if at_ns > begin_ns and end_ns - at_ns <= _GAP_NS else None

    def clear(self) -> None:
        """Forget the rates, as when the clock goes back; the bias is the sensor's and stays."""
        self._rates.clear()
