"""Parameters of reasoners: what is needed, what has no use, and what is not safe."""

import pytest

from saccade.errors import ConfigError
from saccade.params import build, leaves
from vla_node.dialects import DRIVING, POINTING
from vla_node.embodiments.arm import ArmParams
from vla_node.reasoners.address import chat_url, loopback, tcp
from vla_node.reasoners.embedded.reasoner import EmbeddedReasoner
from vla_node.reasoners.open import open_reasoner
from vla_node.reasoners.openai import OpenAiReasoner
from vla_node.reasoners.params import ReasonerParams

CHAT = {"kind": "openai", "address": "http://localhost:8000", "model": "m", "dialect": "waypoints"}


def params(**values):
    return build(ReasonerParams, values)


def test_the_default_needs_nothing():
    assert isinstance(open_reasoner(params(), 0.3, 0.6), EmbeddedReasoner)


def test_every_parameter_says_what_it_is():
    assert [leaf.name for leaf in leaves(params()) if not leaf.about] == []


def test_a_model_is_asked_in_the_dialect_that_is_named():
    mind = open_reasoner(params(**CHAT), 0.3, 0.6)
    assert isinstance(mind, OpenAiReasoner)
    with pytest.raises(ConfigError, match="unknown dialect 'waypoint'; did you mean 'waypoints'"):
        open_reasoner(params(**CHAT | {"dialect": "waypoint"}), 0.3, 0.6)


def test_an_arm_is_planned_for_by_what_points_into_the_picture_or_by_the_embedded_one_for_hands():
    for name in POINTING:
        assert isinstance(open_reasoner(params(**CHAT | {"dialect": name}), 0.3, 0.6, ArmParams()), OpenAiReasoner)
    for name in DRIVING:
        with pytest.raises(ConfigError, match=f"dialect '{name}' says how to drive, which an arm does not"):
            open_reasoner(params(**CHAT | {"dialect": name}), 0.3, 0.6, ArmParams())
    own = open_reasoner(params(), 0.3, 0.6, ArmParams())
    assert "an arm cannot turn left 90 degrees" in own.refuses("turn left 90 degrees")
    assert own.refuses("stop") == ""


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (CHAT | {"model": ""}, "reasoner.model is empty"),
        (CHAT | {"dialect": ""}, "reasoner.dialect is empty"),
        (CHAT | {"address": ""}, "no address"),
        (CHAT | {"keys": "k"}, "reasoner.keys is set"),
        (CHAT | {"deadline_s": 0.0}, "deadline_s is 0.0"),
        (CHAT | {"deadline_s": float("nan")}, "deadline_s is nan"),
        (CHAT | {"address": "http://gpu:8000"}, "plain http to another machine"),
        (CHAT | {"address": "http://0.0.0.0:8000"}, "plain http to another machine"),
        (CHAT | {"address": "http://me:pw-1@localhost:8000"}, "must not hold"),
        ({"address": "http://localhost:8000"}, "reasoner.address is set"),
        ({"kind": "zmq"}, "no address"),
        ({"kind": "zmq", "address": "tcp://gpu:5570"}, "reasoner.keys"),
        ({"kind": "zmq", "address": "tcp://127.0.0.1:5570", "token_file": "t"}, "reasoner.token_file is set"),
    ],
)
def test_what_cannot_work_or_is_not_safe_is_refused(values, why):
    with pytest.raises(ConfigError, match=why) as refused:
        params(**values)
    assert "pw-1" not in str(refused.value)


@pytest.mark.parametrize(
    "values",
    [
        {"address": "https://gpu"},
        {"address": "http://127.0.0.7:1"},
        {"address": "http://[::1]:1"},
        {"address": "http://gpu:8000", "plain_http": True},
    ],
)
def test_what_is_safe_or_wanted_is_taken(values):
    params(**CHAT | values)
    params(kind="zmq", address="tcp://gpu:5570", keys="k")
    params(kind="zmq", address="tcp://localhost:5570")


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://h:8000", "http://h:8000/v1/chat/completions"),
        ("http://h/", "http://h:80/v1/chat/completions"),
        ("https://h/v1/", "https://h:443/v1/chat/completions"),
        ("https://h/openai/v1", "https://h:443/openai/v1/chat/completions"),
        ("http://[::1]:8/v1/chat/completions", "http://[::1]:8/v1/chat/completions"),
    ],
)
def test_addresses_of_chat_servers(text, url):
    assert str(chat_url(text)) == url


@pytest.mark.parametrize(
    "text", ["", "h:8000", "ftp://h", "http://", "http://h:x", "http://h:99999", "http://h/v1?a=b", "http://h/a b", "http://h/#a",
             "http://h/\r\nX: y", "http://[::1"]
)  # fmt: skip
def test_what_is_no_address_is_refused(text):
    with pytest.raises(ConfigError, match="address"):
        chat_url(text)


def test_addresses_of_our_own_servers():
    assert tcp("tcp://127.0.0.1:5570") == ("127.0.0.1", 5570)
    assert tcp("tcp://[::1]:1") == ("::1", 1)
    for text in ("", "tcp://", "tcp://h", "tcp://:1", "tcp://h:x", "tcp://h:70000", "ipc://h:1", "tcp://h:²"):
        with pytest.raises(ConfigError, match="tcp://HOST:PORT"):
            tcp(text)


def test_only_this_machine_is_loopback():
    assert all(map(loopback, ("127.0.0.1", "127.8.8.8", "::1", "localhost")))
    assert not any(map(loopback, ("0.0.0.0", "*", "10.0.0.1", "gpu", "::", "localhost.evil.org", "")))
