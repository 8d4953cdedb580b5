"""The file that viewers of 3D Gaussian splatting read."""

import struct

import numpy as np
import pytest
from test_gaussians import splats

from map_node.gaussians.base import Gaussians
from map_node.gaussians.ply import read_ply, write_ply
from saccade.errors import DataError


def independently(path):
    """A PLY reader that knows nothing of Gaussians: {property: [values]}."""
    raw = path.read_bytes()
    header, _, body = raw.partition(b"end_header\n")
    lines = header.decode().splitlines()
    assert lines[:2] == ["ply", "format binary_little_endian 1.0"]
    count = int(lines[2].removeprefix("element vertex "))
    names = [line.removeprefix("property float ") for line in lines[3:]]
    rows = [struct.unpack_from(f"<{len(names)}f", body, 4 * len(names) * i) for i in range(count)]
    assert len(body) == 4 * len(names) * count
    return dict(zip(names, np.array(rows).T, strict=True))


def test_its_properties_are_those_of_the_paper(tmp_path):
    some = splats(20, 1)
    write_ply(some, tmp_path / "scene.ply")
    seen = independently(tmp_path / "scene.ply")
    names = "x y z nx ny nz f_dc_0 f_dc_1 f_dc_2 opacity scale_0 scale_1 scale_2 rot_0 rot_1 rot_2 rot_3"
    assert list(seen) == names.split()
    np.testing.assert_allclose(np.stack([seen[k] for k in "xyz"], 1), some.at)
    np.testing.assert_allclose(np.exp([seen[f"scale_{k}"] for k in range(3)]).T, some.scale_m, rtol=1e-5)
    np.testing.assert_allclose(np.array([seen[f"rot_{k}"] for k in range(4)]).T, some.wxyz, rtol=1e-6)
    np.testing.assert_allclose(
        0.28209479 * np.array([seen[f"f_dc_{k}"] for k in range(3)]).T + 0.5, some.rgb, atol=1e-6
    )
    np.testing.assert_allclose(1 / (1 + np.exp(-seen["opacity"])), some.opacity.clip(1e-4, 1 - 1e-4), atol=1e-6)
    assert np.linalg.norm([seen["nx"], seen["ny"], seen["nz"]], axis=0) == pytest.approx(1, abs=1e-5)


def test_what_is_written_is_read(tmp_path):
    some = splats(33, 2)
    write_ply(some, tmp_path / "scene.ply")
    for mine, theirs in zip(some, read_ply(tmp_path / "scene.ply"), strict=True):
        assert theirs.dtype == np.float32
        np.testing.assert_allclose(theirs, mine, rtol=1e-4, atol=1e-4)
    write_ply(Gaussians(*(part[:0] for part in some)), tmp_path / "none.ply")
    assert len(read_ply(tmp_path / "none.ply").at) == 0


def test_other_tools_may_write_more_and_quaternions_of_any_length(tmp_path):
    names = [*"xyz", "f_dc_0", "f_dc_1", "f_dc_2", "f_rest_0", "opacity", "scale_0", "scale_1", "scale_2"]
    names += ["rot_0", "rot_1", "rot_2", "rot_3"]
    header = "ply\nformat binary_little_endian 1.0\ncomment made elsewhere\nelement vertex 1\n"
    header += "".join(f"property float {name}\n" for name in names) + "end_header\n"
    values = (1, 2, 3, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 5)
    (tmp_path / "other.ply").write_bytes(header.encode() + struct.pack("<15f", *values))
    read = read_ply(tmp_path / "other.ply")
    assert [part[0].tolist() for part in read] == [[1, 2, 3], [1, 1, 1], [0, 0, 0, 1], [0.5, 0.5, 0.5], 0.5]


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (lambda raw: raw[:-1], "expected"),
        (lambda raw: raw.replace(b"binary_little", b"binary_big"), "no binary little-endian"),
        (lambda raw: raw.replace(b"opacity", b"opaqueness"), "lacks"),
        (lambda raw: raw.replace(b"property float x", b"property double x"), "plain floats"),
        (lambda raw: raw.replace(b"vertex 3", b"vertex -3"), "vertices alone"),
        (lambda raw: raw[:-8] + b"\xff" * 8, "not numbers"),
        (lambda raw: raw[:40], "no binary little-endian"),
        (lambda raw: b"", "no binary little-endian"),
    ],
)
def test_what_is_no_such_file_is_named(tmp_path, damage, what):
    write_ply(splats(3, 3), tmp_path / "scene.ply")
    raw = (tmp_path / "scene.ply").read_bytes()
    (tmp_path / "scene.ply").write_bytes(damage(raw))
    with pytest.raises(DataError, match=what):
        read_ply(tmp_path / "scene.ply")
    with pytest.raises(DataError, match="cannot read"):
        read_ply(tmp_path / "nowhere.ply")
