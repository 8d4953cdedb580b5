"""Every name of TensorRT in the sources exists in every version that the code reaches it with; and this can fail."""

import ast
from pathlib import Path

import pytest
from fake_gpu import Gpu
from fake_tensorrt import API, VERSIONS, build, recorded

TEXTS = [path.read_text() for path in sorted((Path(__file__).resolve().parents[2] / "engines").glob("trt*.py"))]
MAJORS = frozenset(int(version.split(".")[0]) for version in VERSIONS)


class Names(ast.NodeVisitor):
    """Names under `trt` with the major versions that they can be reached with, by the guards on `major`."""

    def __init__(self, reach):
        self.reach, self.majors, self.names, self.calls, self.aliases = reach, MAJORS, [], [], {}

    def visit_FunctionDef(self, node):
        before, self.majors = self.majors, self.majors & self.reach.get(node.name, MAJORS)
        for statement in node.body:
            self.visit(statement)
        self.majors = before

    def visit_If(self, node):
        self.visit(node.test)
        inside = guarded(node.test)
        self.branch(node.body, inside)
        self.branch(node.orelse, MAJORS - inside if inside != MAJORS else MAJORS)

    def visit_IfExp(self, node):
        self.visit_If(ast.If(node.test, [node.body], [node.orelse]))

    def branch(self, nodes, majors):
        before, self.majors = self.majors, self.majors & majors
        for node in nodes:
            self.visit(node)
        self.majors = before

    def visit_Assign(self, node):
        if isinstance(node.targets[0], ast.Name) and (name := self.chain(node.value)):
            self.aliases[node.targets[0].id] = name
        self.generic_visit(node)

    def visit_Call(self, node):
        if isinstance(node.func, ast.Name):
            self.calls.append((node.func.id, self.majors))
        self.generic_visit(node)

    def visit_Attribute(self, node):
        name = self.chain(node)
        if name:
            self.names.append((name, self.majors))
        else:
            self.generic_visit(node)

    def chain(self, node):
        """`A.b` for trt.A.b and for what is an alias of trt.A; "" for anything else."""
        if isinstance(node, ast.Attribute):
            if isinstance(node.value, ast.Name) and node.value.id == "trt":
                return node.attr
            before = self.chain(node.value)
            return f"{before}.{node.attr}" if before else ""
        return self.aliases.get(node.id, "") if isinstance(node, ast.Name) else ""


def guarded(test):
    """The majors for which `major >= N`, `major < N` or the same of `major_of(trt)` holds; all for other tests."""
    if (
        isinstance(test, ast.Compare)
        and "major" in ast.unparse(test.left)
        and isinstance(test.comparators[0], ast.Constant)
    ):
        holds = eval(f"lambda major: major {ast.unparse(test)[len(ast.unparse(test.left)) :]}")
        return frozenset(major for major in MAJORS if holds(major))
    return MAJORS


def names_in(texts):
    """Names and majors; a function that is called under guards only, from whichever file, is under them itself."""
    reach = {}
    for _ in range(3):  # as deep as such calls go
        files = [Names(reach) for _ in texts]
        for seen, text in zip(files, texts, strict=True):
            seen.visit(ast.parse(text))
        reach = {}
        for name, majors in (call for seen in files for call in seen.calls):
            reach[name] = reach.get(name, frozenset()) | majors
    return [found for seen in files for found in seen.names]


def missing(texts):
    """Names that some reached version does not have."""
    return {
        name
        for name, majors in names_in(texts)
        for version in VERSIONS
        if int(version.split(".")[0]) in majors and not exists(name, recorded(version))
    }


def exists(name, calls):
    owner, _, member = name.rpartition(".")
    return (
        name in calls or name.startswith("__version__") or any(call.startswith(f"{name}.") for call in calls)
        or (isinstance(calls.get(owner), str) and member in calls[owner].split())
    )  # fmt: skip


def test_each_name_exists_in_each_version_it_is_reached_with():
    assert missing(TEXTS) == set()
    assert len({name for name, _ in names_in(TEXTS)}) > 20


@pytest.mark.parametrize(("old", "new", "names"), [
    ("config.clear_flag(trt.BuilderFlag.TF32)", "config.set_flag(trt.BuilderFlag.FP16)", {"BuilderFlag.FP16"}),
    ("if major < 10:\n        _type_weakly", "if True:\n        _type_weakly",
     {"BuilderFlag.INT8", "BuilderFlag.FP16", "BuilderFlag.OBEY_PRECISION_CONSTRAINTS"}),
    ("flags.STRONGLY_TYPED if major >= 10 else flags.EXPLICIT_BATCH", "flags.STRONGLY_TYPED",
     {"NetworkDefinitionCreationFlag.STRONGLY_TYPED"}),
    ("flags.STRONGLY_TYPED if major >= 10 else flags.EXPLICIT_BATCH", "flags.EXPLICIT_BATCH",
     {"NetworkDefinitionCreationFlag.EXPLICIT_BATCH"}),
    ("trt.OnnxParser(", "trt.OnnxReader(", {"OnnxReader"}),
    ("if major >= 10:\n        monitor", "if major >= 8:\n        monitor",
     {"IProgressMonitor", "IProgressMonitor.__init__"}),
])  # fmt: skip
def test_a_name_that_a_version_lacks_is_seen(old, new, names):
    assert sum(text.count(old) for text in TEXTS) == 1
    assert missing([text.replace(old, new) for text in TEXTS]) == names


@pytest.fixture(params=VERSIONS)
def trt(request):
    return build(request.param, Gpu())


def test_the_fake_has_nothing_that_is_not_recorded(trt):
    major = int(trt.__version__.split(".")[0])
    config = trt.Builder(trt.ILogger()).create_builder_config()
    assert hasattr(trt.BuilderFlag, "FP16") == (major < 11)
    assert hasattr(trt.NetworkDefinitionCreationFlag, "EXPLICIT_BATCH") == (major < 11)
    assert hasattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED") == (major >= 10)
    assert hasattr(trt, "IProgressMonitor") == (major >= 10)
    assert hasattr(trt.ICudaEngine, "get_binding_name") == (major < 10)
    if major < 10:
        with pytest.raises(AttributeError, match="progress_monitor"):
            config.progress_monitor = None
    else:
        with pytest.raises(AttributeError, match="max_workspace_size"):
            config.max_workspace_size = 1
    with pytest.raises(AttributeError):
        config.no_such_call()


def test_the_fake_takes_no_other_arguments_than_are_recorded(trt):
    builder = trt.Builder(trt.ILogger())
    config, network = builder.create_builder_config(), builder.create_network(flags=1)
    for wrong in (
        lambda: trt.Builder(),
        lambda: trt.Builder("logger"),
        lambda: builder.create_network("flags"),
        lambda: builder.create_network(1, 2),
        lambda: config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE),
        lambda: config.clear_flag(7),
        lambda: config.create_timing_cache("text"),
        lambda: builder.build_serialized_network(config, network),
        lambda: trt.OnnxParser(network, logger="logger"),
        lambda: setattr(network, "name", 3),
        lambda: trt.init_libnvinfer_plugins(trt.ILogger()),
    ):
        with pytest.raises(TypeError):
            wrong()


def test_the_data_says_where_it_is_from():
    assert {version.split(".")[0] for version in API["origin"]} == {"8", "10", "11"}
    assert all("wheel" in origin for origin in API["origin"].values())
