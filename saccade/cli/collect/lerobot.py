"""Clips as a LeRobot v3 dataset: one episode a clip, many a file, with Saccade's plans and verdicts beside them.

The layout is that of LeRobot's `datasets` (github.com/huggingface/lerobot, codebase version v3.0): meta/info.json,
meta/stats.json, meta/tasks.parquet, meta/episodes, data and videos in chunks. What LeRobot does not know is in
`saccade/`: plans, gate and stages as Parquet, by episode_index and timestamp.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from saccade.cli.collect import stats
from saccade.cli.collect.needs import needed
from saccade.cli.collect.video import CODEC, PIX_FMT, join_videos
from saccade.errors import DataError
from saccade.geometry import F64

VERSION = "v3.0"
DATA_PATH = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO_PATH = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
EPISODES_PATH = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
CHUNK_FILES, DATA_MB, VIDEO_MB = 1000, 100, 200
_FRAMES_A_FILE = 100_000
"""Some tens of bytes each: well below DATA_MB."""


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """A clip as `save_clip` left it."""

    folder: Path
    about: dict[str, Any]
    state: F64
    action: F64

    @classmethod
    def load(cls, folder: Path) -> Clip:
        """From its folder. DataError where it is not complete."""
        try:
            about = json.loads((folder / "clip.json").read_text())
            with np.load(folder / "frames.npz", allow_pickle=False) as arrays:
                return cls(folder, about, arrays["state"], arrays["action"])
        except (OSError, ValueError, KeyError) as error:
            raise DataError(f"{folder} is no complete clip: {error}") from error

    @property
    def length(self) -> int:
        """How many frames."""
        return len(self.state)

    def layout(self) -> tuple[Any, ...]:
        """What all clips of a dataset have in common."""
        about = self.about
        return about["fps"], about["cameras"], about["state_names"], about["action_names"]


def write_dataset(folder: Path, clips: Sequence[Clip], robot: str) -> None:
    """The dataset of these clips in this order, in place of one that was there. DataError where they do not fit."""
    if not clips:
        raise DataError("there is no clip to make a dataset of")
    for clip in clips:
        if clip.layout() != clips[0].layout():
            raise DataError(f"{clip.folder} has other cameras, rates or joints than {clips[0].folder}")
    beside = folder.with_name(folder.name + ".new")
    shutil.rmtree(beside, ignore_errors=True)
    _Writer(beside, clips, robot).write()
    shutil.rmtree(folder, ignore_errors=True)
    beside.rename(folder)


class _Writer:
    """One dataset under way; `rows` are the episodes' metadata."""

    def __init__(self, folder: Path, clips: Sequence[Clip], robot: str) -> None:
        self._folder, self._clips, self._robot = folder, clips, robot
        self._fps = int(clips[0].about["fps"])
        self._cameras: dict[str, list[int]] = clips[0].about["cameras"]
        self._tasks = list(dict.fromkeys(clip.about["task"] for clip in clips))
        begins = np.cumsum([0, *(clip.length for clip in clips)])
        self._rows: list[dict[str, Any]] = [
            {
                "episode_index": i, "tasks": [clip.about["task"]], "length": clip.length,
                "dataset_from_index": int(begins[i]), "dataset_to_index": int(begins[i + 1]),
            }
            for i, clip in enumerate(clips)
        ]  # fmt: skip

    def write(self) -> None:
        """All files."""
        columns = [self._columns(i) for i in range(len(self._clips))]
        self._data(columns)
        for camera in self._cameras:
            self._videos(camera)
        episode_stats = [self._stats(i, columns[i]) for i in range(len(self._clips))]
        self._meta(episode_stats)
        self._beside()

    def _columns(self, i: int) -> dict[str, Any]:
        clip, n = self._clips[i], self._clips[i].length
        frame = np.arange(n)
        return {
            "observation.state": clip.state.astype(np.float32), "action": clip.action.astype(np.float32),
            "timestamp": (frame / self._fps).astype(np.float32), "frame_index": frame,
            "episode_index": np.full(n, i), "index": frame + self._rows[i]["dataset_from_index"],
            "task_index": np.full(n, self._tasks.index(clip.about["task"])),
        }  # fmt: skip

    def _stats(self, i: int, columns: dict[str, Any]) -> dict[str, stats.Stats]:
        values = {
            name: stats.of_values(np.asarray(column, np.float64).reshape(len(column), -1))
            for name, column in columns.items()
        }
        pictures = {f"observation.images.{c}": self._clips[i].about["pictures"][c] for c in self._cameras}
        return {**values, **pictures}

    def _data(self, columns: Sequence[dict[str, Any]]) -> None:
        """Frames of many episodes a file, a row group each."""
        pq = needed("pyarrow.parquet")
        writer, file, frames = None, -1, _FRAMES_A_FILE
        for row, part in zip(self._rows, columns, strict=True):
            if frames + row["length"] > _FRAMES_A_FILE:
                file, frames = file + 1, 0
                if writer is not None:
                    writer.close()
                writer = None
            table = _table(part)
            path = self._path(DATA_PATH, file)
            writer = writer or pq.ParquetWriter(path, table.schema, compression="snappy")
            writer.write_table(table)
            frames += row["length"]
            row["data/chunk_index"], row["data/file_index"] = _indices(file)
        if writer is not None:
            writer.close()

    def _videos(self, camera: str) -> None:
        """A camera's clips, joined into files of at most VIDEO_MB."""
        key, paths = f"observation.images.{camera}", [clip.folder / f"{camera}.mp4" for clip in self._clips]
        files: list[list[int]] = []
        size = 0
        for i, path in enumerate(paths):
            size += path.stat().st_size
            if not files or size > VIDEO_MB * 1024**2:
                files.append([])
                size = path.stat().st_size
            files[-1].append(i)
        for file, members in enumerate(files):
            counts = [self._clips[i].length for i in members]
            join_videos(self._path(VIDEO_PATH, file, video_key=key), [paths[i] for i in members], counts, self._fps)
            ends = np.cumsum([0, *counts]) / self._fps
            for i, begin_s, end_s in zip(members, ends, ends[1:], strict=False):
                row, (chunk, index) = self._rows[i], _indices(file)
                row[f"videos/{key}/chunk_index"], row[f"videos/{key}/file_index"] = chunk, index
                row[f"videos/{key}/from_timestamp"] = float(begin_s)
                row[f"videos/{key}/to_timestamp"] = float(end_s)

    def _meta(self, episode_stats: Sequence[dict[str, stats.Stats]]) -> None:
        pa, pq = needed("pyarrow"), needed("pyarrow.parquet")
        for row, found in zip(self._rows, episode_stats, strict=True):
            row.update({f"stats/{name}/{k}": v for name, part in found.items() for k, v in part.items()})
            row["meta/episodes/chunk_index"], row["meta/episodes/file_index"] = 0, 0
        pq.write_table(pa.Table.from_pylist(self._rows), self._path(EPISODES_PATH, 0))
        # LeRobot reads the words as the index of a pandas frame.
        kinds = {"task_index": ("int64", "int64"), "task": ("unicode", "object")}
        columns = [
            {"name": name, "field_name": name, "pandas_type": a, "numpy_type": b, "metadata": None}
            for name, (a, b) in kinds.items()
        ]
        index = {"index_columns": ["task"], "column_indexes": [], "columns": columns, "pandas_version": "2.0.0"}
        tasks = pa.table({"task_index": pa.array(range(len(self._tasks)), pa.int64()), "task": self._tasks})
        tasks = tasks.replace_schema_metadata({"pandas": json.dumps(index)})
        pq.write_table(tasks, self._folder / "meta" / "tasks.parquet")
        names = episode_stats[0]
        self._json("meta/stats.json", {name: stats.together([e[name] for e in episode_stats]) for name in names})
        self._json("meta/info.json", self._info())

    def _info(self) -> dict[str, Any]:
        about = self._clips[0].about
        single = {"shape": [1], "names": None}
        video = {
            "video.codec": CODEC, "video.pix_fmt": PIX_FMT, "video.fps": self._fps, "video.channels": 3,
            "video.is_depth_map": False, "has_audio": False,
        }  # fmt: skip
        features: dict[str, Any] = {
            f"observation.images.{camera}": {
                "dtype": "video", "shape": [*size, 3], "names": ["height", "width", "channels"],
                "info": {**video, "video.height": size[0], "video.width": size[1]},
            }
            for camera, size in self._cameras.items()
        }  # fmt: skip
        for name, key in (("observation.state", "state_names"), ("action", "action_names")):
            features[name] = {"dtype": "float32", "shape": [len(about[key])], "names": about[key]}
        features["timestamp"] = {"dtype": "float32", **single}
        features.update({name: {"dtype": "int64", **single} for name in _INDICES})
        return {
            "codebase_version": VERSION, "robot_type": self._robot, "total_episodes": len(self._clips),
            "total_frames": self._rows[-1]["dataset_to_index"], "total_tasks": len(self._tasks),
            "chunks_size": CHUNK_FILES, "data_files_size_in_mb": DATA_MB, "video_files_size_in_mb": VIDEO_MB,
            "fps": self._fps, "splits": {"train": f"0:{len(self._clips)}"}, "data_path": DATA_PATH,
            "video_path": VIDEO_PATH, "features": features,
        }  # fmt: skip

    def _beside(self) -> None:
        """Plans, the gate's verdicts, and the stages with what was thought of them."""
        pa, pq = needed("pyarrow"), needed("pyarrow.parquet")
        (self._folder / "saccade").mkdir()
        for name in ("plans", "gate"):
            rows = [{"episode_index": i, **row} for i, clip in enumerate(self._clips) for row in clip.about[name]]
            pq.write_table(pa.Table.from_pylist(rows), self._folder / "saccade" / f"{name}.parquet")
        keys = ("task", "kind", "thing", "length", "begin_s", "end_s", "errand", "opinions", "score")
        stages = [
            {"episode_index": i, **{key: clip.about[key] for key in keys if key in clip.about}}
            for i, clip in enumerate(self._clips)
        ]
        pq.write_table(pa.Table.from_pylist(stages), self._folder / "saccade" / "stages.parquet")

    def _path(self, template: str, file: int, **names: str) -> Path:
        chunk, index = _indices(file)
        path = self._folder / template.format(chunk_index=chunk, file_index=index, **names)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _json(self, name: str, value: Any) -> None:
        (self._folder / name).write_text(json.dumps(value, indent=4) + "\n")


_INDICES = ("frame_index", "episode_index", "index", "task_index")


def _indices(file: int) -> tuple[int, int]:
    """Chunk and file of a running number."""
    return divmod(file, CHUNK_FILES)


def _table(columns: dict[str, Any]) -> Any:
    pa = needed("pyarrow")
    arrays = {}
    for name, column in columns.items():
        values = pa.array(column.reshape(-1))
        arrays[name] = pa.FixedSizeListArray.from_arrays(values, column.shape[1]) if column.ndim == 2 else values
    return pa.table(arrays)
