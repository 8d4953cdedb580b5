"""Keys and tokens: made with the right permissions, refused with wrong ones, and never shown."""

import os
import stat

import pytest
import zmq
import zmq.auth

from saccade.cli import main
from saccade.errors import ConfigError
from vla_node.reasoners.keys import Allowed, client_keys, make_robot, make_server, server_pair
from vla_node.reasoners.secret import read_secret, without, write_secret


@pytest.fixture
def keys(tmp_path):
    assert make_server(tmp_path / "keys")
    return tmp_path / "keys"


def _mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_both_sides_read_what_was_made_for_them(keys):
    robot = client_keys(make_robot(keys, "hall-3"))
    assert robot.server == server_pair(keys).public
    assert zmq.curve_public(robot.own.secret) == robot.own.public
    assert robot.own != server_pair(keys)
    assert Allowed(keys).callback("", robot.own.public)
    assert not Allowed(keys).callback("", zmq.curve_keypair()[0])


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_secret_halves_can_be_read_by_their_owner_alone(tmp_path, umask):
    before = os.umask(umask)
    try:
        make_server(tmp_path / "k")
        out = make_robot(tmp_path / "k", "r")
    finally:
        os.umask(before)
    assert {_mode(p) for p in (tmp_path / "k").rglob("*.key_secret")} == {0o600}
    assert len(list((tmp_path / "k").rglob("*.key_secret"))) == 2
    assert _mode(out) & 0o077 == 0
    assert all("secret" not in p.read_text() for p in (tmp_path / "k").rglob("*.key"))


def test_what_pyzmq_writes_is_read_and_what_we_write_pyzmq_reads(keys, tmp_path):
    public, secret = zmq.auth.load_certificate(keys / "server.key_secret")
    assert (public, secret) == (server_pair(keys).public, server_pair(keys).secret)
    _, theirs = zmq.auth.create_certificates(tmp_path, "server")
    os.chmod(theirs, 0o600)
    assert server_pair(tmp_path).public == zmq.auth.load_certificate(theirs)[0]


def test_a_second_call_keeps_the_servers_keys_and_refuses_a_name_that_is_taken(keys):
    before = server_pair(keys)
    assert not make_server(keys)
    assert server_pair(keys) == before
    make_robot(keys, "a")
    with pytest.raises(ConfigError, match="'a'"):
        make_robot(keys, "a")
    for name in ("../x", "", "a/b", ".hidden", "a\n"):
        with pytest.raises(ConfigError, match="no name of a robot"):
            make_robot(keys, name)


def test_a_removed_key_no_longer_counts_and_a_broken_one_does_no_harm(keys):
    robot = client_keys(make_robot(keys, "a"))
    allowed = Allowed(keys)
    (keys / "clients" / "0.key").write_bytes(b"\xff\xfe")
    assert allowed.callback("", robot.own.public)
    (keys / "clients" / "a.key").unlink()
    assert not allowed.callback("", robot.own.public)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620])
def test_a_key_that_others_can_read_is_refused(keys, mode):
    (keys / "server.key_secret").chmod(mode)
    with pytest.raises(ConfigError, match=r"read by others.*chmod 600"):
        server_pair(keys)


def test_halves_of_two_pairs_are_refused(keys):
    path = keys / "server.key_secret"
    path.write_text(path.read_text().replace(server_pair(keys).public.decode(), zmq.curve_keypair()[0].decode()))
    with pytest.raises(ConfigError, match="not halves of one pair"):
        server_pair(keys)
    path.write_text("nothing")
    with pytest.raises(ConfigError, match="not a pair"):
        server_pair(keys)


def test_a_secret_half_does_not_show(keys):
    pair = server_pair(keys)
    assert pair.secret.decode() not in repr(pair)
    assert pair.secret.decode() not in repr(client_keys(make_robot(keys, "r")))


@pytest.mark.parametrize("text", ["", " \n", "x" * 9000, "ä"])
def test_a_token_file_must_hold_a_token(tmp_path, text):
    path = tmp_path / "token"
    write_secret(path, text)
    with pytest.raises(ConfigError, match="1 to 8192 bytes"):
        read_secret(path, "the token file")


def test_a_token_is_read_without_its_line_end_and_taken_out_of_texts(tmp_path):
    path = tmp_path / "token"
    write_secret(path, "tok-123\n")
    assert read_secret(path, "the token file") == "tok-123"
    assert without("tok-123", "bad key tok-123!") == "bad key ***!"
    assert without("", "as it is") == "as it is"
    with pytest.raises(ConfigError, match="cannot read the token file"):
        read_secret(tmp_path / "none", "the token file")


def test_the_command_makes_keys_and_says_what_to_do_with_them(tmp_path, capsys):
    folder = tmp_path / "keys"
    assert main(["serve", "keys", str(folder), "--robot", "hall-3"]) == 0
    said = capsys.readouterr().out
    assert str(folder / "robots" / "hall-3") in said
    assert server_pair(folder).secret.decode() not in said
    client_keys(folder / "robots" / "hall-3")
    assert main(["serve", "keys", str(folder), "--robot", "hall-3"]) == 2
    assert main(["serve", "keys", str(folder), "--robot", "yard-1"]) == 0
