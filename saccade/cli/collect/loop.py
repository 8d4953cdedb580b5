"""The data engine: propose, play, cut, verify, keep, and again; every episode is on disk before the next one begins.

A folder has `collect.json` (what is collected), `episodes.jsonl` (a line an episode), `clips/` (good stages) and, made
of the best of them at the end, `dataset/`. An episode that fails is a line that says why. Run again, it goes on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from saccade.cli.collect.clip import frames, save_clip
from saccade.cli.collect.lerobot import Clip, write_dataset
from saccade.cli.collect.needs import needed
from saccade.cli.collect.propose import OFFERS, propose
from saccade.cli.collect.rollout import Assignment, Rollout, play
from saccade.cli.collect.score import keep, quality, signature
from saccade.cli.collect.seen import seen_names
from saccade.cli.collect.stages import Stage, cut
from saccade.cli.collect.verify import Verifier, agreements
from saccade.clock import seconds
from saccade.errors import ConfigError, DataError, SaccadeError

AT_START_M = 1.0
Record = dict[str, Any]
Tell = Callable[[int, str, float], None]
"""Episodes that are done, what the one under way is about, and how many seconds of it have passed."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is collected: worlds of a kind from `seed` on; stages that the verifier `by` calls good are kept."""

    world: str
    seed: int
    by: str = "truth"
    options: str = ""
    faults: str = ""
    limit_s: float | None = None


class Engine:
    """One folder of collected episodes."""

    def __init__(self, out: Path, plan: Plan, verifiers: Sequence[Verifier]) -> None:
        """ConfigError where the folder holds something else, or a library is missing."""
        needed("pyarrow"), needed("av")
        self.out, self.plan, self._verifiers = out, plan, list(verifiers)
        if plan.by not in {verifier.name for verifier in verifiers}:
            raise ConfigError(f"no verifier {plan.by!r} is asked; those that are: {[v.name for v in verifiers]}")
        _settle(out, plan)
        self.records = _records(out / "episodes.jsonl")

    def run(self, episodes: int, tell: Tell = lambda done, about, at_s: None) -> None:
        """Go on until there are so many episodes; then nothing is left to do but `finish`."""
        while len(self.records) < episodes:
            index = len(self.records)
            errand, why = propose(self.plan.world, self.plan.seed, self.records, self.plan.options)
            errand = replace(errand, faults=self.plan.faults)
            about = f"{errand.instruction} (seed {errand.seed})"
            tell(index, about, 0.0)
            record = self._episode(index, errand, why, partial(tell, index, about))
            self.records.append(record)
            with (self.out / "episodes.jsonl").open("a") as file:
                file.write(json.dumps(record) + "\n")

    def finish(self, most: int | None) -> dict[str, Any]:
        """Make the dataset of the best `most` clips, or of all, and summary.json; the summary."""
        stages = [stage for record in self.records for stage in record.get("stages", ())]
        clips = [Clip.load(self.out / "clips" / stage["clip"]) for stage in stages if stage["kept"]]
        best = keep([(clip.about["score"]["quality"], clip.about["signature"]) for clip in clips], most)
        kept = [clips[i] for i in sorted(best)]
        if kept:
            write_dataset(self.out / "dataset", kept, self.plan.world)
        kinds = sorted({stage["kind"] for stage in stages})
        others = [v.name for v in self._verifiers if v.name != "truth"]
        summary = {
            "episodes": len(self.records), "failed": sum("error" in record for record in self.records),
            "done": sum(bool(record.get("done")) for record in self.records), "by": self.plan.by,
            "stages": {k: _count(s for s in stages if s["kind"] == k) for k in kinds},
            "dataset": [clip.folder.name for clip in kept],
            "agreement": {
                name: {kind: a.row() for kind, a in agreements(stages, name).items()} for name in others
            },
        }  # fmt: skip
        (self.out / "summary.json").write_text(json.dumps(summary, indent=1) + "\n")
        return summary

    def _episode(self, index: int, errand: Assignment, why: str, at: Callable[[float], None]) -> Record:
        record: Record = {"episode": index, **asdict(errand), "why": why}
        begin: list[int] = []

        def progress(now_ns: int) -> None:
            begin.append(now_ns) if not begin else None
            at(seconds(now_ns - begin[0]))

        try:
            rollout = play(errand, self.plan.limit_s, progress)
            stages = [self._stage(index, i, rollout, stage) for i, stage in enumerate(cut(rollout))]
        except Exception as error:  # whatever one episode does, the loop goes on: it runs unattended
            known = isinstance(error, SaccadeError)
            return {**record, "error": str(error) if known else f"{type(error).__name__}: {error}"}
        names = [goal.name for goal in OFFERS[errand.world](errand.seed).goals]
        return {
            **record, "said": rollout.said, "done": rollout.done, "seconds": _s(rollout.end_ns - rollout.start_ns),
            "seen": seen_names(rollout, names), "seen_at_start": seen_names(rollout, names, AT_START_M),
            "truth": rollout.film.truth[-1].verdict, "stages": stages,
        }  # fmt: skip

    def _stage(self, index: int, i: int, rollout: Rollout, stage: Stage) -> Record:
        """A stage's record; where it is good, its clip is saved first."""
        opinions = {verifier.name: verifier.judge(stage, rollout) for verifier in self._verifiers}
        record: Record = {
            "kind": stage.kind, "task": stage.task, "thing": stage.thing,
            "begin_s": _s(stage.begin_ns - rollout.start_ns), "end_s": _s(stage.end_ns - rollout.start_ns),
            "opinions": {name: opinion.row() for name, opinion in opinions.items()}, "kept": False,
        }  # fmt: skip
        if not opinions[self.plan.by].good:
            return record
        try:
            shot = frames(rollout, stage)
        except DataError as error:
            return {**record, "dropped": str(error)}
        score = quality(rollout, stage, shot, opinions)
        name = f"{index:05d}-{i:02d}-{stage.kind}"
        more = {
            "opinions": record["opinions"], "score": score, "signature": signature(stage, shot),
            "errand": asdict(rollout.errand),
        }  # fmt: skip
        save_clip(self.out / "clips" / name, rollout, stage, shot, more)
        return {**record, "kept": True, "clip": name, "score": score}


def _settle(out: Path, plan: Plan) -> None:
    """Write down what is collected here; ConfigError where it is something else already."""
    file, asked = out / "collect.json", asdict(plan)
    if file.is_file():
        was = json.loads(file.read_text())
        if was != asked:
            differ = [f"{key} is {was.get(key)!r} there" for key in asked if was.get(key) != asked[key]]
            raise ConfigError(f"{out} holds another collection ({', '.join(differ)}); go on with that, or elsewhere")
        return
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"{out} is neither a new folder nor one that was collected into")
    out.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(asked, indent=1) + "\n")


def _records(path: Path) -> list[Record]:
    """The episodes so far; a last line that was cut off by a crash is dropped, on disk too."""
    if not path.is_file():
        return []
    lines, records = path.read_text().splitlines(keepends=True), []
    for line in lines:
        try:
            records.append(json.loads(line))
        except ValueError:
            break
    if len(records) < len(lines) or (lines and not lines[-1].endswith("\n")):
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return records


def _count(stages: Any) -> Mapping[str, int]:
    stages = list(stages)
    return {"all": len(stages), "kept": sum(stage["kept"] for stage in stages)}


def _s(ns: int) -> float:
    return round(seconds(ns), 3)
