"""The verifier that asks a model: AHA's question about a stage, behind the interface of reasoners."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from saccade.cli.collect.rollout import Rollout
from saccade.cli.collect.stages import Stage
from saccade.cli.collect.verify import Opinion
from saccade.types import Image
from saccade.wire.images import decode_image
from vla_node.dialects.aha import MOST_FRAMES, Aha
from vla_node.planner import Keyframe, Reasoner
from vla_node.reasoners.openai import OpenAiReasoner
from vla_node.reasoners.params import ReasonerParams


def ask_model(params: ReasonerParams) -> ModelVerifier:
    """A verifier that asks a server of chat completions, in `Aha`. ConfigError."""
    return ModelVerifier(OpenAiReasoner(params, Aha()))


class ModelVerifier:
    """See `Verifier`. `reasoner` answers in the manner of `Aha`; one that cannot be asked has no opinion."""

    name = "model"

    def __init__(self, reasoner: Reasoner) -> None:
        self._reasoner = reasoner

    def judge(self, stage: Stage, rollout: Rollout) -> Opinion:
        """See `Verifier.judge`: pictures from before the stage until after it, spread evenly."""
        shown = next(iter(rollout.film.shown().values()), [])
        during = [(stamp, cdr) for stamp, cdr in shown if stage.begin_ns <= stamp <= stage.end_ns]
        near = min(rollout.thoughts, key=lambda t: abs(t.observation.stamp_ns - stage.end_ns), default=None)
        if len(during) < 2 or near is None:
            return Opinion(None, "there are no two pictures of it")
        chosen = [during[i] for i in np.unique(np.linspace(0, len(during) - 1, MOST_FRAMES).astype(int))]
        images = [Image(stamp, "", decode_image("left/image_rect", cdr).data) for stamp, cdr in chosen]
        pose = near.observation.state.T_odom_from_body
        asked = replace(
            near.observation, stamp_ns=images[-1].stamp_ns, instruction=stage.task, image=images[-1],
            history=tuple(Keyframe(image, pose) for image in images[:-1]), feedback=(), event="",
        )  # fmt: skip
        plan = self._reasoner.plan(asked).plan
        if not plan.final:
            return Opinion(None, plan.text)
        return Opinion(plan.progress >= 1.0, plan.text, plan.confidence)
