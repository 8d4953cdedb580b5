"""What happens to engines on real machines: files cut short, exchanged or foreign, full disks, kill -9."""

import hashlib
import os
import shutil
import signal
import subprocess
from pathlib import Path

import own_compiler
import pytest
from compiled_cards import card_at
from own_compiler import GO, alive, builds, use
from store_driver import build, command, environment, started, until

from engines.engine import EngineError
from engines.open import open_engine
from engines.store import files
from engines.store.advice import Quarantined
from engines.store.build import ensure, job, verify
from engines.store.files import Untrusted
from engines.store.manifest import MANIFEST, entries
from saccade.cli import INTERRUPTED, OK, USAGE

ENGINE = "graph-0.engine"


def holds_open(process, path):
    files = Path(f"/proc/{process.pid}/fd").iterdir()
    return any(Path(os.readlink(file)) == path for file in files if file.is_symlink())


# Files that are not what was verified.


def test_a_file_that_was_cut_short_is_refused_and_verify_says_so(verified):
    card, folder = verified
    with open(folder / ENGINE, "r+b") as file:
        file.truncate(1000)
    with pytest.raises(Untrusted, match=r"changed or cut short; run: saccade engine build .*stand-in.yaml .*--again"):
        open_engine(card)
    with pytest.raises(Quarantined, match="changed or cut short"):
        verify(job(card))


@pytest.mark.slow
def test_a_build_mends_a_file_that_was_cut_short(verified):
    card, folder = verified
    (folder / ENGINE).write_bytes(b"")
    assert ensure(job(card)).status == "verified"
    assert builds() == 1
    open_engine(card).close()


@pytest.mark.parametrize("file", [ENGINE, MANIFEST])
@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_what_others_can_write_is_refused_with_the_command_that_mends_it(verified, file, mode):
    card, folder = verified
    (folder / file).chmod(mode)
    with pytest.raises(Untrusted, match=f"can be written by others .*chmod go-w .*{file}"):
        open_engine(card)
    (folder / file).chmod(0o600)
    open_engine(card).close()


@pytest.mark.parametrize("up", [0, 1])
def test_folders_that_others_can_write_to_are_refused(verified, up):
    card, folder = verified
    (folder, folder.parent)[up].chmod(0o775)
    with pytest.raises(Untrusted, match="can be written by others"):
        open_engine(card)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_belongs_to_another_user_is_refused(verified):
    card, folder = verified
    os.chown(folder / ENGINE, 12345, 12345)
    with pytest.raises(Untrusted, match="belongs to user 12345"):
        open_engine(card)


@pytest.mark.parametrize("file", [ENGINE, MANIFEST, ""])
def test_symbolic_links_are_refused(verified, tmp_path, file):
    card, folder = verified
    path = folder / file if file else folder
    shutil.move(path, tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Untrusted, match="is a symbolic link"):
        open_engine(card)


def test_a_pipe_in_place_of_a_file_does_not_hang(verified):
    card, folder = verified
    (folder / ENGINE).unlink()
    os.mkfifo(folder / ENGINE, 0o600)
    with pytest.raises(Untrusted, match="no regular file"):
        open_engine(card)


@pytest.mark.parametrize("how", ["rename", "in place"])
def test_what_is_loaded_is_what_was_hashed_whatever_is_done_to_the_file(verified, monkeypatch, how):
    card, folder = verified
    right = (folder / ENGINE).read_bytes()
    loaded, hashing = [], files.sha256

    def exchanged(data):
        """The moment between the check and the use."""
        found = hashing(data)
        if how == "rename":
            (folder / "other").write_bytes(b"OWN1 evil")
            os.replace(folder / "other", folder / ENGINE)
        else:
            (folder / ENGINE).write_bytes(b"OWN1 evil")
        return found

    class Watched(own_compiler.Own):
        def load(self, name, blob, plan):
            loaded.append(hashlib.sha256(blob).digest())
            return super().load(name, blob, plan)

    monkeypatch.setattr(own_compiler, "Watched", Watched, raising=False)
    use("Watched")
    monkeypatch.setattr("engines.store.use.sha256", exchanged)
    open_engine(card).close()
    assert loaded == [hashlib.sha256(right).digest()]
    assert (folder / ENGINE).read_bytes() == b"OWN1 evil"
    with pytest.raises(Untrusted, match="not the one that was verified"):
        open_engine(card)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"status": "verified"}', '{"key": {}, "card": 3}'])
def test_a_manifest_that_cannot_be_read_is_no_engine(verified, text):
    card, folder = verified
    (folder / MANIFEST).write_text(text)
    with pytest.raises(EngineError, match="run: saccade engine build"):
        open_engine(card)


def test_a_missing_engine_file_is_told(verified):
    card, folder = verified
    (folder / ENGINE).unlink()
    with pytest.raises(EngineError, match=f"{ENGINE} is missing.*saccade engine build"):
        open_engine(card)


# Disks.


def unshared(script, *argv):
    """Run a command after a script, both with mounts of their own; skips where that is not allowed."""
    tried = subprocess.run(["unshare", "-Urm", "true"], capture_output=True, check=False)
    if tried.returncode:
        pytest.skip("mounts of one's own are not allowed here")
    shell = ["unshare", "-Urm", "sh", "-ec", f'{script}\nexec "$@"', "sh", *argv]
    return subprocess.run(shell, env=environment(), capture_output=True, text=True, check=False)


def test_a_full_disk_is_told_and_leaves_nothing_behind(tmp_path, cache):
    card = card_at(tmp_path)
    cache.mkdir(parents=True)
    probe = f'"$@"; code=$?; find {cache} -type f -size +100k >&2; exit $code'
    script = f"mount -t tmpfs -o size=1m,mode=0700 tmpfs {cache}\nset -- sh -c '{probe}' sh \"$@\""
    done = unshared(script, *build("Big", card))
    assert done.returncode == USAGE, done.stderr
    assert "No space left on device" in done.stderr
    assert "saccade engine gc --yes" in done.stderr
    assert "engine.part" not in done.stderr.replace("cannot write", "").split("gc --yes")[-1]


@pytest.mark.slow
def test_a_limit_on_the_size_of_files_is_like_a_full_disk(tmp_path, cache):
    card = card_at(tmp_path)
    shell = ["sh", "-c", 'ulimit -f 2048; exec "$@"', "sh", *build("Big", card)]
    done = subprocess.run(shell, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == USAGE, done.stderr
    assert "File too large" in done.stderr
    assert not list(cache.glob("stand-in-*/*"))  # neither a part nor a quarantine: with room it may work
    assert ensure(job(card)).status == "verified"


@pytest.mark.slow
def test_a_read_only_cache_serves_engines_and_says_that_none_can_be_built(verified, tmp_path):
    card, _ = verified
    cache = tmp_path / "cache"
    script = f"mount --bind {cache} {cache}\nmount -o remount,ro,bind {cache}"
    opened = unshared(script, *command("Own", "bench", card.path, "--runtime", "openvino", "--runs", "1"))
    assert opened.returncode == OK, opened.stdout + opened.stderr
    other = unshared(script, *build("OtherVersion", card))
    assert other.returncode == USAGE
    assert "Read-only file system" in other.stderr
    assert "XDG_CACHE_HOME" in other.stderr


def test_a_file_where_the_cache_should_be_is_named(tmp_path, cache):
    cache.parent.parent.mkdir()
    cache.parent.write_text("mine")
    with pytest.raises(EngineError, match="a file is where a folder should be"):
        ensure(job(card_at(tmp_path)))


# Processes.


@pytest.mark.slow
def test_two_processes_make_one_build_and_both_have_it(waiting, cache):
    card, go = waiting
    both = [started(build("Waits", card)) for _ in range(2)]
    until(lambda: builds() >= 1)
    lock = next(cache.glob("locks/*.lock"))
    until(lambda: all(holds_open(process, lock) for process in both))
    go.touch()
    for process in both:
        out, err = process.communicate(timeout=120)
        assert process.returncode == OK, err
        assert "verified" in out
    assert builds() == 1
    open_engine_with("Waits", card).close()


@pytest.mark.slow
def test_who_waits_is_told_what_the_other_does(waiting):
    card, go = waiting
    first = started(build("Waits", card))
    until(lambda: builds() == 1)
    told = []

    def progress(what, share):
        told.append((what, share))
        if "compiling for long" in what:
            go.touch()

    use("Waits")
    assert ensure(job(card, progress=progress)).status == "verified"
    assert (f"process {first.pid} builds it: compiling for long", 0.25) in told
    assert first.wait(60) == OK
    assert builds() == 1


@pytest.mark.slow
def test_a_builder_that_is_killed_takes_its_child_along_and_blocks_nobody(waiting, cache):
    card, go = waiting
    first = started(build("Waits", card))
    until(lambda: builds() == 1)
    first.send_signal(signal.SIGKILL)
    first.wait(10)
    until(lambda: not alive(), 10)
    with pytest.raises(EngineError, match="has no openvino engine"):
        open_engine_with("Waits", card)
    go.touch()
    assert ensure(job(card)).status == "verified"
    assert not list(cache.glob("*/.*part*"))


@pytest.mark.slow
def test_a_child_that_is_killed_is_told_and_may_be_tried_again(waiting):
    card, go = waiting
    process = started(build("Waits", card))
    until(lambda: builds() == 1)
    os.kill(int(alive()[0]), signal.SIGKILL)
    _, err = process.communicate(timeout=60)
    assert process.returncode == USAGE
    assert "killed (SIGKILL)" in err
    assert "memory" in err
    assert [entry.manifest for entry in entries()] == [None]
    go.touch()
    assert ensure(job(card)).status == "verified"


@pytest.mark.slow
def test_an_interrupt_ends_the_child_and_leaves_nothing_half_done(waiting, cache):
    card, _ = waiting
    process = started(build("Waits", card))
    until(lambda: builds() == 1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == INTERRUPTED, err
    assert not alive()
    assert not list(cache.glob("*/.*part*"))


@pytest.mark.slow
def test_a_build_over_an_engine_that_is_there_leaves_it_whole_when_killed(verified, tmp_path, monkeypatch):
    card, folder = verified
    monkeypatch.setenv(GO, str(tmp_path / "never"))
    before = (folder / ENGINE).read_bytes()
    process = started(build("Waits", card, "--again"))
    until(lambda: builds() == 1)
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    assert (folder / ENGINE).read_bytes() == before
    open_engine(card).close()


def open_engine_with(compiler, card):
    use(compiler)
    return open_engine(card)
