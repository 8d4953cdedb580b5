"""Verified engines are opened; where there is none, nothing starts, unless the card lets the CPU run meanwhile."""

from __future__ import annotations

import logging
import threading

from engines.card import Card
from engines.engine import Engine, EngineError
from engines.store.advice import build_command, is_current, quarantined
from engines.store.build import Job, ensure, job
from engines.store.compilers import compiler_of
from engines.store.files import Untrusted, read_files, sha256
from engines.store.manifest import Manifest, read_manifest, root, touch
from engines.swapping import SwappingEngine
from engines.two_graphs import joined

_log = logging.getLogger(__name__)


class NotBuilt(EngineError):
    """An engine that is missing, or was not verified as it is now: building mends it."""


def open_compiled(card: Card) -> Engine:
    """The verified engine of a card on this machine, or, where the card says `meanwhile`, the CPU until one is built.

    EngineError with the command that mends it where there is none; Untrusted, whatever the card says, where somebody
    else may have written it.
    """
    try:
        return load_verified(job(card))
    except Untrusted:
        raise
    except EngineError as error:
        if not card.meanwhile:
            raise
        return _meanwhile(card, error)


def load_verified(work: Job) -> Engine:
    """The engine of a job, from files whose hash is that of what was verified, and no other."""
    card, folder = work.card, work.folder
    try:
        found = read_manifest(folder)
        if found is None:
            raise NotBuilt(f"{card.name} has no {card.runtime} engine for this machine; {build_command(card)}")
        if found.status == "quarantined":
            raise quarantined(card, found)
        if not is_current(card, found):
            raise NotBuilt(
                f"the {card.runtime} engine of {card.name} was not verified as it is now: card, golden pair or machine "
                f"are others; {build_command(card)}"
            )
        blobs = read_files(folder, tuple(found.files), root())
    except FileNotFoundError as error:
        raise NotBuilt(f"{card.name}: {error.filename} is missing in {folder}; {build_command(card)}") from error
    if [sha256(blob) for blob in blobs] != list(found.files.values()):
        raise Untrusted(
            f"the {card.runtime} engine of {card.name} is not the one that was verified: {folder} was changed or cut "
            f"short; {build_command(card, ' --again')}"
        )
    touch(folder)
    return _loaded(work, found, blobs)


def _loaded(work: Job, found: Manifest, blobs: list[bytes]) -> Engine:
    card, compiler = work.card, compiler_of(work.card.runtime, work.card)
    engines: list[Engine] = []
    try:
        for blob, plan in zip(blobs, work.key.plans, strict=True):
            engines.append(compiler.load(card.name, blob, plan))
        engine = joined(card, engines)
    except EngineError:
        for opened in engines:
            opened.close()
        raise
    engine.report |= {"runtime": f"{card.runtime}, {card.build.precision}", "verified": f"built {found.built}"}
    return engine


def _meanwhile(card: Card, why: EngineError) -> Engine:
    """The CPU now, and the engine that is wanted as soon as it is verified."""
    from engines.store.cases import reference
    from engines.store.key import models_of

    stop = threading.Event()
    engine = SwappingEngine(reference(card, models_of(card)), stop.set)
    engine.tell(runtime="onnxruntime on the CPU, meanwhile", waiting=str(why))
    if isinstance(why, NotBuilt):
        threading.Thread(
            target=_build_and_swap, args=(card, engine, stop), name=f"build {card.name}", daemon=True
        ).start()
    else:
        _log.warning("%s runs on the CPU: %s", card.name, why)
    return engine


def _build_and_swap(card: Card, engine: SwappingEngine, stop: threading.Event) -> None:
    def progress(what: str, share: float) -> None:
        engine.tell(waiting=f"{card.runtime}: {what}, {100 * share:.0f} %")

    try:
        work = job(card, progress=progress, stop=stop, calm=True)
        ensure(work)
        built = load_verified(work)
        engine.swap(built, {**built.report, "swapped": f"from the CPU to {card.runtime} while running"})
    except EngineError as error:
        engine.tell(waiting=f"stays on the CPU: {error}")
        _log.warning("%s stays on the CPU: %s", card.name, error)
    except KeyboardInterrupt:  # the engine was closed
        return
    else:
        _log.info("%s goes on with %s", card.name, card.runtime)
