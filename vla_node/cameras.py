"""The cameras of a robot, and where their pictures come from."""

from __future__ import annotations

CAMERAS = {
    name: tuple(f"{topic}{suffix}" for topic in topics for suffix in ("", "/compressed"))
    for name, topics in {
        "left": ("left/image_rect", "left/image_raw"), "right": ("right/image_rect", "right/image_raw"),
        "color": ("rgbd/color/image_rect",), "wrist": ("wrist/image_raw",),
    }.items()
}  # fmt: skip
"""Topics of each, the best first."""
