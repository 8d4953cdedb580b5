"""The diagnostics of the slow and the fast part: rate, age, drops, and levels while there is something to do."""

from saccade.clock import MS, SEC
from saccade.stages import Stages
from saccade.wire.convert import decode
from saccade.wire.diagnostics import Level
from vla_node.health import Health


def told(health, now_ns):
    """Stage -> (level, message, details) of what is said now."""
    found = (decode("diagnostics", out.cdr).status[0] for out in health.due(now_ns))
    return {s.name: (int(s.level), s.message, {v.key: v.value for v in s.values}) for s in found}


def running(period_ns, judged, stages=None):
    """The word at the end of three seconds of chunks every so often."""
    health = Health("vla_node", stages or Stages())
    health.judged = judged
    said, made = {}, 0
    for now in range(0, 3 * SEC + 1, 10 * MS):
        if now - made >= period_ns:
            made = now
            health.made("policy", now - 30 * MS, now)
        health.set("policy", Level.OK, "following", dropped=2)
        said |= told(health, now)
    return said["vla_node/policy"]


def test_a_stage_tells_rate_age_and_drops():
    level, message, values = running(50 * MS, judged=True)
    assert (level, message) == (0, "following")
    assert abs(float(values["rate Hz"]) - 20) <= 1
    assert 30 <= float(values["age ms"]) <= 80
    assert (values["dropped"], values["expected Hz"]) == ("2", "20")
    assert not [key for key in values if "p50" in key]


def test_a_slow_policy_is_told_only_while_there_is_an_instruction():
    level, message, _ = running(200 * MS, judged=True)
    assert (level, message.startswith("chunk comes at 5")) == (1, True)
    assert running(200 * MS, judged=False)[0] == 0
    assert running(10 * SEC, judged=True)[0] == 3
    assert running(10 * SEC, judged=False)[0] == 0


def test_what_is_wrong_comes_before_what_is_slow():
    health = Health("vla_node", Stages())
    health.judged = True
    health.set("policy", Level.WARN, "waits for a map")
    assert told(health, 0)["vla_node/policy"][:2] == (1, "waits for a map")


def test_live_it_tells_times():
    stages = Stages()
    stages.live = True
    stages.add("policy", 0, 3 * MS)
    values = running(50 * MS, judged=True, stages=stages)[2]
    assert float(values["policy p95 ms"]) == 3.0
