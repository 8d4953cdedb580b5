"""Parameters: one dataclass a node, read from the YAML that ROS reads too. An unknown key is an error."""

from __future__ import annotations

import dataclasses
import math
import sys
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import yaml

from saccade.errors import ConfigError, choices

T = TypeVar("T")


class Leaf(NamedTuple):
    """One parameter that is a plain value: dotted name, value, declared type, and what `param` says of it.

    `keyed` is whether its name is the key of a dict, which the parameter file may hold others of.
    """

    name: str
    value: Any
    hint: Any
    about: str = ""
    low: float | None = None
    high: float | None = None
    live: bool = False
    keyed: bool = False

    @property
    def choices(self) -> tuple[str, ...]:
        """The values of a Literal; nothing for any other type."""
        return tuple(map(str, typing.get_args(self.hint))) if typing.get_origin(self.hint) is typing.Literal else ()


def param(default: Any, about: str, *, low: float | None = None, high: float | None = None, live: bool = False) -> Any:
    """A field of a parameter dataclass: what it is, its range, ends included, and whether a running node takes it.

    A `default` that can be called makes it. `build` holds values to the range; what a range cannot say, such as above 0
    or less than another one, the dataclass checks itself.
    """
    metadata = {"about": about, "low": low, "high": high, "live": live}
    if callable(default):
        return dataclasses.field(default_factory=default, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def leaves(value: Any, prefix: str = "") -> Iterator[Leaf]:
    """The plain values in a parameter dataclass, with dotted names in the order of the fields."""
    hints = typing.get_type_hints(type(value))
    for field in dataclasses.fields(value):
        name, item = f"{prefix}{field.name}", getattr(value, field.name)
        if dataclasses.is_dataclass(item):
            yield from leaves(item, f"{name}.")
        elif isinstance(item, dict):
            hint = typing.get_args(hints[field.name])[1]
            yield from (Leaf(f"{name}.{k}", v, hint, **field.metadata, keyed=True) for k, v in item.items())
        else:
            yield Leaf(name, item, hints[field.name], **field.metadata)


def load(cls: type[T], path: Path | str, node: str) -> T:
    """Parameters of `node` from a ROS 2 parameter file; what the file leaves out keeps the dataclass' default.

    ConfigError names the file and key, and the nearest valid key.
    """
    return build(cls, section(path, node), str(path))


def section(path: Path | str, node: str) -> dict[str, Any]:
    """The plain values that a ROS 2 parameter file has for `node`.

    The file has `<node>: ros__parameters: {...}` sections; `/**` applies to every node, `/**/<node>` to the node in any
    namespace, and its own section wins. ConfigError where it is no such file.
    """
    document = read_yaml(path, "parameter file", "sections such as `perception_node: {ros__parameters: {...}}`")
    values: dict[str, Any] = {}
    for name in ("/**", f"/**/{node}", node, f"/{node}"):
        body = document.get(name)
        if body is None:
            continue
        given = body.get("ros__parameters") if isinstance(body, dict) and len(body) == 1 else ()
        if not isinstance(given, dict | None) or "ros__parameters" not in body:
            raise ConfigError(
                f"{path}: section {name!r} must hold exactly `ros__parameters:` with names and values in it"
                " (a ROS 2 parameter file)"
            )
        values = _merged(values, _nested(given or {}, str(path)))
    return values


def read_yaml(path: Path | str, kind: str, expected: str) -> dict[Any, Any]:
    """The keys and values of a YAML file, none where it is empty; ConfigError names the file and what was expected."""
    path = Path(path)
    try:
        document = yaml.safe_load(path.read_text())
    except OSError as error:
        raise ConfigError(f"cannot read {kind} {path}: {error.strerror}") from error
    except (yaml.YAMLError, ValueError) as error:  # such as bytes that are no text, or the 32nd of a month
        raise ConfigError(f"{kind} {path} is not YAML: {error}") from error
    if not isinstance(document, dict | None):
        raise ConfigError(f"{kind} {path} is a {type(document).__name__}; expected {expected}")
    return document or {}


def build(cls: type[T], values: dict[str, Any], where: str = "parameters", *, finite: bool = True) -> T:
    """A dataclass from nested plain values, checked for unknown keys and wrong types; dotted keys reach into groups.

    With `finite`, infinity and NaN are wrong: a parameter that is either of them turns checks and clocks off unnoticed.
    """
    hints = typing.get_type_hints(cls)
    names = [f.name for f in dataclasses.fields(cls)]  # type: ignore[arg-type]
    kwargs: dict[str, Any] = {}
    for key, value in _nested(values, where).items():
        if key not in names:
            raise ConfigError(f"{where}: unknown parameter {key!r}; {choices(key, names)}")
        kwargs[key] = _convert(hints[key], value, f"{where}: {key}", finite)
    try:
        made = cls(**kwargs)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{where}: {error}") from error
    _check_ranges(made, where)
    return made


def _check_ranges(made: Any, where: str) -> None:
    """ConfigError for a number, alone or in a tuple or dict, that is out of its field's range; NaN is out of any."""
    for field in dataclasses.fields(made):
        low, high = field.metadata.get("low"), field.metadata.get("high")
        if low is None and high is None:
            continue
        least, most = -math.inf if low is None else low, math.inf if high is None else high
        value = getattr(made, field.name)
        items = value.values() if isinstance(value, dict) else value if isinstance(value, tuple) else (value,)
        for item in items:
            if isinstance(item, int | float) and not least <= item <= most:
                raise ConfigError(f"{where}: {field.name} is {item:g}; expected {least:g} to {most:g}")


def plain(value: Any) -> Any:
    """The inverse of `build`: a dataclass as nested dicts, lists and scalars, ready for YAML."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return value


def dump(value: Any, node: str) -> str:
    """The parameter file that `load` reads back as the same dataclass."""
    return str(yaml.safe_dump({node: {"ros__parameters": plain(value)}}, sort_keys=False))


def _nested(values: dict[str, Any], where: str) -> dict[str, Any]:
    """The same with each dotted key in the group that it names; ConfigError for a name of both a value and a group."""
    out: dict[str, Any] = {}
    for key, value in values.items():
        head, _, rest = str(key).partition(".")
        given = {rest: value} if rest else value
        if head in out and isinstance(out[head], dict) != isinstance(given, dict):
            raise ConfigError(f"{where}: {head!r} is given both as a value and as a group ({key!r})")
        out = _merged(out, {head: given})
    return out


def _merged(first: dict[str, Any], then: dict[str, Any]) -> dict[str, Any]:
    """Both, as ROS 2 merges sections: value by value, also within groups, and of two the later one."""
    out = dict(first)
    for key, value in then.items():
        both = isinstance(out.get(key), dict) and isinstance(value, dict)
        out[key] = _merged(out[key], value) if both else value
    return out


def _convert(hint: Any, value: Any, where: str, finite: bool) -> Any:
    """`value` as type `hint`: scalars strictly, ints accepted for floats, lists for tuples, dicts for dataclasses."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        if isinstance(value, dict):
            return build(hint, value, where, finite=finite)
    elif origin in (typing.Union, types.UnionType):
        if value is None and type(None) in args:
            return None
        return _convert(next(a for a in args if a is not type(None)), value, where, finite)
    elif origin is typing.Literal:
        if value in args:
            return value
        raise ConfigError(f"{where} is {value!r}; {choices(str(value), map(str, args))}")
    elif origin is tuple and isinstance(value, list | tuple):
        kinds = [args[0]] * len(value) if args[-1] is Ellipsis else list(args)
        if len(kinds) == len(value):
            pairs = enumerate(zip(kinds, value, strict=True))
            return tuple(_convert(kind, item, f"{where}[{i}]", finite) for i, (kind, item) in pairs)
    elif origin is dict and isinstance(value, dict):
        return {str(k): _convert(args[1], v, f"{where}.{k}", finite) for k, v in value.items()}
    elif hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        if abs(value) <= sys.float_info.max or (isinstance(value, float) and not finite):
            return float(value)
        raise ConfigError(f"{where} is {value if isinstance(value, float) else 'too large'}; expected a finite number")
    elif isinstance(hint, type) and type(value) is hint:
        return value
    name = getattr(hint, "__name__", str(hint))
    raise ConfigError(f"{where} is {value!r} ({type(value).__name__}); expected {name}")
