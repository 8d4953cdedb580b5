"""From a network to what ships: the graph, and its card."""

from __future__ import annotations

from pathlib import Path

import torch
import yaml

from training.policy.net import INPUTS, OUTPUT, TravelNet
from training.weights import digest
from vla_node.params import VlaParams
from vla_node.policies.learned.policy import blank

OPSET = 17
MOST_BYTES = 4_000_000


def ship(net: TravelNet, robot: VlaParams, trained: dict[str, str], folder: Path) -> Path:
    """Write `travel.onnx` and `travel.yaml` into a folder; returns the card."""
    folder.mkdir(parents=True, exist_ok=True)
    graph = folder / "travel.onnx"
    examples = tuple(torch.from_numpy(blank()[name]) for name in INPUTS)
    torch.onnx.export(
        net.eval(), examples, str(graph), dynamo=False, opset_version=OPSET, input_names=list(INPUTS),
        output_names=[OUTPUT],
    )  # fmt: skip
    if graph.stat().st_size > MOST_BYTES:
        raise ValueError(f"{graph} has {graph.stat().st_size} bytes; expected at most {MOST_BYTES}")
    card = {
        "name": "travel",
        "source": "Saccade: training/policy, by imitation of an expert that sees the truth of the world `yard`",
        "licence": "Apache-2.0",
        "onnx": graph.name,
        "sha256": digest(graph),
        "radius_m": robot.limits.radius_m,
        "v_m_s": robot.limits.v_m_s,
        "w_rad_s": robot.limits.w_rad_s,
        "dt_s": 1.0 / robot.policy.rate_hz,
        "horizon": robot.policy.horizon,
        "trained": trained,
    }
    path = folder / "travel.yaml"
    path.write_text(f"# Written by python -m training.policy.\n{yaml.safe_dump(card, sort_keys=False, width=118)}")
    return path
