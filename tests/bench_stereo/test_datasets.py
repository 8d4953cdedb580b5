"""Readers of stereo data sets, on tiny ones in each layout, and on what is wrong with real downloads."""

from __future__ import annotations

import errno
import os
import struct
import zipfile
import zlib
from pathlib import Path

import made_sets as made
import numpy as np
import pytest

from engines import datasets
from engines.datasets import find_datasets
from engines.truth import archive, grey, pfm, picture
from saccade.errors import DataError

M2003, M2003_OLD, M2006 = (
    ("im2", "im6", "disp2", "disp6"),
    ("imL", "imR", "disp2", "disp6"),
    ("view1", "view5", "disp1", "disp5"),
)


@pytest.fixture
def sizes(monkeypatch):
    """Middlebury's scale follows from how wide the picture is: let the tiny ones be of full and third size."""

    def at(full_width):
        monkeypatch.setattr("engines.datasets._2003_WIDTH", full_width)
        monkeypatch.setattr("engines.datasets._2006_WIDTH", full_width)

    return at


def only(folder):
    (data,), unknown = find_datasets(folder)
    assert not unknown
    (source,) = data.pairs
    return source.read()


def is_exact(pair, seen=True):
    left, right = made.pair(pair.left.ndim == 3)
    assert np.array_equal(pair.left, left)
    assert np.array_equal(pair.right, right)
    assert np.allclose(pair.truth, made.truth(), atol=1 / 256, equal_nan=True)
    if seen:
        assert np.array_equal(pair.seen, made.seen())
    else:
        assert pair.seen is None


@pytest.mark.parametrize("sides", [("image_0", "image_1"), ("colored_0", "colored_1"), ("image_2", "image_3")])
@pytest.mark.parametrize("kinds", [("disp_noc", "disp_occ"), ("disp_noc_0", "disp_occ_0")])
def test_kitti_with_both_truths(tmp_path, sides, kinds):
    is_exact(only(made.kitti(tmp_path / "kitti", sides, kinds)))


def test_kitti_with_one_truth(tmp_path):
    noc = only(made.kitti(tmp_path / "a", kinds=("disp_noc",)))
    assert np.array_equal(noc.seen, made.seen())
    assert np.array_equal(np.isfinite(noc.truth), noc.seen)
    is_exact(only(made.kitti(tmp_path / "b", kinds=("disp_occ",))), seen=False)


@pytest.mark.parametrize("names", [M2003, M2003_OLD, M2006])
@pytest.mark.parametrize(("off", "scale"), [(0, 1), (9, 3), (-5, 2)])
def test_middlebury_before_2014(tmp_path, sizes, names, off, scale):
    sizes(scale * made.WIDTH + (off if names is M2006 else 0))
    is_exact(only(made.middlebury(tmp_path / "Scene", names, scale)))


@pytest.mark.parametrize("names", [M2003, M2003_OLD])
def test_middlebury_2001_is_not_taken_for_2003(tmp_path, sizes, names):
    """Named alike, 434 columns wide and not 450, and its files hold eight times the disparity, not four."""
    sizes(4 * made.WIDTH + 12)
    with pytest.raises(DataError, match=r"96 columns, no whole part of the 396 .* scenes of 2001"):
        only(made.middlebury(tmp_path / "venus", names, 8))


def test_middlebury_as_portable_pixmaps_and_without_the_right_truth(tmp_path, sizes):
    sizes(made.WIDTH)
    is_exact(only(made.middlebury(tmp_path / "Scene", (*M2003[:3], None), 1, ".ppm")), seen=False)


@pytest.mark.parametrize(("width", "scale"), [(450, 4), (900, 2), (1800, 1)])
def test_scale_of_middlebury_2003_by_width(width, scale):
    assert round(datasets._2003_WIDTH / width) == scale


@pytest.mark.parametrize(
    ("width", "scale"), [(413, 3), (443, 3), (465, 3), (620, 2), (665, 2), (698, 2), (1240, 1), (1330, 1), (1396, 1)]
)
def test_scale_of_middlebury_2005_and_2006_by_width(width, scale):
    assert round(datasets._2006_WIDTH / width) == scale


def test_middlebury_since_2014_and_eth3d(tmp_path):
    is_exact(only(made.middlebury_2014(tmp_path / "Bike")))
    is_exact(only(made.middlebury_2014(tmp_path / "Bike2", right=False)), seen=False)
    is_exact(only(made.eth3d(tmp_path / "delivery_area")))


def test_samples_told_apart_by_name(tmp_path):
    (data,), _ = find_datasets(made.named(tmp_path / "samples"))
    assert [source.name for source in data.pairs] == ["aloe", "cycle"]
    for source in data.pairs:
        is_exact(source.read(), seen=False)


def test_everything_in_one_folder_is_told_apart(tmp_path):
    made.kitti(tmp_path / "kitti2015" / "training", ("image_2", "image_3"), ("disp_noc_0", "disp_occ_0"))
    made.kitti(tmp_path / "kitti2015" / "testing", ("image_2", "image_3"), ())
    for scene in ("a", "b"):
        made.eth3d(tmp_path / "eth3d" / scene)
    made.middlebury_2014(tmp_path / "Bike")
    (tmp_path / "papers").mkdir()
    (tmp_path / ".git").mkdir()
    sets, unknown = find_datasets(tmp_path)
    assert {data.name: len(data.pairs) for data in sets} == {tmp_path.name: 1, "eth3d": 2, "kitti2015/training": 1}
    assert [str(path.relative_to(tmp_path)) for path in unknown] == ["kitti2015/testing", "papers"]


def test_a_folder_without_pairs_names_the_layouts(tmp_path):
    with pytest.raises(DataError, match="KITTI"):
        find_datasets(tmp_path)
    with pytest.raises(DataError, match="no folder"):
        find_datasets(tmp_path / "nowhere")


def test_a_folder_that_may_not_be_looked_into_is_skipped_and_named(tmp_path, monkeypatch):
    made.eth3d(tmp_path / "eth3d" / "a")
    (tmp_path / "lost+found").mkdir()
    iterdir = Path.iterdir

    def closed(folder):
        if folder.name == "lost+found":
            raise PermissionError(13, "Permission denied", str(folder))
        return iterdir(folder)

    monkeypatch.setattr(Path, "iterdir", closed)
    sets, unknown = find_datasets(tmp_path)
    assert [data.name for data in sets] == ["eth3d"]
    assert unknown == [tmp_path / "lost+found"]
    with pytest.raises(DataError, match=r"cannot look into .*lost\+found: Permission denied"):
        find_datasets(tmp_path / "lost+found")


def broken(folder, what):
    (data,), _ = find_datasets(folder)
    with pytest.raises(DataError, match=what):
        data.pairs[0].read()


@pytest.mark.parametrize("scale", [b"-1", b"1"])
def test_a_portable_float_map_with_carriage_returns_in_its_header_is_read(tmp_path, scale):
    path = tmp_path / "disp0.pfm"
    made.write_pfm(path, made.truth(), scale)
    read = pfm(path)
    *header, values = path.read_bytes().split(b"\n", 3)
    path.write_bytes(b"\r\n".join([*header, values]))
    np.testing.assert_array_equal(pfm(path), read)


def test_what_is_wrong_with_a_pair_is_named(tmp_path):
    left, _ = made.pair()
    a = made.kitti(tmp_path / "a")
    (a / "image_1" / "000000_10.png").unlink()
    broken(a, "no file .*image_1")
    b = made.kitti(tmp_path / "b")
    (b / "image_0" / "000000_10.png").write_bytes(b"no picture")
    broken(b, "no picture that OpenCV can read")
    c = made.eth3d(tmp_path / "c")
    made.write(c / "im1.png", left[:-2])
    broken(c, "im1.png is .*its left picture")
    d = made.eth3d(tmp_path / "d")
    made.write(d / "im1.png", left[..., 1])
    broken(d, "im1.png is .*its left picture")
    e = made.eth3d(tmp_path / "e")
    made.write_pfm(e / "disp0GT.pfm", made.truth()[:, :-1])
    broken(e, "its true disparity")
    f = made.eth3d(tmp_path / "f")
    made.write_pfm(f / "disp0GT.pfm", np.full_like(made.truth(), np.nan))
    broken(f, "no pixel of known disparity")
    g = made.eth3d(tmp_path / "g")
    made.write(g / "mask0nocc.png", left[:-1, :, 0])
    broken(g, "mask0nocc.png is")


def test_truth_files_that_hold_something_else_are_named(tmp_path):
    left, _ = made.pair()
    a = made.kitti(tmp_path / "a")
    made.write(a / "disp_noc" / "000000_10.png", left[..., 0])
    broken(a, "16 bit")
    b = made.eth3d(tmp_path / "b")
    (b / "disp0GT.pfm").write_bytes(b"PF\n3 3\n-1\n")
    broken(b, "no portable float map of one channel")
    (b / "disp0GT.pfm").write_bytes((b / "disp0GT.pfm").read_bytes().replace(b"PF", b"Pf"))
    broken(b, "disp0GT.pfm holds 0 bytes of values; expected 4 x 3 x 3")
    made.write_pfm(b / "disp0GT.pfm", made.truth())
    with (b / "disp0GT.pfm").open("ab") as file:
        file.write(b"\0")
    broken(b, "disp0GT.pfm holds .* bytes of values")
    (b / "disp0GT.pfm").unlink()
    broken(b, "disp0.pfm")
    c = tmp_path / "c"
    made.named(c)
    for file in c.glob("aloe*"):
        file.unlink()
    np.savez(c / "cycle_disp.npz", a=made.truth(), b=made.truth())
    broken(c, "one array")
    np.savez(c / "cycle_disp.npz", a=made.truth()[None])
    broken(c, "expected a disparity")
    (c / "cycle_disp.npz").write_bytes(b"PK\x03\x04" + bytes(50))
    broken(c, "cycle_disp.npz")
    with (c / "cycle_disp.npz").open("wb") as file:
        np.save(file, made.truth())  # one array, and no archive of it
    broken(c, "cannot read one array from .*cycle_disp.npz")
    with zipfile.ZipFile(c / "cycle_disp.npz", "w") as file:
        file.writestr("readme.txt", "disparities are elsewhere")
    broken(c, "expected a disparity")
    np.savez_compressed(c / "cycle_disp.npz", made.truth())
    data = bytearray((c / "cycle_disp.npz").read_bytes())
    data[30 + int.from_bytes(data[26:28], "little") + int.from_bytes(data[28:30], "little")] = 0xFF
    (c / "cycle_disp.npz").write_bytes(data)  # what was compressed begins with no such thing
    broken(c, "cannot read one array from .*invalid block type")


@pytest.mark.parametrize(
    "header",
    [
        b"{'descr': (((\n",
        b"{[]: 1}\n",
        b"-" * 5000 + b"1\n",
        b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000, 1000)}\n",
    ],
    ids=["unended", "unhashable", "nested", "petabytes"],
)
def test_an_archive_whose_array_has_a_broken_header_is_named(tmp_path, header):
    path = tmp_path / "cycle_disp.npz"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header)
    with pytest.raises(DataError, match=r"cannot read one array from .*cycle_disp.npz"):
        archive(path)


@pytest.mark.parametrize(("at", "value"), [(10, 99), (8, 1)], ids=["unknown compression", "encrypted"])
def test_an_archive_that_cannot_be_unpacked_is_named(tmp_path, at, value):
    path = tmp_path / "cycle_disp.npz"
    np.savez(path, made.truth())
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + at] = value
    data[data.index(b"PK\x03\x04") + at - 2] = value
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"cannot read one array from .*cycle_disp.npz"):
        archive(path)


def test_files_that_claim_impossible_sizes_are_named(tmp_path):
    png = tmp_path / "im0.png"
    made.write(png, made.pair()[0])
    data = bytearray(png.read_bytes())
    data[16:24] = struct.pack(">II", 100_000, 100_000)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    png.write_bytes(data)
    with pytest.raises(DataError, match=r"im0.png is no picture that OpenCV can read"):
        picture(png)
    map_ = tmp_path / "disp0.pfm"
    map_.write_bytes(b"Pf\n" + b"9" * 5000 + b" 1\n-1\n")
    with pytest.raises(DataError, match=r"disp0.pfm is no portable float map"):
        pfm(map_)


def test_a_picture_that_may_not_be_looked_for_is_named(tmp_path, monkeypatch):
    def refused(path, **how):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(Path, "stat", refused)
    with pytest.raises(DataError, match=r"cannot read .*im0\.png: Permission denied"):
        picture(tmp_path / "im0.png")


def test_disparities_of_16_bits_are_not_taken_for_their_upper_half(tmp_path):
    path = tmp_path / "disp1.png"
    made.write(path, np.full((4, 5), 40 * 256, np.uint16))
    with pytest.raises(DataError, match=r"disp1.png is uint16; expected disparities of 8 bits"):
        grey(path)


def test_the_real_sets_are_understood(shared_data):
    sets, unknown = find_datasets(shared_data / "stereo")
    assert {data.name: len(data.pairs) for data in sets} == {
        "aloe": 1,
        "kitti2012": 24,
        "middlebury": 12,
        "motorcycle": 1,
    }
    assert not unknown
    art = next(s for data in sets for s in data.pairs if s.name == "Art").read()
    assert 30 < np.nanmedian(art.truth) < 60
    assert 0.75 < art.seen.sum() / np.isfinite(art.truth).sum() < 0.95
