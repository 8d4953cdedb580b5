"""A `tensorrt` with the recorded calls of one version, and nothing else, over a fake GPU.

What is not in data/tensorrt_api.yaml for that version is AttributeError; other arguments than its signatures allow are
TypeError. Engines are ONNX graphs that ONNX Runtime runs when their stream is synchronised. This is not TensorRT: it
shows which calls are made, in which order and with what, not that TensorRT answers them as this does.
"""

import enum
import functools
import re
import sys
import types
from pathlib import Path

import fake_tensorrt_build
import fake_tensorrt_run
import numpy as np
import yaml

API = yaml.safe_load((Path(__file__).parent / "data" / "tensorrt_api.yaml").read_text())
VERSIONS = tuple(API["origin"])
BEHAVIOURS = {**fake_tensorrt_build.BEHAVIOURS, **fake_tensorrt_run.BEHAVIOURS}


def recorded(version):
    """What a version has, by name: signatures, or members of an enum."""
    found = {}
    for name, ways in API["calls"].items():
        for having, way in ways.items():
            if having == "all" or version in having.split(", "):
                found[name] = way
    return found


def install(monkeypatch, gpu, version):
    """Make `import tensorrt` find this version's fake; the module, whose `_world` holds what tests look at."""
    trt = build(version, gpu)
    monkeypatch.setitem(sys.modules, "tensorrt", trt)
    return trt


def build(version, gpu):
    """A module with what is recorded for a version."""
    trt = types.ModuleType("tensorrt")
    trt.__version__ = version
    trt._world = types.SimpleNamespace(gpu=gpu, logger=None, configs=[], networks=[], plugins=[], contexts=[])
    calls = recorded(version)
    enums = {name: way.split() for name, way in calls.items() if isinstance(way, str)}
    members = [name.rpartition(".")[::2] for name in calls if "." in name and name not in enums]
    for name in {owner for owner, _ in members}:
        own = {member: calls[f"{name}.{member}"] for owner, member in members if owner == name}
        setattr(trt, name, generated(trt, name, own))
    for name, names in enums.items():
        owner, _, inner = name.rpartition(".")
        setattr(getattr(trt, owner) if owner else trt, inner, enum.IntEnum(inner, names, start=0))
    trt.init_libnvinfer_plugins = checked(
        trt, "init_libnvinfer_plugins", calls["init_libnvinfer_plugins"], lambda logger, namespace: True
    )
    return trt


def generated(trt, name, calls):
    """A class with the recorded members only; like pybind11's, its objects take no other attributes."""
    behaviour = BEHAVIOURS.get(name, object)
    body = {key: value for key, value in vars(behaviour).items() if key.startswith("_") and key != "__dict__"}
    for member, signatures in calls.items():
        found = vars(behaviour).get(member)
        if signatures[0].startswith("property"):
            body[member] = held_property(trt, f"{name}.{member}", signatures[0], found)
        else:
            body[member] = checked(trt, f"{name}.{member}", signatures, found)
    made = type(name, (), {**body, "_trt": trt})

    def set_attribute(self, key, value):
        if type(self) is made and not key.startswith("_") and not isinstance(vars(made).get(key), property):
            raise AttributeError(f"{name!r} object has no attribute {key!r}")
        object.__setattr__(self, key, value)

    made.__setattr__ = set_attribute
    return made


def held_property(trt, name, signature, found):
    _, kind, *writable = signature.split()

    def get(self):
        return getattr(self, f"_{name.rpartition('.')[2]}") if found is None else found.fget(self)

    def set_(self, value):
        if not fits(trt, value, kind):
            raise TypeError(f"{name} is {kind}, not {value!r}")
        object.__setattr__(self, f"_{name.rpartition('.')[2]}", value)

    return property(get, set_ if writable else None)


def checked(trt, name, signatures, behaviour):
    """A call that takes what one of its signatures takes."""
    ways = [parameters(signature) for signature in signatures]

    @functools.wraps(behaviour or (lambda *_: None))
    def call(*arguments, **named):
        if not any(accepts(trt, way, arguments, named) for way in ways):
            raise TypeError(f"{name}: incompatible arguments {arguments[1:]} {named}; supported: {signatures}")
        if behaviour is None:
            raise NotImplementedError(f"the fake has no {name}")
        return behaviour(*arguments, **named)

    return call


def parameters(signature):
    """(name, type, whether it may be left out) of each."""
    inside = signature[1 : signature.rindex(") ->")]
    pieces = re.findall(r"(\w+): ((?:[^,=\[]|\[[^\]]*\])+?)( = [^,]+)?(?:, |$)", inside)
    return [(name, kind.strip(), bool(default)) for name, kind, default in pieces]


def accepts(trt, way, arguments, named):
    if len(arguments) > len(way) or any(key not in [name for name, _, _ in way] for key in named):
        return False
    given = {**dict(zip([name for name, _, _ in way], arguments, strict=False)), **named}
    return all(fits(trt, given[name], kind) if name in given else optional for name, kind, optional in way)


def fits(trt, value, kind):
    """Whether pybind11 would take a value for a type."""
    plain = {"int": (int, np.integer), "bool": bool, "str": str, "tuple": tuple, "list": list, "object": object,
             "capsule": object, "Buffer": (bytes, bytearray, memoryview)}  # fmt: skip
    if kind == "int" and isinstance(value, bool):
        return False
    if kind in plain:
        return isinstance(value, plain[kind])
    if kind.startswith(("list[", "Sequence[")):
        return isinstance(value, list | tuple)
    if kind == "Dims" and isinstance(value, list | tuple):  # converted by itself, in all versions
        return all(fits(trt, size, "int") for size in value)
    owner, _, inner = kind.rpartition(".")
    wanted = getattr(getattr(trt, owner) if owner else trt, inner, None)
    return wanted is not None and isinstance(value, wanted)
