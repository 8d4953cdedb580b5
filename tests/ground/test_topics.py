from pathlib import Path

import pytest

from saccade.errors import ConfigError
from saccade.topics import BRIDGED, RIGS, SERVICES, TOPICS, Role, topic
from saccade.wire.codec import codec


@pytest.mark.parametrize("distro", ["humble", "jazzy"])
def test_every_topic_has_a_type_that_the_codec_knows(distro):
    rows = (*TOPICS.values(), *SERVICES.values(), *BRIDGED.values())
    assert [row.name for row in rows if not codec(distro).knows(row.message_type)] == []


def test_a_service_is_a_request_and_a_reply_of_one_type():
    halves = {name: row for name, row in SERVICES.items() if row.role is Role.SERVICE}
    assert {name.rpartition("/")[2] for name in halves} == {"request", "reply"}
    for name, row in halves.items():
        assert topic(name.rpartition("/")[0] + "/reply").type == row.type
    assert topic("set_instruction/request").message_type == "saccade_msgs/srv/SetInstruction_Request"
    assert topic("set_instruction/reply").message_type == "saccade_msgs/srv/SetInstruction_Response"


def test_recordings_hold_no_conversations():
    assert [row.name for row in TOPICS.values() if row.role is Role.SERVICE] == []
    assert set(TOPICS) & set(SERVICES) == set()


def test_moving_data_always_goes_stale():
    assert [t.name for t in TOPICS.values() if t.rate_hz and not t.stale_ns] == []
    assert all(t.stale_ns >= 1e9 / t.rate_hz for t in TOPICS.values() if t.rate_hz)


def test_only_the_gate_speaks_to_the_robot():
    assert topic("cmd_vel").role is Role.OUTPUT


@pytest.mark.parametrize("rig", RIGS)
def test_a_further_rig_has_the_topics_of_the_first(rig):
    for name in ("left/image_raw/compressed", "right/camera_info", "rgbd/depth/image_rect"):
        own, first = topic(f"{rig}/{name}"), topic(name)
        assert (own.type, own.role, own.rate_hz, own.stale_ns) == (
            first.type,
            first.role,
            first.rate_hz,
            first.stale_ns,
        )
    assert f"{rig}/odom" not in TOPICS


def test_an_unknown_topic_names_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'odom'"):
        topic("odmo")


def table() -> str:
    """docs/topics.md, from the table itself."""
    lines = [
        "# Topics", "",
        "Written from `saccade/topics.py` by `make golden`. Names are relative: a namespace or a remapping is yours.",
        "A value older than *stale after* (by its header stamp) is never acted on.",
        "Latched: late joiners get the last one.",
        "",
    ]  # fmt: skip
    for role in Role:
        lines += [f"## {role.value}", "", "| topic | type | rate, Hz | stale after, ms | |", "|---|---|---|---|---|"]
        rows = (t for t in (*TOPICS.values(), *SERVICES.values()) if t.role is role)
        for t in (t for t in rows if t.name.partition("/")[0] not in RIGS):
            rate = f"{t.rate_hz:g}" if t.rate_hz else "on change"
            stale = f"{t.stale_ns // 10**6}" if t.stale_ns else "–"
            latched = "; latched" if t.latched else ""
            lines.append(f"| `{t.name}` | {t.type.replace('/msg/', '/')} | {rate} | {stale} | {t.about}{latched} |")
        lines.append("")
        if role is Role.SENSOR:
            lines += [
                "A robot may have [further rigs](ros.md#further-rigs) with the same topics of cameras:",
                f"{', '.join(f'`{rig}/left/image_rect` … is {where}' for rig, where in RIGS.items())}.",
                "",
                "`mono16` is taken as full range, 0 to 65535, of which the upper eight bits are used. Values of 10 or",
                "12 bits must be shifted up, by six or four, or sent as `mono8`: as they are, they look black.",
                "",
            ]
    lines += [
        "## robots",
        "",
        "What `bridge_node` and robots say to each other, [in the robots' own words](bridges.md), and the time",
        "of a live world.",
        "",
    ]
    lines += ["| topic | type | rate, Hz | |", "|---|---|---|---|"]
    lines += [f"| `{t.name}` | {t.type.replace('/msg/', '/')} | {t.rate_hz:g} | {t.about} |" for t in BRIDGED.values()]
    lines.append("")
    return "\n".join(lines)


def test_the_page_of_topics_says_what_the_table_says(request):
    page = Path(__file__).resolve().parents[2] / "docs" / "topics.md"
    if request.config.getoption("--update-golden"):
        page.write_text(table())
    assert page.read_text() == table(), "run `make golden`"
