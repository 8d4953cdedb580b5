"""The contract of a policy as a function anyone can run: `check_policy(policy, look)`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import replace

import numpy as np

from saccade.clock import MS, SEC, perf_ns
from saccade.geometry import F64
from vla_node.policies.base import FastPolicy, Look, PolicyError, PolicySpec

_MARGIN_NS = SEC
"""By how much a machine that is busy with other things may make a deadline look missed."""


def check_policy(
    policy: FastPolicy,
    look: Look,
    timeout_ns: int = 2 * SEC,
    stalled: Callable[[], AbstractContextManager[object]] | None = None,
) -> None:
    """Hold a policy to the contract of `vla_node.policies.base` and close it; AssertionError names the broken promise.

    `look` is one that the policy can answer, whatever its epoch. While `stalled()` is entered, it can not.
    """
    spec, epoch = policy.spec, look.epoch
    _check_spec(spec)
    policy.begin(epoch)
    first = _acted(policy, look, timeout_ns)
    kept = first.copy()
    policy.begin(epoch + 1)
    later = replace(look, epoch=epoch + 1)
    again = _acted(policy, later, timeout_ns)
    _require(bool(np.array_equal(first, kept)), "what it answered was changed by the next answer")
    _require(bool(np.array_equal(first, again)), "another epoch began, and the same look got another answer")
    _refuses(policy, look, timeout_ns, "a look of an older epoch", "epoch")
    if stalled is not None:
        with stalled():
            _refuses(policy, later, timeout_ns // 10, "a model that does not answer", "")
        _acted(policy, later, 5 * timeout_ns)
    _in_time(policy, later)
    policy.close()
    policy.close()
    _refuses(policy, later, timeout_ns, "a look after it was closed", "close")


def _check_spec(spec: PolicySpec) -> None:
    _require(bool(spec.name), "its spec has no name")
    _require(
        bool(spec.axes) and len(set(spec.axes)) == len(spec.axes), f"its axes are {spec.axes}; expected some, once"
    )
    _require(spec.dt_ns > 0 and spec.horizon > 0, "its dt_ns and horizon must be positive")


def _acted(policy: FastPolicy, look: Look, timeout_ns: int) -> F64:
    begin_ns = perf_ns()
    rows = policy.act(look, timeout_ns)
    _check_time(begin_ns, timeout_ns)
    spec = policy.spec
    _require(isinstance(rows, np.ndarray) and rows.dtype == np.float64, "its answer is no float64 array")
    _require(rows.ndim == 2 and rows.shape[1] == len(spec.axes), f"its answer has shape {rows.shape}; expected (k, d)")
    _require(1 <= len(rows) <= spec.horizon, f"it answered {len(rows)} rows, and its horizon is {spec.horizon}")
    _require(bool(np.isfinite(rows).all()), "its answer is not finite")
    return rows


def _refuses(policy: FastPolicy, look: Look, timeout_ns: int, what: str, word: str) -> None:
    begin_ns = perf_ns()
    try:
        policy.act(look, timeout_ns)
    except PolicyError as error:
        _check_time(begin_ns, timeout_ns)
        _require(word in str(error), f"its error on {what} does not say so: {error}")
        return
    raise AssertionError(f"{what} was answered")


def _in_time(policy: FastPolicy, look: Look) -> None:
    """With next to no time it answers or raises at once."""
    begin_ns = perf_ns()
    with suppress(PolicyError):
        policy.act(look, 1)
    _check_time(begin_ns, 1)


def _check_time(begin_ns: int, timeout_ns: int) -> None:
    took_ns = perf_ns() - begin_ns
    took = f"{took_ns / MS:.0f} ms where {timeout_ns / MS:.0f} were given"
    _require(took_ns <= timeout_ns + _MARGIN_NS, f"it took {took}")


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise AssertionError(otherwise)
