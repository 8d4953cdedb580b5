"""A node that was started again, as the others see it."""

from saccade.clock import MS, SEC
from saccade.node import Sample
from saccade.wire.convert import decode_chunk, decode_verdict, encode_text
from safety_node.limits import Limits
from safety_node.node import SafetyNode
from vla_node.node import VlaNode
from vla_node.params import PlannerParams, VlaParams


def told(node, text, now_ns):
    """The chunk by which a node answers an instruction."""
    outs = node.on_sample(Sample("instruction", now_ns, encode_text(text)), now_ns)
    (chunk,) = (out for out in outs if out.topic == "chunk")
    return Sample("chunk", now_ns, chunk.cdr)


def test_the_gate_hears_a_planner_that_was_started_again_at_once():
    gate, now_ns = SafetyNode(Limits()), 1_000 * SEC

    def ticks(seconds):
        """The last verdict of a while."""
        nonlocal now_ns
        for _ in range(round(100 * seconds)):
            now_ns += 10 * MS
            outs = list(gate.on_tick(now_ns))
        (verdict,) = (decode_verdict(out.cdr) for out in outs if out.topic == "verdict")
        return verdict

    for _ in range(2):
        node = VlaNode(VlaParams(planner=PlannerParams(worker="modelled")))
        for metres in (1, 2, 3, 4):
            chunk = told(node, f"go forward {metres} m", now_ns)
            list(gate.on_sample(chunk, now_ns))
            assert ticks(0.2).epoch == decode_chunk(chunk.cdr).epoch
        ticks(3)
