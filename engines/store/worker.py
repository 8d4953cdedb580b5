"""The process that compiles and tries engines: `python -m engines.store.worker FD PARENT`, the request on stdin.

What compiling does not need is imported only for the rest: compilers want all the memory there is.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

from engines.card import Card
from engines.engine import Circumstance, Engine, EngineError
from engines.options import IN_THE_GRAPH
from engines.store.compilers import compiler_at
from engines.store.files import cannot_write, part_of, read_files, sha256, write_part
from engines.store.key import models_of
from engines.store.manifest import root
from engines.store.shapes import plans
from saccade.params import build

_PR_SET_PDEATHSIG = 1


def main(argv: list[str]) -> int:
    """Do one request and answer it on the file descriptor FD, one JSON object a line."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(argv[1]):
        return 1  # the parent died before it could be followed
    with open(int(argv[0]), "w", buffering=1) as answers:
        request = json.load(sys.stdin)
        if request["calm"]:
            _yield_to_the_robot()

        def progress(what: str, share: float) -> None:
            answers.write(json.dumps({"what": what, "share": share}) + "\n")

        answers.write(json.dumps(answered(request, progress)) + "\n")
    return 0


def answered(request: dict[str, Any], progress: Any) -> dict[str, Any]:
    """What a request comes to, or why to nothing, and whether it would again."""
    try:
        return _TASKS[request["task"]](request, progress)
    except EngineError as error:
        return {"error": str(error), "again": not isinstance(error, Circumstance)}
    except MemoryError:
        return {"error": "there is too little memory; lower build.workspace_mb in the card", "again": False}


def _yield_to_the_robot() -> None:
    """Run only where nothing else wants to: a robot may be moving."""
    os.nice(15)
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def _build(request: dict[str, Any], progress: Any) -> dict[str, Any]:
    """Compile the graphs of a card into files beside their places; their names and what was left in fp32."""
    card = build(Card, request["card"])
    compiler = compiler_at(request["compiler"], card)
    models, folder = models_of(card), Path(request["folder"])
    made: tuple[bytes, ...] = models
    kept: list[str] = []
    if card.build.precision in IN_THE_GRAPH:
        from engines.store.lowered import lowered

        made, kept = lowered(card, models, compiler, request["calibration"], progress)
    timing = Path(request["timing"])
    own = part_of(folder / timing.name)  # two builds at once must not write one file
    with contextlib.suppress(OSError):  # without the timings of earlier builds this one only takes longer
        shutil.copyfile(timing, own)
    parts = []
    for i, (model, plan) in enumerate(zip(made, plans(card, models), strict=True)):
        blob = compiler.build(model, plan, own, progress)
        parts.append(part_of(folder / f"graph-{i}.engine"))
        try:
            write_part(parts[-1], blob)
        except OSError as error:
            return {"error": str(cannot_write(parts[-1], error)), "again": False}
    with contextlib.suppress(OSError):
        os.replace(own, timing)
    return {"parts": [part.name for part in parts], "kept": kept}


def _verify(request: dict[str, Any], progress: Any) -> dict[str, Any]:
    """Load the files of an entry and hold them to the CPU; the verdict, and the hashes of what was loaded."""
    from engines.store.cases import cases_for
    from engines.store.gate import judge
    from engines.two_graphs import joined

    card = build(Card, request["card"])
    compiler = compiler_at(request["compiler"], card)
    models, folder = models_of(card), Path(request["folder"])
    blobs = read_files(folder, tuple(request["files"]), root())
    engines: list[Engine] = []
    cases = cases_for(card, models, progress)
    try:
        for blob, plan in zip(blobs, plans(card, models), strict=True):
            engines.append(compiler.load(card.name, blob, plan))
    except Circumstance:
        raise
    except EngineError as error:
        return {"reasons": [f"it does not load: {error}"], "figures": {}, "judged": [], "hashes": []}
    with joined(card, engines) as engine:
        judgement = judge(card, engine, cases)
    return {
        "reasons": list(judgement.reasons), "figures": judgement.figures, "judged": list(judgement.lines),
        "hashes": [sha256(blob) for blob in blobs],
    }  # fmt: skip


_TASKS = {"build": _build, "verify": _verify}

if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
