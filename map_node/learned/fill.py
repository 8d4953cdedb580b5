"""What was learned beside what was measured: it fills, and never contradicts."""

from __future__ import annotations

import numpy as np

from map_node.volume.base import Blocks

KNOWN = 0.1
"""Weight at which a learned voxel counts: less than one unsure look."""


def fill(measured: Blocks, learned: Blocks, min_weight: float) -> Blocks:
    """A copy of the measured blocks, with what was learned in voxels of which they say nothing.

    Such voxels get `min_weight`, the least at which a voxel is known. All others keep their bits.
    """
    rows = {tuple(at): n for n, at in enumerate(measured.at.tolist())}
    known = len(rows)
    at = [rows.setdefault(tuple(at), len(rows)) for at in learned.at.tolist()]
    new = np.array([n for n, row in enumerate(at) if row >= known], np.int64)
    made = Blocks(
        np.concatenate([measured.at, learned.at[new]]),
        np.concatenate([measured.sdf_m, learned.sdf_m[new]]),
        np.concatenate([measured.weight, np.zeros_like(learned.weight[new])]),
        np.concatenate([measured.rgb, learned.rgb[new]]),
        np.concatenate([measured.seen_ns, learned.seen_ns[new]]),
    )
    lends = (learned.weight >= KNOWN) & (made.weight[at] < min_weight)
    made.sdf_m[at] = np.where(lends, learned.sdf_m, made.sdf_m[at])
    made.rgb[at] = np.where(lends[..., None], learned.rgb, made.rgb[at])
    made.weight[at] = np.where(lends, np.float32(min_weight), made.weight[at])
    order = np.lexsort(made.at.T[::-1])
    return Blocks(made.at[order], made.sdf_m[order], made.weight[order], made.rgb[order], made.seen_ns[order])
