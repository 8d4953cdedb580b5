"""Filling, Gaussians and parameters of learned reconstruction, without a model."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.views.splats import Splats
from map_node.learned.align import Alignment, gaussians_in_odom
from map_node.learned.fill import fill
from map_node.learned.params import LearnedParams
from map_node.volume.base import Blocks, Snapshot, VolumeParams
from saccade.errors import ConfigError
from saccade.geometry import SE3


def test_gaussians_are_put_where_odometry_is():
    T = SE3.from_rpy(0.3, -0.2, 1.1, (1.0, 2.0, 3.0))
    own = SE3.from_rpy(0.5, 0.1, -0.4)
    x, y, z, w = own.quaternion()
    one = Splats(*(np.array([v], np.float32) for v in ([1, 0, 2], [0.1, 0.2, 0.3], [w, x, y, z], [1, 0, 0])),
                 np.array([0.5], np.float32))  # fmt: skip
    put = gaussians_in_odom(one, Alignment(2.0, 0.0, 1, 0.0, 0.0, T))
    np.testing.assert_allclose(put.at[0], T.apply(np.array([2.0, 0, 4.0])), atol=1e-5)
    np.testing.assert_allclose(put.scale_m[0], [0.2, 0.4, 0.6], atol=1e-6)
    w, x, y, z = put.wxyz[0].astype(float)
    np.testing.assert_allclose(SE3.from_quaternion((x, y, z, w), (0, 0, 0)).R, T.R @ own.R, atol=1e-5)


def blocks(rng, n):
    at = rng.choice(27, n, replace=False)
    at = np.column_stack([at // 9, at // 3 % 3, at % 3]).astype(np.int32)
    at = at[np.lexsort(at.T[::-1])]
    weight = rng.choice(np.array([0, 0.05, 0.5, 2], np.float32), (n, 512))
    rgb = rng.integers(0, 65535, (n, 512, 3)).astype(np.uint16)
    return Blocks(at, rng.normal(size=(n, 512)).astype(np.float32), weight, rgb, np.arange(n, dtype=np.int64))


@settings(max_examples=25)
@given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 999))
def test_filling_never_contradicts(measured, learned, seed):
    rng = np.random.default_rng(seed)
    a, b = blocks(rng, measured), blocks(rng, learned)
    a = Blocks(*(values[a.at[:, 2] < 2] for values in a))
    params = VolumeParams(voxel_m=0.1, size_m=(2.4, 2.4, 1.6), min_weight=1.0)
    before = [values.copy() for values in (*a, *b)]
    made = fill(Snapshot(params, (0, 0, 0), 1, a), b).known
    for values, kept in zip((*a, *b), before, strict=True):
        np.testing.assert_array_equal(values, kept)
    b = Blocks(*(values[b.at[:, 2] < 2] for values in b))
    assert {tuple(at) for at in made.at.tolist()} == {tuple(at) for at in (*a.at.tolist(), *b.at.tolist())}
    where = {tuple(at): n for n, at in enumerate(b.at.tolist())}
    old = {tuple(at): n for n, at in enumerate(a.at.tolist())}
    for n, at in enumerate(map(tuple, made.at.tolist())):
        sure = a.weight[old[at]] >= 1 if at in old else np.zeros(512, bool)
        lent = ~sure & (b.weight[where[at]] >= 0.1) if at in where else np.zeros(512, bool)
        if at in old:
            np.testing.assert_array_equal(made.sdf_m[n][~lent], a.sdf_m[old[at]][~lent])
            np.testing.assert_array_equal(made.weight[n][~lent], a.weight[old[at]][~lent])
        else:
            assert not made.weight[n][~lent].any()
        if at in where:
            np.testing.assert_array_equal(made.rgb[n][lent], b.rgb[where[at]][lent])
            assert (made.weight[n][lent] == 1).all()


@pytest.mark.parametrize("bad", [{"every_s": 0.0}, {"budget_s": -1.0}, {"least_confidence": 1.0}, {"threads": 0}])
def test_parameters_that_cannot_be(bad):
    with pytest.raises(ConfigError):
        LearnedParams(**bad)
