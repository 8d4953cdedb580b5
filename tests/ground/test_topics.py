import pytest

from saccade.errors import ConfigError
from saccade.topics import TOPICS, Role, topic
from saccade.wire.codec import codec


@pytest.mark.parametrize("distro", ["humble", "jazzy"])
def test_every_topic_has_a_type_that_the_codec_knows(distro):
    unknown = [t.name for t in TOPICS.values() if not codec(distro).knows(t.type)]
    assert unknown == []


def test_moving_data_always_goes_stale():
    assert [t.name for t in TOPICS.values() if t.rate_hz and not t.stale_ns] == []
    assert all(t.stale_ns >= 1e9 / t.rate_hz for t in TOPICS.values() if t.rate_hz)


def test_only_the_gate_speaks_to_the_robot():
    assert topic("cmd_vel").role is Role.OUTPUT


def test_an_unknown_topic_names_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'odom'"):
        topic("odmo")
