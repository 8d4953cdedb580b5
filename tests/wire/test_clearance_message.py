import dataclasses

import numpy as np
import pytest

from saccade.clearance import ClearanceField
from saccade.errors import DataError
from saccade.wire import clearance as wire
from saccade.wire.clearance import decode_clearance, encode_clearance

CELLS = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
FIELD = ClearanceField(7, "odom", 0.25, (-1.0, 2.0, 0.5), 30.0, 0.01, CELLS)


def test_round_trip():
    got = decode_clearance(encode_clearance(FIELD))
    assert np.array_equal(got.clearance, CELLS)
    for name in ("stamp_ns", "frame_id", "resolution_m", "origin_m", "memory_s"):
        assert getattr(got, name) == getattr(FIELD, name), name
    assert got.unit_m == np.float32(0.01)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"resolution_m": 0.0}, "resolution_m 0"), ({"resolution_m": np.nan}, "resolution_m nan"),
        ({"unit_m": np.inf}, "unit_m inf"), ({"unit_m": -0.5}, "unit_m -0.5"), ({"memory_s": 0.0}, "memory_s 0"),
        ({"origin_m": (0.0, np.nan, 0.0)}, "origin at"), ({"origin_m": (0.0, 0.0, np.inf)}, "origin at"),
    ],
)  # fmt: skip
def test_numbers_that_are_no_measures_are_refused(changes, says):
    with pytest.raises(DataError, match=says):
        decode_clearance(encode_clearance(dataclasses.replace(FIELD, **changes)))


def test_sizes_that_disagree_are_refused():

    cdr = bytearray(encode_clearance(FIELD))
    where = cdr.index(np.array([2, 3, 4], "<u2").tobytes())
    cdr[where : where + 2] = b"\x03\x00"
    with pytest.raises(DataError, match="3 x 3 x 4 cells carries 24 values"):
        decode_clearance(bytes(cdr))


def test_long_messages_are_refused_before_they_are_decoded(monkeypatch):
    monkeypatch.setattr(wire, "codec", None)
    with pytest.raises(DataError, match="a smaller box"):
        decode_clearance(b"\0" * (wire.MOST_BYTES + 1))


def test_clearance_between_cells():
    def at(*point):
        return float(FIELD.clearance_at(np.array([point]))[0])

    assert at(-0.875, 2.125, 0.625) == 0.0
    assert np.isclose(at(-0.875, 2.375, 0.875), 0.05)
    assert np.isclose(at(-0.75, 2.25, 0.75), (0 + 1 + 4 + 5 + 12 + 13 + 16 + 17) / 8 * 0.01)
    assert np.isclose(at(-0.875, 2.125, 0.8), 0.007)
    assert np.isclose(at(-0.875, 2.2, 0.625), 0.012)
    assert np.isclose(at(-0.7, 2.125, 0.625), 0.084)
    assert np.isclose(at(-0.62501, 2.62499, 1.37499), 0.23, atol=1e-4)
    for point in (
        (-0.876, 2.3, 0.7), (-0.625, 2.3, 0.7), (-0.7, 2.124, 0.7), (-0.7, 2.625, 0.7), (-0.7, 2.3, 0.624),
        (-0.7, 2.3, 1.375), (np.nan, 2.3, 0.7), (-0.7, 2.3, 1e300),
    ):  # fmt: skip
        assert at(*point) == 0.0, point
    one = dataclasses.replace(FIELD, clearance=np.ones((1, 5, 5), np.uint8))
    assert one.clearance_at(np.array([[-0.875, 2.3, 0.7]])).tolist() == [0.0]
    assert one.clearance_at(np.empty((0, 3))).shape == (0,)
