"""Pairs of a recording or a folder, as `saccade adapt` and `saccade engine build --calibrate` read them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from saccade.cli.pairs import read_pairs, spread
from saccade.clock import MS, SEC
from saccade.errors import CalibrationError, DataError
from saccade.node import Sample
from saccade.types import U8, CameraModel, Image
from saccade.wire.convert import encode_camera
from saccade.wire.images import encode_image
from saccade.wire.record import Recorder

T0 = 1_700_000_000 * SEC
RNG = np.random.default_rng(0)
WALL: U8 = RNG.integers(0, 255, (64, 96), dtype=np.uint8)


def picture(channels: int = 3, size: tuple[int, int] = (64, 96)) -> U8:
    return RNG.integers(0, 255, (*size, channels)[: 3 if channels == 3 else 2], dtype=np.uint8)


def folder(path: Path, names: list[tuple[str, U8]]) -> Path:
    for name, data in names:
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(file), data)
    return path


def shown(seen: U8) -> int:
    """Which of the recorded pictures it is."""
    apart = [np.abs(seen.astype(int) - np.roll(WALL, i, axis=1)).mean() for i in range(6)]
    return int(np.argmin(apart))


def camera(width: int = 96, baseline_px: float = 0.0) -> CameraModel:
    K = np.array([[80.0, 0, 48], [0, 80, 32], [0, 0, 1]])
    P = np.hstack([K, [[-baseline_px], [0], [0]]])
    return CameraModel("optical", width, 64, "plumb_bob", np.zeros(5), K, np.eye(3), P)


def recording(path: Path, sides: dict[str, str], infos: bool, frames: int = 6) -> Path:
    """`sides`: {left: image_raw, ...}; stamps 100 ms apart, each picture the wall moved by its number.

    Of several kinds of one side ("image_rect image_raw") all but the last are black.
    """
    topics = [f"{side}/{kind}" for side, kinds in sides.items() for kind in kinds.split()]
    recorder = Recorder(path, [*topics, *(f"{side}/camera_info" for side in sides)])
    for i in range(frames):
        t = T0 + i * 100 * MS
        for side in sides:
            if infos and i:  # the first pictures come before any calibration
                info = encode_camera(t, camera(baseline_px=4.0 if side == "right" else 0.0))
                recorder.on_sample(Sample(f"{side}/camera_info", t, bytes(info)), t)
        for topic in topics:
            side, _, kind = topic.partition("/")
            shows = np.uint8(sides[side].endswith(kind))
            data = encode_image(Image(t, "optical", shows * np.roll(WALL, i, axis=1)))
            recorder.on_sample(Sample(topic, t, bytes(data)), t)
    recorder.close()
    return path


def mapped(folder: Path, sides: dict[str, str]) -> Path:
    """A mapping file that plays every topic of a recording as what it is called."""
    names = [f"{side}/{kind}" for side, kinds in sides.items() for kind in [*kinds.split(), "camera_info"]]
    path = folder / "mapping.yaml"
    path.write_text("topics:\n" + "".join(f"  {name}: /{name}\n" for name in names))
    return path


RAW, RECT = {"left": "image_raw", "right": "image_raw"}, {"left": "image_rect", "right": "image_rect"}


def test_pairs_of_a_recording_are_those_of_one_moment_with_their_calibration(tmp_path: Path) -> None:
    found = read_pairs(recording(tmp_path / "raw.mcap", RAW, infos=True), None, 10, 3)
    assert [shown(frame.left) for frame in found.frames] == [1, 2, 3, 4, 5]
    assert found.total == 5
    few = read_pairs(recording(tmp_path / "rect.mcap", RECT, infos=False), None, 3, 3)
    assert [shown(frame.left) for frame in few.frames] == [0, 2, 5]
    assert "3 of 6 pairs" in few.note


@pytest.mark.parametrize("kept", [0, 10, 300])
def test_a_message_that_was_cut_off_costs_its_pair_alone(kept: int, tmp_path: Path) -> None:
    topics = ["left/image_rect", "right/image_rect"]
    recorder = Recorder(tmp_path / "dive.mcap", topics)
    for i in range(6):
        t = T0 + i * 100 * MS
        for topic in topics:
            whole = bytes(encode_image(Image(t, "optical", np.roll(WALL, i, axis=1))))
            recorder.on_sample(Sample(topic, t, whole[:kept] if (i, topic) == (3, topics[1]) else whole), t)
    recorder.close()
    found = read_pairs(tmp_path / "dive.mcap", None, 10, 3)
    assert [shown(frame.left) for frame in found.frames] == [0, 1, 2, 4, 5]
    assert all(np.array_equal(frame.left, frame.right) for frame in found.frames)


def test_raw_pictures_without_calibration_and_one_camera_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match=r"raw pictures .* without camera_info"):
        read_pairs(recording(tmp_path / "raw.mcap", RAW, infos=False), None, 10, 3)
    with pytest.raises(DataError, match="no pictures of a right camera"):
        read_pairs(recording(tmp_path / "one.mcap", {"left": "image_rect"}, infos=True), None, 10, 3)
    with pytest.raises(DataError, match="expected at least 3"):
        read_pairs(recording(tmp_path / "short.mcap", RECT, infos=False, frames=2), None, 10, 3)


def test_both_sides_are_read_raw_where_only_one_is_there_rectified_too(tmp_path: Path) -> None:
    sides = {"left": "image_rect image_raw", "right": "image_raw"}
    found = read_pairs(recording(tmp_path / "both.mcap", sides, infos=True), mapped(tmp_path, sides), 10, 3)
    assert found.note.endswith("of left/image_raw, right/image_raw")
    assert [shown(frame.left) for frame in found.frames] == [1, 2, 3, 4, 5]


def test_a_raw_picture_beside_a_rectified_one_is_refused_by_name(tmp_path: Path) -> None:
    sides = {"left": "image_rect", "right": "image_raw"}
    path = recording(tmp_path / "mixed.mcap", sides, infos=True)
    with pytest.raises(CalibrationError, match="left/image_rect comes with right/image_raw; expected both raw or both"):
        read_pairs(path, mapped(tmp_path, sides), 10, 3)


@pytest.mark.parametrize(
    "names",
    [
        ["left/{}.png", "right/{}.png"],
        ["image_0/{}.jpg", "image_1/{}.jpg"],
        ["{}_left.png", "{}_right.png"],
        ["reef_{}l.png", "reef_{}r.png"],
        ["{}-L.bmp", "{}-R.bmp"],
    ],
)
def test_a_folder_of_pairs_is_read_in_the_order_of_its_numbers(names: list[str], tmp_path: Path) -> None:
    pictures = [picture(1) for _ in range(4)]
    files = [(name.format(8 + i), pictures[i] // (side + 1)) for side, name in enumerate(names) for i in range(4)]
    found = read_pairs(folder(tmp_path, [*files, ("alone_left.txt.png", picture(1))]), None, 10, 3)
    assert found.total == 4
    for frame in found.frames:
        slack = 40 if names[0].endswith("jpg") else 0
        assert np.abs(frame.left.astype(int) - pictures[frame.number]).mean() <= slack
        assert np.abs(frame.right.astype(int) - pictures[frame.number] // 2).mean() <= slack


def test_a_pair_of_two_sizes_and_unreadable_pictures_are_refused_by_name(tmp_path: Path) -> None:
    good = [(f"{side}/{i}.png", picture()) for side in ("left", "right") for i in range(4)]
    odd = folder(tmp_path / "odd", [*good, ("right/2.png", picture(size=(64, 128)))])
    with pytest.raises(DataError, match="96x64 at the left and 128x64 at the right"):
        read_pairs(odd, None, 10, 3)
    broken = folder(tmp_path / "broken", good)
    (broken / "left/1.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"1\.png is not a readable picture"):
        read_pairs(broken, None, 10, 3)


def test_pairs_that_are_swapped_not_rectified_or_not_of_one_moment_are_refused_by_name(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    walls = [cv2.resize(rng.integers(0, 255, (48, 80), dtype=np.uint8), (320, 192)) for _ in range(4)]

    def moved(wall: U8, x: int, y: int = 0) -> U8:
        return np.roll(wall, (y, x), axis=(0, 1))

    rights = {
        "good": [moved(wall, -6) for wall in walls],
        "swapped": [moved(wall, 6) for wall in walls],
        "disagree": [moved(wall, -6, 5) for wall in walls],
    }
    for name, pictures in rights.items():
        files = [(f"left/{i}.png", wall) for i, wall in enumerate(walls)]
        path = folder(tmp_path / name, files + [(f"right/{i}.png", picture) for i, picture in enumerate(pictures)])
        if name == "good":
            assert len(read_pairs(path, None, 4, 3).frames) == 4
        else:
            with pytest.raises(CalibrationError, match=f"4 of 4 pairs .*{name}"):
                read_pairs(path, None, 4, 3)


def test_colour_is_red_first_and_a_grey_partner_makes_both_grey(tmp_path: Path) -> None:
    red = np.zeros((64, 96, 3), np.uint8)
    red[..., 2] = WALL  # as OpenCV writes it: blue first
    colour = folder(tmp_path / "colour", [(f"{i}_{s}.png", red) for i in range(3) for s in ("left", "right")])
    assert (read_pairs(colour, None, 3, 3).frames[0].left[0, 0] == (WALL[0, 0], 0, 0)).all()
    mixed = folder(
        tmp_path / "mixed", [(f"{i}_l.png", red) for i in range(3)] + [(f"{i}_r.png", picture(1)) for i in range(3)]
    )
    assert {p.ndim for frame in read_pairs(mixed, None, 3, 3).frames for p in (frame.left, frame.right)} == {2}


def test_what_is_chosen_of_many_is_evenly_spread() -> None:
    assert spread(4, 10) == [0, 1, 2, 3]
    assert spread(0, 10) == []
    assert spread(101, 5) == [0, 25, 50, 75, 100]
