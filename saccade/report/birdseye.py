"""The run from above: what was mapped, where the robot went, and what each plan wanted."""

from __future__ import annotations

import math

import numpy as np

from saccade.clock import SEC
from saccade.geometry import F64
from saccade.report.pictures import data_uri
from saccade.report.run import Run
from saccade.report.svg import Scale, drawing, tag, text, title
from saccade.types import U8, Decision, Verdict

_WIDTH = 760.0
_SHAPES = (0.45, 0.9)
"""Height over width of the drawing, least and most."""
_MARGIN_M, _MARGIN = 0.6, 0.05
"""Around all that is drawn: metres, or this share of its extent if that is more."""
_LONGEST_ARROW = 30.0
_ARROW_EVERY_S = 0.5
_MAP_PIXELS = 1_500


def birdseye(run: Run) -> str:
    """Map, path, plan versions (the paler the older), goal and commanded motion; x to the right, y up, metres."""
    way = np.array([s.T_odom_from_body.t[:2] for s in run.poses]).reshape(-1, 2)
    frame = run.poses[0].frame_id if run.poses else run.map.frame_id
    plans = [(i, heard, p) for i, (heard, p) in enumerate(run.plans) if len(p.waypoints) and p.frame_id == frame]
    box = _extent([way, *(p.waypoints[:, :2] for _, _, p in plans)], run)
    if box is None:
        return ""
    x, y = Scale(box[0], box[2], 0.0, _WIDTH), Scale(box[1], box[3], _WIDTH * (box[3] - box[1]) / (box[2] - box[0]), 0)
    parts = [_ground(run, x, y) if run.map.frame_id in ("", frame) else "", *_grid(x, y)]
    for i, heard_ns, plan in plans:
        strength = 0.25 + 0.75 * (i + 1) / len(run.plans)
        hover = f"plan {plan.id} (epoch {plan.epoch}), heard at {(heard_ns - run.start_ns) / SEC:.2f} s: {plan.text}"
        points = np.vstack([plan.obs_pose.t[:2], plan.waypoints[:, :2]])
        drawn = tag("path", d=_path(x, y, points), class_="way plan")
        dots = "".join(tag("circle", cx=x(px), cy=y(py), r=2.6, class_="fill-plan") for px, py in plan.waypoints[:, :2])
        parts.append(tag("g", title(hover), drawn, dots, opacity=strength))
    parts += [tag("path", d=_path(x, y, way), class_="way travelled"), *_motion(run, x, y)]
    if plans:
        goal = plans[-1][2].waypoints[-1]
        ring = "".join(tag("circle", cx=x(goal[0]), cy=y(goal[1]), r=r, class_="goal") for r in (4.0, 9.0))
        parts.append(tag("g", title(f"goal of the last plan, x {goal[0]:.2f} m, y {goal[1]:.2f} m"), ring))
    parts += _ends(run, x, y)
    return drawing(_WIDTH, y.start, *parts, label="bird's-eye map")


def _extent(drawn: list[F64], run: Run) -> tuple[float, float, float, float] | None:
    """x0, y0, x1, y1 around all points and obstacles, widened to a shape that fits a page."""
    cells = np.argwhere(run.map.cells > 50)[:, ::-1]
    ends = np.vstack([cells.min(axis=0), cells.max(axis=0) + 1]) if len(cells) else np.empty((0, 2))
    points = np.vstack([*drawn, run.map.origin_m + run.map.resolution_m * ends])
    points = points[np.isfinite(points).all(axis=1)]
    if not len(points):
        return None
    low, high = points.min(axis=0), points.max(axis=0)
    margin = max(_MARGIN_M, _MARGIN * float((high - low).max()))
    (x0, y0), (x1, y1) = low - margin, high + margin
    if (lack := _SHAPES[0] * (x1 - x0) - (y1 - y0)) > 0:
        y0, y1 = y0 - lack / 2, y1 + lack / 2
    if (lack := (y1 - y0) / _SHAPES[1] - (x1 - x0)) > 0:
        x0, x1 = x0 - lack / 2, x1 + lack / 2
    return float(x0), float(y0), float(x1), float(y1)


def _ground(run: Run, x: Scale, y: Scale) -> str:
    """The map as a picture: obstacles dark, free ground light, the unknown transparent."""
    cells = run.map.cells
    if not cells.size:
        return ""
    shrink = math.ceil(max(cells.shape) / _MAP_PIXELS)
    if shrink > 1:  # the worst of each block, so that thin obstacles stay
        padded = np.pad(cells, [(0, -n % shrink) for n in cells.shape], constant_values=-1)
        cells = padded.reshape(padded.shape[0] // shrink, shrink, -1, shrink).max(axis=(1, 3))
    rgba: U8 = np.zeros((*cells.shape, 4), np.uint8)
    rgba[cells >= 0] = (175, 160, 150, 50)
    solid = cells > 50
    rgba[solid] = (120, 92, 80, 235)  # BGR
    step = run.map.resolution_m * shrink
    x0, y0 = run.map.origin_m
    height, width = cells.shape
    at = {"x": x(x0), "y": y(y0 + height * step), "width": x(x0 + width * step) - x(x0)}
    picture = data_uri(rgba[::-1], ".png")
    high = y(y0) - y(y0 + height * step)
    return tag("image", href=picture, **at, height=high, preserveAspectRatio="none", class_="pixelated")


def _grid(x: Scale, y: Scale) -> list[str]:
    """Lines at round metres, equally far apart both ways."""
    out, ticks = [], x.ticks(8)
    step = ticks[1] - ticks[0] if len(ticks) > 1 else 1.0
    for tick in ticks:
        out.append(tag("line", x1=x(tick), x2=x(tick), y1=0, y2=y.start, class_="grid"))
        out.append(tag("text", text(f"{tick:g} m"), x=x(tick) + 3, y=y.start - 5, class_="tick"))
    for i in range(math.ceil(y.low / step), math.floor(y.high / step) + 1):
        at = y(i * step)
        out.append(tag("line", x1=0, x2=_WIDTH, y1=at, y2=at, class_="grid"))
        out.append(tag("text", text(f"{round(i * step, 6):g} m"), x=3, y=at - 4, class_="tick"))
    return out


def _path(x: Scale, y: Scale, points: F64) -> str:
    """Path data through points (n, 2), thinned to steps that can be seen."""
    out: list[str] = []
    last = (math.inf, math.inf)
    for px, py in points:
        here = (x(float(px)), y(float(py)))
        if math.isfinite(here[0] + here[1]) and math.dist(here, last) > 0.7:
            out.append(f"{'L' if out else 'M'}{here[0]:.1f} {here[1]:.1f}")
            last = here
    return "".join(out)


def _motion(run: Run, x: Scale, y: Scale) -> list[str]:
    """An arrow along the path twice a second: heading, longer the faster it was let go, coloured by the verdict."""
    out: list[str] = []
    if not run.poses or not run.verdicts:
        return out
    stamps = np.array([s.stamp_ns for s in run.poses])
    fastest = max((abs(speed) for v in run.verdicts if math.isfinite(speed := _speed(v))), default=0.0) or 1.0
    due_ns, every_ns = 0, max(int(_ARROW_EVERY_S * SEC), (run.end_ns - run.start_ns) // 120)
    for v in run.verdicts:
        if v.stamp_ns < due_ns:
            continue
        due_ns = v.stamp_ns + every_ns
        T = run.poses[min(int(np.searchsorted(stamps, v.stamp_ns)), len(stamps) - 1)].T_odom_from_body
        at = (x(float(T.t[0])), y(float(T.t[1])))
        speed = _speed(v)
        length = _LONGEST_ARROW * speed / fastest if math.isfinite(speed) else 0.0
        tip = (at[0] + length * math.cos(T.yaw), at[1] - length * math.sin(T.yaw))
        kind = Decision(v.decision).name.lower()
        hover = f"{(v.stamp_ns - run.start_ns) / SEC:.2f} s: {kind}, {speed:.2f} m/s {v.reason}"
        stem = tag("line", x1=at[0], y1=at[1], x2=tip[0], y2=tip[1], class_=f"arrow stroke-{kind}")
        out.append(tag("g", title(hover), stem, tag("circle", cx=at[0], cy=at[1], r=2.8, class_=f"fill-{kind}")))
    return out


def _speed(verdict: Verdict) -> float:
    """Speed granted along the body's x axis, m/s."""
    return float(verdict.granted[verdict.axes.index("vx")]) if "vx" in verdict.axes else 0.0


def _ends(run: Run, x: Scale, y: Scale) -> list[str]:
    """The robot where it began (hollow) and where it ended (full), as triangles that point ahead."""
    out = []
    for state, class_, name in zip(run.poses[:1] + run.poses[-1:], ("begin", "end"), ("start", "end"), strict=False):
        T = state.T_odom_from_body
        px, py, degrees = x(float(T.t[0])), y(float(T.t[1])), -math.degrees(T.yaw)
        place = f"translate({px:.1f} {py:.1f}) rotate({degrees:.1f})"
        out.append(tag("path", title(name), d="M11 0L-7 7L-3 0L-7 -7Z", transform=place, class_=f"robot {class_}"))
    return out
