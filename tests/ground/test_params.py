from dataclasses import dataclass, field
from typing import Literal

import pytest

from saccade import params
from saccade.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Group:
    size_m: float = 12.8
    cells: tuple[int, int] = (4, 5)


@dataclass(frozen=True, slots=True)
class Params:
    engine: str = "sgbm"
    rate_hz: float = 20.0
    mode: Literal["hold", "swap"] = "hold"
    names: tuple[str, ...] = ()
    limit: float | None = None
    map: Group = field(default_factory=Group)


def write(tmp_path, text):
    path = tmp_path / "p.yaml"
    path.write_text(text)
    return path


def test_file_overrides_defaults_and_the_node_wins_over_all_nodes(tmp_path):
    text = """
/**: {ros__parameters: {engine: all, rate_hz: 5}}
node: {ros__parameters: {engine: mine, names: [a, b], map: {size_m: 3}, map.cells: [1, 2], limit: 2}}
other: {ros__parameters: {nonsense: 1}}
"""
    got = params.load(Params, write(tmp_path, text), "node")
    assert got == Params("mine", 5.0, "hold", ("a", "b"), 2.0, Group(3.0, (1, 2)))


def test_dump_is_read_back_the_same(tmp_path):
    original = Params(names=("x",), map=Group(1.5, (7, 8)))
    assert params.load(Params, write(tmp_path, params.dump(original, "node")), "node") == original


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("{engin: x}", "unknown parameter 'engin'; did you mean 'engine'"),
        ("{map: {size: 3}}", "unknown parameter 'size'; did you mean 'size_m'"),
        ("{rate_hz: fast}", "rate_hz is 'fast' (str); expected float"),
        ("{rate_hz: true}", "expected float"),
        ("{mode: hldo}", "did you mean 'hold'"),
        ("{map.cells: [1]}", "expected tuple"),
        ("{engine: 3}", "expected str"),
        ("{rate_hz: .inf}", "rate_hz is inf; expected a finite number"),
        ("{limit: .nan}", "limit is nan; expected a finite number"),
        ("{map.size_m: -.inf}", "map: size_m is -inf; expected a finite number"),
        ("{rate_hz: 1%s}" % ("0" * 400), "rate_hz is too large; expected a finite number"),
        ("[1, 2]", "must hold exactly `ros__parameters:`"),
        ("3", "must hold exactly `ros__parameters:`"),
    ],
)
def test_bad_values_name_the_file_the_key_and_what_is_valid(tmp_path, body, message):
    path = write(tmp_path, f"node: {{ros__parameters: {body}}}")
    with pytest.raises(ConfigError) as error:
        params.load(Params, path, "node")
    assert message in str(error.value)
    assert str(path) in str(error.value)


def test_sections_are_merged_value_by_value_as_ros_merges_them(tmp_path):
    text = """
/**: {ros__parameters: {map: {size_m: 7, cells: [1, 2]}, map.size_m: 8}}
/**/node: {ros__parameters: {map.cells: [3, 4], rate_hz: 5}}
node: {ros__parameters: {map: {size_m: 9}}}
"""
    assert params.load(Params, write(tmp_path, text), "node") == Params(rate_hz=5.0, map=Group(9.0, (3, 4)))


def test_a_group_and_a_dotted_name_of_it_are_both_heard_in_either_order():
    for values in ({"map.size_m": 3, "map": {"cells": [1, 2]}}, {"map": {"cells": [1, 2]}, "map.size_m": 3}):
        assert params.build(Params, values) == Params(map=Group(3.0, (1, 2)))
        with pytest.raises(ConfigError, match="both as a value and as a group"):
            params.build(Params, {**values, "map": 3})


def test_what_others_measured_may_be_infinite():
    assert params.build(Params, {"rate_hz": float("inf"), "map": {"size_m": float("-inf")}}, finite=False) == Params(
        rate_hz=float("inf"), map=Group(float("-inf"))
    )


@dataclass(frozen=True)
class Ranged:
    share: float = params.param(0.5, "", low=0, high=1)
    count: int = params.param(3, "", low=1)
    speeds: tuple[float, ...] = params.param((1.0,), "", low=0)
    costs: dict[str, float] = params.param(dict, "", high=9)
    free: float = params.param(1.0, "")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"share": 1.5}, "share is 1.5; expected 0 to 1"),
        ({"share": float("nan")}, "share is nan; expected a finite number"),
        ({"count": 0}, "count is 0; expected 1 to inf"),
        ({"speeds": [1, -2]}, "speeds is -2; expected 0 to inf"),
        ({"costs": {"a": 10}}, "costs is 10; expected -inf to 9"),
    ],
)
def test_a_number_out_of_the_range_that_tools_show_is_refused(values, message):
    with pytest.raises(ConfigError, match=f"file: {message}"):
        params.build(Ranged, values, "file")
    params.build(Ranged, {"share": 1, "count": 1, "speeds": [0], "costs": {"a": 9}, "free": -1e9})


@pytest.mark.parametrize(
    "text", ["node: {engine: x}", "node: 3", "node: [", "{", "- a\n- b", "just words", "3", "a: 2001-13-32"]
)
def test_a_file_that_is_not_a_ros_parameter_file_is_refused(tmp_path, text):
    with pytest.raises(ConfigError, match=r"p\.yaml.*(ros__parameters|YAML)"):
        params.load(Params, write(tmp_path, text), "node")


def test_bytes_that_are_no_text_are_refused_by_name(tmp_path):
    (tmp_path / "p.yaml").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(ConfigError, match=r"parameter file .*p\.yaml is not YAML"):
        params.load(Params, tmp_path / "p.yaml", "node")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere\.yaml"):
        params.load(Params, tmp_path / "nowhere.yaml", "node")
