"""What the node sends: a mesh as a marker, and the volume between two heights as a grid."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from map_node.params import OccupancyParams
from map_node.volume.esdf import FREE, SURFACE, Labels
from map_node.volume.mesh import Mesh
from saccade.errors import DataError
from saccade.geometry import F64, SE3
from saccade.types import I8
from saccade.wire.codec import codec
from saccade.wire.convert import Cdr, duration_msg, encode_occupancy, header, pose_msg

_TRIANGLE_LIST, _ADD, _DELETE = 11, 0, 2
_HERE = (1.5e300, -1.5e300, 2.5e300)
"""A corner that no mesh has: where it is found in a message, corners begin."""


def nearest(mesh: Mesh, at_m: F64, most: int) -> Mesh:
    """The `most` triangles nearest to a point (3,), in the mesh's order; the vertices stay."""
    if len(mesh.triangles) <= most:
        return mesh
    middles = mesh.vertices[mesh.triangles].mean(axis=1)
    order = np.argsort(((middles - at_m.astype(np.float32)) ** 2).sum(axis=1), kind="stable")[:most]
    return mesh._replace(triangles=mesh.triangles[np.sort(order)])


def encode_mesh(stamp_ns: int, frame_id: str, mesh: Mesh) -> Cdr:
    """visualization_msgs/Marker: a coloured TRIANGLE_LIST, or for an empty mesh the removal of the one before.

    A marker's corners are messages of three numbers each; they are written into the bytes as arrays, which takes
    milliseconds instead of seconds.
    """
    corners = mesh.triangles.reshape(-1)
    if not len(corners):
        return codec().encode(_marker(stamp_ns, frame_id, _DELETE, [], []))
    new = codec().new
    x, y, z = _HERE
    point, grey = (
        new("geometry_msgs/msg/Point", x=x, y=y, z=z),
        new("std_msgs/msg/ColorRGBA", r=1.0, g=1.0, b=1.0, a=1.0),
    )
    cdr = bytes(codec().encode(_marker(stamp_ns, frame_id, _ADD, [point], [grey])))
    at = cdr.index(struct.pack("<3d", *_HERE))
    count = struct.pack("<I", len(corners))
    rgba = np.ones((len(corners), 4), np.float32)
    rgba[:, :3] = mesh.rgb[corners] / np.float32(255)
    points = mesh.vertices[corners].astype("<f8")
    return b"".join([cdr[: at - 4], count, points.tobytes(), count, rgba.tobytes(), cdr[at + 24 + 4 + 16 :]])


def decode_mesh(cdr: Cdr) -> Mesh:
    """The mesh of such a message, of three corners a triangle; empty for a removal. DataError for another marker."""
    raw, at = memoryview(cdr).cast("B"), 12
    try:
        for _ in range(2):  # the frame and the namespace
            (length,) = struct.unpack_from("<I", raw, at)
            at += 4 + length
            at += -at % 4
        _, kind, action = struct.unpack_from("<3i", raw, at)
        at += 12
        at += -(at - 4) % 8 + 10 * 8 + 4 * 4 + 8 + 1  # pose, scale, colour, lifetime, frame_locked
        at += -at % 4
        (corners,) = struct.unpack_from("<I", raw, at)
        first = at + 4 + -at % 8 if corners else at + 4
        points = np.frombuffer(raw, "<f8", 3 * corners, first).reshape(-1, 3)
        (colours,) = struct.unpack_from("<I", raw, first + points.nbytes)
        rgba = np.frombuffer(raw, "<f4", 4 * colours, first + points.nbytes + 4).reshape(-1, 4)
    except (struct.error, ValueError) as error:
        raise DataError(f"map/mesh is damaged: {error}") from error
    if kind != _TRIANGLE_LIST or action not in (_ADD, _DELETE) or colours != corners or corners % 3:
        raise DataError(f"map/mesh is a marker of type {kind} with {corners} corners and {colours} colours; "
                        "expected triangles with a colour for each corner")  # fmt: skip
    if not (np.isfinite(points).all() and np.isfinite(rgba).all()):
        raise DataError("map/mesh has corners or colours that are not numbers; expected finite ones")
    rgb = np.rint(rgba[:, :3].clip(0, 1) * 255).astype(np.uint8)
    return Mesh(points.astype(np.float32), rgb, np.arange(corners, dtype=np.int32).reshape(-1, 3))


def _marker(stamp_ns: int, frame_id: str, action: int, points: list[Any], colours: list[Any]) -> Any:
    new = codec().new
    nothing = new("sensor_msgs/msg/CompressedImage", header=header(0, ""), format="", data=np.empty(0, np.uint8))
    constants = {
        "ARROW": 0, "CUBE": 1, "SPHERE": 2, "CYLINDER": 3, "LINE_STRIP": 4, "LINE_LIST": 5, "CUBE_LIST": 6,
        "SPHERE_LIST": 7, "POINTS": 8, "TEXT_VIEW_FACING": 9, "MESH_RESOURCE": 10, "TRIANGLE_LIST": 11,
        "ARROW_STRIP": 12, "ADD": 0, "MODIFY": 0, "DELETE": 2, "DELETEALL": 3,
    }  # fmt: skip
    return new(
        "visualization_msgs/msg/Marker", **constants, header=header(stamp_ns, frame_id), ns="map", id=0,
        type=_TRIANGLE_LIST, action=action, pose=pose_msg(SE3.identity()),
        scale=new("geometry_msgs/msg/Vector3", x=1.0, y=1.0, z=1.0),
        color=new("std_msgs/msg/ColorRGBA", r=1.0, g=1.0, b=1.0, a=1.0), lifetime=duration_msg(0), frame_locked=False,
        points=points, colors=colours, texture_resource="", texture=nothing, uv_coordinates=[], text="",
        mesh_resource="", mesh_file=new("visualization_msgs/msg/MeshFile", filename="", data=np.empty(0, np.uint8)),
        mesh_use_embedded_materials=False,
    )  # fmt: skip


def occupancy(labels: Labels, ground_m: float, params: OccupancyParams) -> I8:
    """Cells (H, W) int8 of the whole window, rows along y: 100 = something stands there, 0 = free, -1 = unknown.

    A column between `min_m` and `max_m` above the ground is occupied by any surface in it, and free where enough of it
    is known to be.
    """
    voxel_m, lowest_m = labels.volume.params.voxel_m, float(labels.origin_m[2]) - ground_m
    height = labels.labels.shape[2]
    low = min(max(round((params.min_m - lowest_m) / voxel_m), 0), height - 1)
    high = min(max(round((params.max_m - lowest_m) / voxel_m), low + 1), height)
    column = labels.labels[:, :, low:high]
    free = (column == FREE).sum(axis=2) >= params.min_known * (high - low)
    cells = np.where((column >= SURFACE).any(axis=2), 100, np.where(free, 0, -1))
    return np.ascontiguousarray(cells.T.astype(np.int8))


def encode_cells(stamp_ns: int, frame_id: str, labels: Labels, ground_m: float, cells: I8) -> Cdr:
    """nav_msgs/OccupancyGrid of such cells, at the height of the ground."""
    x_m, y_m, _ = labels.origin_m.tolist()
    return encode_occupancy(stamp_ns, frame_id, labels.volume.params.voxel_m, (x_m, y_m, ground_m), cells)
