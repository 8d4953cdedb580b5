"""The policy of a robot whose parameters name no card."""

from __future__ import annotations

from saccade.clock import SEC
from vla_node.bodies import Body
from vla_node.params import VlaParams
from vla_node.policies.base import FastPolicy
from vla_node.policies.embedded import EmbeddedPolicy
from vla_node.policies.flight import FlightPolicy
from vla_node.rollout import Style


def default_policy(params: VlaParams, body: Body) -> FastPolicy:
    """The embedded policy for what drives, the flight policy for what flies, the grasp policy for an arm.

    The first and the last as they were learned where that is asked for.
    """
    p = params.policy
    dt_ns = round(SEC / p.rate_hz)
    if body.drive is None:
        from vla_node.arms.policy import GraspPolicy  # needs MuJoCo and mink

        if params.arm.grasp.mover:
            from vla_node.arms.learned import LearnedGrasp
            from vla_node.arms.mover import Mover, load_mover

            return LearnedGrasp(params.arm, Mover(*load_mover(params.arm.grasp.mover)), dt_ns)
        return GraspPolicy(params.arm, dt_ns, p.horizon)
    style = Style(p.cruise_m_s, p.turn_rad_s, p.reached_m, p.reached_rad, p.lookahead_m, p.lookahead_s)
    if body.flies:
        return FlightPolicy(params.uav, style, body.base.radius_m + p.margin_m, p.horizon, dt_ns)
    classical = EmbeddedPolicy(body.drive, body.base, body.limits, style, p.margin_m, p.horizon, dt_ns)
    if p.travel == "learned":
        from vla_node.policies.learned.open import open_learned  # needs ONNX Runtime

        return open_learned(classical)
    return classical
