from saccade.wire import convert
from saccade.wire.diagnostics import Level, encode_diagnostics


def test_status_survives_the_wire() -> None:
    cdr = encode_diagnostics(1_500_000_000, "safety_node/gate", Level.ERROR, "chunk missing", {"missed": 3})
    msg = convert.decode("diagnostics", cdr)
    (status,) = msg.status
    assert convert.stamp_ns(msg.header.stamp) == 1_500_000_000
    assert (status.name, status.level, status.message) == ("safety_node/gate", 2, "chunk missing")
    assert [(kv.key, kv.value) for kv in status.values] == [("missed", "3")]
