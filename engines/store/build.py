"""The life of a compiled engine: built in a child, held to the CPU, then verified or in quarantine."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from engines.card import Card
from engines.compiler import Progress
from engines.engine import Array, EngineError
from engines.options import IN_THE_GRAPH
from engines.store.advice import build_command, is_current, quarantined
from engines.store.compilers import compiler_of, compiler_path
from engines.store.files import Untrusted, cannot_write, part_of, private_folder, put_in_place, read_files, sha256
from engines.store.gate import gate_digest
from engines.store.key import Key, entry_name, key_of, models_of, samples_digest, versions_digest
from engines.store.known_bad import known_bad
from engines.store.lock import locked
from engines.store.machine import machine
from engines.store.manifest import (
    Manifest,
    is_sound,
    is_whole,
    read_manifest,
    remove_files,
    root,
    write_manifest,
)
from engines.store.process import CompilerFailed, in_child
from engines.verdict import require_verdict
from saccade.clock import LiveClock, perf_ns, seconds
from saccade.params import plain

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """One card's engine on this machine, and how to go about it."""

    card: Card
    models: tuple[bytes, ...]
    key: Key
    progress: Progress = lambda what, share: None
    stop: threading.Event = field(default_factory=threading.Event)
    """Set, it ends the work with KeyboardInterrupt and leaves nothing half done."""
    limit_s: float = 7200.0
    calm: bool = False
    """Whether it has to leave the processor to others, because a robot may be moving."""

    calibration: tuple[Mapping[str, Array], ...] = ()
    """Inputs that int8 takes its ranges from, and an engine with other ranges is built again; empty: whichever it has,
    else those that engines are tried on."""

    @property
    def folder(self) -> Path:
        """Where the engine lies, or will."""
        return root() / entry_name(self.card, self.key)

    @property
    def model_bytes(self) -> int:
        """Size of the graphs."""
        return sum(map(len, self.models))

    @property
    def calibrated(self) -> str:
        """Hash of the calibration, empty where there is none."""
        return samples_digest(self.calibration) if self.calibration else ""

    def using(self, progress: Progress) -> Job:
        """The same with its progress told to somebody else."""
        return replace(self, progress=progress)


def job(card: Card, **how: Any) -> Job:
    """The job of a card; EngineError where its compiler, device or graphs are missing, its model was not probed, its
    precision is not to be had here, or a calibration is given that no int8 would use.
    """
    if how.get("calibration") and card.build.precision != "int8":
        raise EngineError(
            f"{card.name}: only int8 takes ranges from a recording, and this is {card.build.precision}; add "
            "--precision int8, or leave --calibrate out"
        )
    require_verdict(card)
    models = models_of(card)
    precision = card.build.precision
    if why := compiler_of(card.runtime, card).cannot(precision):
        raise EngineError(f"{card.name}: {card.runtime} has no {precision} here: {why}; take another --precision")
    if precision in IN_THE_GRAPH and find_spec("onnx") is None:
        raise EngineError(
            f"{card.name}: {precision} is made in the graph, which needs the package onnx: pip install onnx"
        )
    return Job(card, models, key_of(card, models), **how)


def ensure(work: Job, *, again: bool = False) -> Manifest:
    """The verified engine of a job: there already, or built and verified now; by one process at a time.

    With `again` it is built whatever is there. Quarantined, with the reason, where it did not pass now or before;
    EngineError where another was to take the place of a verified one and could not be built, or did not pass: the
    verified one then stays.
    """
    warnings = _warned(work)
    with locked(root() / "locks" / f"{work.folder.name}.lock", work.progress, work.stop) as progress:
        work = work.using(progress)
        found = read_manifest(work.folder)
        if found is not None and not again and work.calibrated in ("", found.calibrated):
            if found.status == "quarantined":
                raise quarantined(work.card, found)
            if is_current(work.card, found) and is_whole(work.folder, found):
                return found
            if is_whole(work.folder, found):
                return _verified(work, found)
        kept = found if found is not None and is_sound(work.folder, found) else None
        return _verified(work, _built(work, warnings, kept), kept)


def verify(work: Job) -> Manifest:
    """Hash the engine of a job anew and hold it to the CPU again; EngineError where there is none."""
    with locked(root() / "locks" / f"{work.folder.name}.lock", work.progress, work.stop) as progress:
        found = read_manifest(work.folder)
        if found is None or not found.files:
            raise EngineError(f"{work.card.name} has no {work.card.runtime} engine here; {build_command(work.card)}")
        if not is_whole(work.folder, found):
            reason = "its file is not the one that was built: it was changed or cut short"
            raise quarantined(work.card, write_manifest(work.folder, _refused(found, reason)))
        return _verified(work.using(progress), found)


def _warned(work: Job) -> tuple[str, ...]:
    """Refuse what is known to compute wrongly, and tell of what may."""
    found = known_bad(work.card.runtime, work.key.versions, work.card.build, work.models)
    for bad in found:
        if bad.action == "refuse":
            raise EngineError(f"{work.card.name} is not built: {bad}")
        _log.warning("%s: %s", work.card.name, bad)
    return tuple(str(bad) for bad in found)


def _built(work: Job, warnings: tuple[str, ...], kept: Manifest | None) -> Manifest:
    """Compile; the files lie beside those of `kept`, the verified engine that is there, which the manifest still names.

    What was built is not named by a manifest before it is verified, where there is something to lose.
    """
    begin_ns, folder = perf_ns(), work.folder
    other = "-b" if kept is not None and "graph-0.engine" in kept.files else ""  # of two names the one not in use
    before = Manifest(
        work.card.name, work.key.clear(), "unverified", model_bytes=work.model_bytes, warnings=warnings,
        precision=work.card.build.precision, built=_now(), path=str(Path(work.card.path).absolute()),
        calibrated=work.calibrated,
    )  # fmt: skip
    private_folder(root())
    private_folder(folder)
    remove_parts(folder)
    timing = root() / "timing" / f"{work.card.runtime}-{versions_digest(work.key.versions)}.cache"
    private_folder(timing.parent)
    try:
        request = _request(work, "build", timing=str(timing), calibration=_written(work))
        answer = in_child(request, work.progress, work.stop, work.limit_s)
        files = {}
        for i, part in enumerate(answer["parts"]):
            (data,) = read_files(folder, (part,), root())
            files[f"graph-{i}{other}.engine"] = sha256(data)
        for part, name in zip(answer["parts"], files, strict=True):
            put_in_place(folder / part, folder / name)
    except CompilerFailed as error:
        if kept is not None:
            raise _stays(work, kept, f"was not built again: {error}") from error
        raise quarantined(work.card, write_manifest(folder, _refused(before, str(error)))) from error
    except OSError as error:
        raise cannot_write(folder, error) from error
    finally:
        remove_parts(folder)
    took_s = round(seconds(perf_ns() - begin_ns), 1)
    built = replace(before, files=files, build_s=took_s, kept=tuple(answer["kept"]))
    return built if kept is not None else write_manifest(folder, built)


def _stays(work: Job, kept: Manifest, why: str) -> EngineError:
    return EngineError(f"{work.card.name} {why}. The engine built {kept.built} stays as it was")


def _verified(work: Job, found: Manifest, kept: Manifest | None = None) -> Manifest:
    """Try the files of an engine against the CPU and keep the verdict; where it did not pass, keep `kept`, if any."""
    work.progress("comparing it with the CPU", 0.0)
    try:
        answer = in_child(_request(work, "verify", files=list(found.files)), work.progress, work.stop, work.limit_s)
        reasons, judged = answer["reasons"], answer
        if not reasons and answer["hashes"] != list(found.files.values()):
            raise Untrusted(f"{work.folder} changed while it was verified; {build_command(work.card, ' --again')}")
    except CompilerFailed as error:
        reasons, judged = [str(error)], {"figures": {}, "judged": []}
    found = replace(
        found, machine=machine(), gate=gate_digest(work.card), figures=judged["figures"],
        judged=tuple(judged["judged"]), status="verified", reason="",
    )  # fmt: skip
    if reasons and kept is not None:
        remove_files(work.folder, kept)
        raise _stays(work, kept, f"was built again and did not pass: {'; '.join(reasons)}")
    if reasons:
        raise quarantined(work.card, write_manifest(work.folder, _refused(found, "; ".join(reasons))))
    found = write_manifest(work.folder, found)
    remove_files(work.folder, found)
    return found


def _refused(manifest: Manifest, reason: str) -> Manifest:
    return replace(manifest, status="quarantined", reason=reason)


def _request(work: Job, task: str, **more: Any) -> dict[str, Any]:
    return {
        "task": task, "compiler": compiler_path(work.card.runtime), "card": plain(work.card),
        "folder": str(work.folder), "calm": work.calm, **more,
    }  # fmt: skip


def remove_parts(folder: Path) -> None:
    """What builds that were killed left in an entry; only for who holds its lock."""
    for part in folder.glob(".*.part-*"):
        part.unlink(missing_ok=True)


def _written(work: Job) -> list[str]:
    """Files that hold the calibration, for the child; they go with what else is left of a build."""
    files = [part_of(work.folder / f"inputs-{i}") for i in range(len(work.calibration))]
    for file, inputs in zip(files, work.calibration, strict=True):
        with file.open("wb") as out:
            np.savez(out, **dict(inputs))  # type: ignore[arg-type]  # numpy 2 has an argument of its own there
    return [str(file) for file in files]


def _now() -> str:
    return datetime.fromtimestamp(seconds(LiveClock().now_ns()), timezone.utc).isoformat(timespec="seconds")
