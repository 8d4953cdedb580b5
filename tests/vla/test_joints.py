"""What the node knows of joints that several publishers tell of."""

import numpy as np

from saccade.clock import MS, SEC
from saccade.node import Sample
from saccade.wire.commands import encode_joint_state
from vla_node.senses import Senses

T0 = 1_000 * SEC


def hear(senses, names, positions, stamp_ns):
    message = encode_joint_state(stamp_ns, names, np.array(positions))
    senses.take(Sample("joint_states", stamp_ns, message))


def test_an_arm_and_its_gripper_may_tell_of_the_same_instant():
    senses = Senses()
    hear(senses, ["elbow"], [0.1], T0)
    hear(senses, ["finger"], [0.02], T0)
    assert senses.joints(T0 + 10 * MS) == {"elbow": 0.1, "finger": 0.02}


def test_a_joint_that_fell_silent_is_not_kept_fresh_by_another():
    senses = Senses()
    for k in range(100):
        if k < 20:
            hear(senses, ["elbow"], [0.1], T0 + k * 10 * MS)
        hear(senses, ["finger"], [0.02], T0 + k * 10 * MS + 1)
    assert senses.joints(T0 + SEC) == {"finger": 0.02}


def test_an_older_word_changes_nothing_and_a_clock_that_went_back_begins_anew():
    senses = Senses()
    hear(senses, ["elbow", "finger"], [0.1, 0.0], T0)
    hear(senses, ["elbow"], [0.3], T0 - 20 * MS)
    assert senses.joints(T0)["elbow"] == 0.1
    for _ in range(2):
        hear(senses, ["elbow"], [0.2], T0 - 60 * SEC)
    assert senses.joints(T0 - 60 * SEC) == {"elbow": 0.2}
