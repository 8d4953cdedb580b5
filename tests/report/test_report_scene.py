"""The map in three dimensions in the report, where the recording has it."""

import base64
import re

import cv2
import numpy as np
import pytest
from made_runs import T0, drive_samples, write_run

from map_node.messages import encode_mesh
from map_node.volume.mesh import Mesh
from saccade.node import Sample
from saccade.report.html import write_report
from saccade.report.run import read_run
from saccade.report.scene import scene
from saccade.report.summary import summarise
from saccade.types import Image
from saccade.wire.images import encode_image

WALL = Mesh(
    np.array([(0, 0, 0), (2, 0, 0), (2, 0, 1), (0, 0, 1)], np.float32),
    np.array([(250, 30, 20)] * 4, np.uint8), np.array([(0, 1, 2), (0, 2, 3)], np.int32),
)  # fmt: skip


def above(at_ns, grey):
    return Sample("map/birdseye", at_ns, encode_image(Image(at_ns, "odom", np.full((30, 40, 3), grey, np.uint8))))


def wall(at_ns, mesh=WALL):
    return Sample("map/mesh", at_ns, encode_mesh(at_ns, "odom", mesh))


def picture(uri):
    data = np.frombuffer(base64.b64decode(uri.partition("base64,")[2]), np.uint8)
    return cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1]


def test_the_last_picture_from_above_and_the_surface_from_around(tmp_path):
    path = write_run(tmp_path / "run.mcap", [above(T0, 10), above(T0 + 5, 200), wall(T0 + 7)])
    shown = scene(read_run(path), path)
    np.testing.assert_array_equal(picture(shown.above), np.full((30, 40, 3), 200, np.uint8))
    assert len(shown.around) == 6
    red = [(picture(uri)[..., 0].astype(int) - picture(uri)[..., 1] > 120).sum() for uri in shown.around]
    assert min(red[1], red[2], red[4], red[5]) > 2000  # seen from the side of it
    assert red[0] < red[1] / 3  # along it


@pytest.mark.parametrize(("has", "images"), [([above], 1), ([wall], 6), ([above, wall], 7), ([], 0)])
def test_the_report_has_a_section_where_there_is_something(tmp_path, has, images):
    extra = [above(T0, 50)] * (above in has) + [wall(T0)] * (wall in has)
    path = write_run(tmp_path / "run.mcap", [*drive_samples(), *extra])
    run = read_run(path)
    write_report(run, path, tmp_path / "report.html", {}, {}, summarise(run))
    page = (tmp_path / "report.html").read_text()
    section = re.search(r"<h2>The map.*?</section>", page, re.DOTALL)
    assert bool(section) == bool(images)
    assert (section.group().count("<img") if section else 0) == images
    assert run.problems == []


def test_what_cannot_be_read_is_a_problem(tmp_path):
    broken = Sample("map/mesh", T0, bytes(wall(T0).cdr[:250]))
    path = write_run(tmp_path / "run.mcap", [above(T0, 50), broken])
    run = read_run(path)
    shown = scene(run, path)
    assert shown.above
    assert shown.around == []
    assert any("map/mesh" in problem for problem in run.problems)


def test_an_empty_mesh_is_nothing_to_show(tmp_path):
    empty = Mesh(WALL.vertices[:0], WALL.rgb[:0], WALL.triangles[:0])
    path = write_run(tmp_path / "run.mcap", [wall(T0, empty)])
    assert scene(read_run(path), path).around == []
