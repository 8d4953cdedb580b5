"""The door to the learned policy that ships."""

from __future__ import annotations

from pathlib import Path

from engines.options import OrtOptions
from engines.ort import OrtEngine
from vla_node.policies.embedded import EmbeddedPolicy
from vla_node.policies.learned.card import SHIPPED, load_card
from vla_node.policies.learned.policy import LearnedPolicy


def open_learned(classical: EmbeddedPolicy, path: Path = SHIPPED) -> LearnedPolicy:
    """The learned policy of a card. ConfigError for a robot that it was not trained for.

    EngineError where its graph cannot be loaded, or is not the one that the card means.
    """
    card = load_card(path)
    return LearnedPolicy(card, OrtEngine(card.name, card.graph, card.sha256, OrtOptions(intra_threads=1)), classical)
