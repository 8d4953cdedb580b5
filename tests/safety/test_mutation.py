import mutation
import pytest

EQUIVALENT = {
    ("gate", "if min(full, stop) >= need_m:", "min(full, stop) >= need_m", "min(full, stop) > need_m"): (
        "the shortcut for open ground; the long way gives the same answer"
    ),
    ("kernels", "SAMPLES = 24", "24", "25"): "accuracy, bounded in check_predicted_motion",
    ("kernels", "SAMPLES = 24", "24", "23"): "accuracy, bounded in check_predicted_motion",
    ("motion", "odom_age_ns, map_age_ns = (max(0, reading.age_ns) for reading in (odom, around))", "0", "1"): "1 ns",
    ("motion", "odom_age_ns, map_age_ns = (max(0, reading.age_ns) for reading in (odom, around))", "0", "-1"): "1 ns",
    ("kernels", "R, at, velocity = (np.empty((3, 3)), np.empty(3), np.zeros(6))", "6", "7"): "room that is not used",
    ("kernels", "above_m += scale[3]", "3", "4"): "reads more often than in steps of a cell",
    ("kernels", "while above_m < half_m:", "above_m < half_m", "above_m <= half_m"): "the end is read before",
    ("node", "self._epoch = self._epoch_heard_ns = 0", "0", "-1"): "epochs are not negative; 1 ns",
    ("node", "self._diagnosed_ns = 0", "0", "-1"): "1 ns",
}
"""Mutants that do the same as the original, each with the reason; one that is killed must leave this list."""


@pytest.mark.slow
@pytest.mark.mutation
def test_every_mutant_of_the_gate_is_noticed() -> None:
    results = mutation.run()
    survivors = {mutant.key: mutant for mutant, killer in results if killer is None}
    unknown = [str(mutant) for key, mutant in survivors.items() if key not in EQUIVALENT]
    assert not unknown, f"{len(unknown)} of {len(results)} mutants survive:\n" + "\n".join(unknown)
    assert not (stale := EQUIVALENT.keys() - survivors.keys()), f"no longer needed in EQUIVALENT: {stale}"


def test_the_mutation_test_can_fail() -> None:
    """A negative control: with the checks of one contract only, mutants of another file get away."""
    mutant, tree = next(
        (mutant, tree) for mutant, tree in mutation.mutants("gate") if mutant.before == "if inputs.operator_stop"
    )
    assert mutation.killed_by(mutant, tree, mutation.checks_for("gate")) is not None
    assert mutation.killed_by(mutant, tree, mutation.checks_for("gate", ("limits",))) is None
