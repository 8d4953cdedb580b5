"""What was learned beside what was measured: it fills, and never contradicts."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from map_node.volume.base import Blocks, Snapshot

KNOWN = 0.1
"""Weight at which a learned voxel counts: less than one unsure look."""


def fill(measured: Snapshot, learned: Blocks) -> Snapshot:
    """The same snapshot, with what was learned in voxels of its window of which it says nothing.

    Such voxels get the least weight at which a voxel is known. All others keep their bits.
    """
    known, least = measured.known, np.float32(measured.params.min_weight)
    relative = learned.at - np.array(measured.corner)
    learned = _only(learned, ((relative >= 0) & (relative < measured.params.shape)).all(axis=1))
    rows = {tuple(at): n for n, at in enumerate(known.at.tolist())}
    old = len(rows)
    at = np.array([rows.setdefault(tuple(at), len(rows)) for at in learned.at.tolist()], np.int64)
    new = np.flatnonzero(at >= old)
    made = Blocks(
        np.concatenate([known.at, learned.at[new]]),
        np.concatenate([known.sdf_m, learned.sdf_m[new]]),
        np.concatenate([known.weight, np.zeros_like(learned.weight[new])]),
        np.concatenate([known.rgb, learned.rgb[new]]),
        np.concatenate([known.seen_ns, learned.seen_ns[new]]),
    )
    lends = (learned.weight >= KNOWN) & (made.weight[at] < least)
    made.sdf_m[at] = np.where(lends, learned.sdf_m, made.sdf_m[at])
    made.rgb[at] = np.where(lends[..., None], learned.rgb, made.rgb[at])
    made.weight[at] = np.where(lends, least, made.weight[at])
    return measured._replace(known=_only(made, np.lexsort(made.at.T[::-1])))


def _only(blocks: Blocks, which: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> Blocks:
    at, sdf_m, weight, rgb, seen_ns = blocks
    return Blocks(at[which], sdf_m[which], weight[which], rgb[which], seen_ns[which])
