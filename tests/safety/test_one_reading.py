"""The fast half and the gate read clearance off a map alike: what one takes for clear, so does the other."""

import numpy as np
import pytest

from saccade.types import LocalMap
from safety_node.kernels import clearance_at


@pytest.mark.parametrize("shape", [(7, 9), (2, 2), (1, 5), (5, 1)])
def test_a_map_is_read_as_the_gate_reads_it(shape):
    rng = np.random.default_rng(3)
    clearance_m = rng.uniform(0.0, 2.0, shape).astype(np.float32)
    if clearance_m.size > 10:
        clearance_m[1, 2], clearance_m[4, 4], clearance_m[5, 1] = np.inf, np.nan, -1.0
    grid = LocalMap(0, "odom", 0.25, (-1.0, 2.0), np.zeros(shape, np.int8), clearance_m)
    x, y = rng.uniform(-1.5, 1.75, 4000), rng.uniform(1.5, 4.25, 4000)
    x[:5], y[5:10] = (np.nan, np.inf, -np.inf, 1e300, -1e300), (np.nan, np.inf, -np.inf, 1e300, -1e300)
    gate = [clearance_at(clearance_m, grid.scale, *at) for at in zip(x.tolist(), y.tolist(), strict=True)]
    assert np.allclose(grid.clearance_at(x, y), gate, rtol=1e-12, atol=1e-12)
    assert not np.any(gate[:10])
    assert np.count_nonzero(gate) > 500 or min(shape) < 7
