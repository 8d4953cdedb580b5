"""Pictures as H.264 in MP4, by PyAV: one file a clip, and clips joined into larger files without encoding them again.

Every second picture is a key frame, as LeRobot has it, so that any one is found quickly; there are no B-frames, so that
files can be joined packet by packet. One thread: the same pictures give the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from saccade.cli.collect.needs import needed
from saccade.types import U8

CODEC, PIX_FMT, KEY_EVERY, CRF = "h264", "yuv420p", 2, 20


def write_video(path: Path, pictures: Iterable[U8], fps: int) -> None:
    """Pictures (h, w, 3) RGB or (h, w) grey, uint8, of one size with even sides, at a constant rate."""
    av = needed("av")
    with av.open(str(path), "w", format="mp4") as container:
        stream: Any = None
        for i, picture in enumerate(pictures):
            rgb = np.repeat(picture[:, :, None], 3, axis=2) if picture.ndim == 2 else picture
            if stream is None:
                options = {"crf": str(CRF), "preset": "veryfast", "threads": "1", "bf": "0", "g": str(KEY_EVERY)}
                stream = container.add_stream("libx264", rate=fps, options=options)
                stream.height, stream.width = rgb.shape[:2]
                stream.pix_fmt, stream.time_base = PIX_FMT, Fraction(1, fps)
                stream.thread_count = 1
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
            frame.pts, frame.time_base = i, Fraction(1, fps)
            container.mux(stream.encode(frame))
        if stream is not None:
            container.mux(stream.encode(None))


def join_videos(path: Path, parts: Sequence[Path], counts: Sequence[int], fps: int) -> None:
    """Several of `write_video`'s files, of so many pictures each, one after another in one."""
    av = needed("av")
    with av.open(str(path), "w", format="mp4") as out:
        stream: Any = None
        begin = 0
        for part, count in zip(parts, counts, strict=True):
            with av.open(str(part)) as container:
                source = container.streams.video[0]
                stream = stream or out.add_stream_from_template(source)
                shift = round(Fraction(begin, fps) / source.time_base)
                for packet in container.demux(source):
                    if packet.dts is None:  # the flush at the end
                        continue
                    packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                    packet.stream = stream
                    out.mux(packet)
            begin += count


def read_video(path: Path) -> list[U8]:
    """All pictures (h, w, 3) RGB uint8 of a file."""
    av = needed("av")
    with av.open(str(path)) as container:
        return [np.asarray(frame.to_ndarray(format="rgb24"), np.uint8) for frame in container.decode(video=0)]
