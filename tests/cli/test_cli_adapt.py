"""`saccade adapt` before anything is learned: what cannot be used is named at once; and how pairs are read."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from engines.card import Card, card_names, load_card
from saccade.cli import OK, USAGE, adapt, main, pairs
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
def test_a_folder_of_pairs_is_read_in_the_order_of_its_names(names: list[str], tmp_path: Path) -> None:
    pictures = [picture(1) for _ in range(4)]
    files = [(name.format(i), pictures[i] // (side + 1)) for side, name in enumerate(names) for i in range(4)]
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


def card(path: Path, confidence: str = "confidence") -> str:
    """A card as our own networks have it."""
    path.write_text(
        f"name: {path.stem}\nkind: stereo\nbackend: onnx\nsource: a test\nlicence: none\nonnx: no.onnx\n"
        f"sha256: {32 * 'ab'}\noutput:\n  confidence: '{confidence}'\n"
    )
    return str(path)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--card", "stereo-x"], "no card 'stereo-x'"),
        (["--card", "sgbm"], "'sgbm' is no network"),
        (["--card", "FOREIGN"], "somebody else's network"),
        (["--card", "OURS", "--minutes", "0"], "--minutes 0"),
        (["--card", "OURS", "--rank", "0"], "--rank 0"),
        (["--card", "OURS", "--minutes", "nan"], "--minutes nan"),
        (["--card", "OURS", "--seed", "-1"], "--seed -1: expected a number of 0 to"),
        (["--card", "OURS", "--seed", "4294967296"], "--seed 4294967296"),
        (["--card", "OURS", "--name", "a/b"], "--name 'a/b' cannot be"),
        (["--card", "OURS", "--name", "stereo-m"], "--name 'stereo-m' cannot be"),
        (["--card", "OURS", "--name", "ours"], "--name 'ours' is the parent's"),
        (["--card", "OURS", "--out", "FILE"], "cannot write into"),
        (["--card", "OURS", "--out", "FILE/deep/down"], "Not a directory; expected a folder for --out"),
    ],
)
def test_a_wrong_command_line_is_told_before_anything_is_read(
    arguments: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cards = {"OURS": card(tmp_path / "ours.yaml"), "FOREIGN": card(tmp_path / "foreign.yaml", confidence="")}
    (tmp_path / "file").write_text("no folder")
    given = [cards.get(argument, argument.replace("FILE", str(tmp_path / "file"))) for argument in arguments]
    assert main(["adapt", "nowhere.mcap", *given]) == USAGE
    assert told in capsys.readouterr().err


def test_a_model_of_that_name_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    ours, installed = card(tmp_path / "ours.yaml"), tmp_path / "saccade" / "engines"
    installed.mkdir(parents=True)
    (installed / "ours-dive.yaml").write_text("name: ours-dive")
    (installed / "reef-int8.onnx").write_text("a twin")
    for more, told in (
        ([], "another --name, or first: saccade engine remove ours-dive"),
        (["--name", "reef"], "reef-int8.onnx is there already"),
        (["--out", f"{installed}/../engines"], "another --name, or first: rm "),
    ):
        assert main(["adapt", "somewhere/dive.mcap", "--card", ours, *more]) == USAGE
        assert told in capsys.readouterr().err
    assert main(["adapt", "dive.mcap", "--card", ours, "--name", "new"]) == USAGE
    assert "is there already" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("recording", "told"), [(".", "'ours-my dive' cannot be"), ("a b.mcap", "'ours-a b' cannot be")]
)
def test_the_name_that_a_recording_gives_is_checked_too(
    recording: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "my dive").mkdir()
    monkeypatch.chdir(tmp_path / "my dive")
    assert main(["adapt", recording, "--card", card(tmp_path / "ours.yaml")]) == USAGE
    assert told in capsys.readouterr().err


def test_a_card_in_eight_bits_is_told_before_the_recording_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch", reason="the network is read by torch")
    if "stereo-s-int8" not in card_names():
        pytest.skip("the shipped network is not here")
    (tmp_path / "dive.mcap").write_text("no recording")
    assert main(["adapt", str(tmp_path / "dive.mcap"), "--card", "stereo-s-int8", "--out", str(tmp_path)]) == USAGE
    told = capsys.readouterr().err
    assert "card 'stereo-s-int8' cannot be trained" in told
    assert "one of our own networks in fp32, such as stereo-s" in told


@pytest.mark.parametrize(("out", "told"), [("reef", "/reef/ours-dive.yaml in"), ("", "engine: ours-dive in")])
def test_what_is_told_to_be_used_can_be_found(
    out: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    ours = card(tmp_path / "ours.yaml")
    folder(tmp_path / "dive", [(f"{side}/{i}.png", WALL) for side in ("left", "right") for i in range(4)])
    learned = SimpleNamespace(Plan=dict, adapt=lambda *_: SimpleNamespace(refusal=""))

    def install(net: object, outcome: object, facts: object, pairs: object, folder: Path) -> tuple[list[Card], str]:
        return [replace(load_card(ours), path=str(folder / "ours-dive.yaml"))], ""

    made = {"adapt": learned, "child": SimpleNamespace(Facts=lambda *_: None, install=install)}
    made["pool"] = SimpleNamespace(Pair=lambda *_: None, coloured=lambda picture: picture)
    made["weights"] = SimpleNamespace(load=lambda path: None)
    for name, module in made.items():
        monkeypatch.setitem(sys.modules, f"training.{name}", module)
    monkeypatch.setattr(adapt, "find_spec", lambda name: object())
    monkeypatch.setattr(adapt, "_told", lambda *_: "")
    monkeypatch.setattr(pairs, "_check_geometry", lambda *_: None)
    assert main(["adapt", "dive", "--card", ours, *(["--out", out] if out else [])]) == OK
    (use,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("use it"))
    assert told in use
    assert not out or Path(use.split()[3]).is_absolute()


def test_without_torch_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(adapt, "find_spec", lambda name: None)
    assert main(["adapt", "nowhere.mcap", "--card", card(tmp_path / "ours.yaml")]) == USAGE
    assert "pip install 'saccade[train]'" in capsys.readouterr().err


def test_with_torch_a_recording_that_is_not_there_is_told_before_torch_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(adapt, "find_spec", lambda name: object())
    assert main(["adapt", "nowhere.mcap", "--card", card(tmp_path / "ours.yaml")]) == USAGE
    assert "nothing at nowhere.mcap" in capsys.readouterr().err
