"""Mutates the gate's sources, one operator, sign, constant or statement at a time, and sees whether a check notices.

Run by test_mutation.py; by hand: `python tests/safety/mutation.py [FILE...]` prints the survivors.
"""

from __future__ import annotations

import ast
import importlib
import itertools
import multiprocessing
import signal
import sys
import types
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import saccade.kernel

ROOM = Path(__file__).parents[2] / "safety_node"
FILES = ("limits", "kernels", "motion", "flight", "gate", "joints", "node")
CONTRACTS = ("limits", "requests", "clearance", "flight", "joints", "node")
OWN = {
    "limits": "limits", "kernels": "flight", "motion": "clearance", "flight": "flight", "gate": "requests",
    "joints": "joints", "node": "node",
}  # fmt: skip
"""The contract most likely to notice a mutant of each file, which is asked first."""
TIMEOUT_S = 15
"""Of the processor's time: four times what all checks take on the original."""
SLICES = 4
Check = Callable[[types.SimpleNamespace], None]

_COMPARE: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE), ast.LtE: (ast.Lt, ast.Gt), ast.Gt: (ast.GtE, ast.LtE), ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,), ast.NotIn: (ast.In,),
}  # fmt: skip
_BINARY: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
    ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr,
}  # fmt: skip
_NAMES = {
    "min": "max", "max": "min", "minimum": "maximum", "maximum": "minimum", "any": "all", "all": "any",
    "argmax": "argmin", "argmin": "argmax", "real": "imag", "imag": "real", "zeros": "ones", "inf": "nan",
    "abs": "asarray",
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """One change: where it is and what it reads like; `number` finds it again in its file."""

    file: str
    number: int
    line: int
    statement: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"safety_node/{self.file}.py:{self.line}  {self.before}  ->  {self.after}   in `{self.statement}`"

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What an allow-list names a mutant by: file, statement, before and after."""
        return self.file, self.statement, self.before, self.after


Apply = Callable[[], None]


def _variants(node: ast.AST) -> Iterator[Apply]:
    """In-place changes of one node, each undone by throwing its tree away."""
    if isinstance(node, ast.Compare):
        for i, op in enumerate(node.ops):
            for other in _COMPARE[type(op)]:
                yield lambda i=i, other=other: node.ops.__setitem__(i, other())
    elif isinstance(node, ast.BinOp | ast.AugAssign) and type(node.op) in _BINARY:
        yield lambda: setattr(node, "op", _BINARY[type(node.op)]())
    elif isinstance(node, ast.BoolOp):
        yield lambda: setattr(node, "op", ast.Or() if isinstance(node.op, ast.And) else ast.And())
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield lambda: setattr(node, "op", ast.UAdd())
    elif isinstance(node, ast.UnaryOp):
        yield lambda: setattr(node, "operand", ast.UnaryOp(ast.Not(), node.operand))
    elif isinstance(node, ast.Constant):
        for value in _other_values(node.value):
            yield lambda value=value: setattr(node, "value", value)
    elif isinstance(node, ast.Attribute) and node.attr in _NAMES:
        yield lambda: setattr(node, "attr", _NAMES[node.attr])
    elif isinstance(node, ast.Name) and node.id in _NAMES:
        yield lambda: setattr(node, "id", _NAMES[node.id])
    elif isinstance(node, ast.If | ast.IfExp):
        yield lambda: setattr(node, "test", ast.UnaryOp(ast.Not(), node.test))
    elif isinstance(node, ast.comprehension) and node.ifs:
        yield lambda: setattr(node, "ifs", [ast.UnaryOp(ast.Not(), node.ifs[0])])
    elif isinstance(node, ast.Raise):
        yield lambda: setattr(node, "exc", ast.Name("NotImplementedError", ast.Load()))
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield lambda: setattr(node, "value", ast.Constant(None))


def _other_values(value: object) -> tuple[object, ...]:
    if isinstance(value, bool):
        return (not value,)
    if isinstance(value, int):
        return (value + 1, value - 1)
    if isinstance(value, float):
        return (value + 1.0, -value, value * 2.0) if value else (1.0, -1.0)
    if isinstance(value, str) and " " not in value:  # prose may read as it likes
        return (value + "_",)
    return ()


def _sites(tree: ast.AST, statement: ast.stmt | None = None) -> Iterator[tuple[ast.stmt, ast.AST]]:
    """(statement, node) of all that runs: no docstrings, annotations, imports, decorators, reasons' wording."""
    for name, value in ast.iter_fields(tree):
        if name in ("annotation", "returns", "decorator_list", "bases"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or isinstance(child, ast.JoinedStr | ast.Import | ast.ImportFrom):
                continue
            if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
                continue
            inner = child if isinstance(child, ast.stmt) else statement
            assert inner is not None  # a module consists of statements
            yield inner, child
            yield from _sites(child, inner)


def mutants(file: str, first: int = 0, step: int = 1) -> Iterator[tuple[Mutant, ast.Module]]:
    """Every `step`-th mutant of a file from the `first` on, with its tree."""
    source = (ROOM / f"{file}.py").read_text()
    number = 0
    for position, (statement, site) in enumerate(_sites(ast.parse(source))):
        for variant in range(len(list(_variants(site)))):
            if number % step == first:
                tree = ast.parse(source)
                node = next(itertools.islice(_sites(tree), position, None))[1]
                before = _text(node)
                list(_variants(node))[variant]()
                line = getattr(site, "lineno", statement.lineno)
                where = ast.unparse(statement).splitlines()[0]
                yield Mutant(file, number, line, where, before, _text(node)), ast.fix_missing_locations(tree)
            number += 1


def _text(node: ast.AST) -> str:
    if isinstance(node, ast.If | ast.While):
        return f"if {ast.unparse(node.test)}"
    if isinstance(node, ast.comprehension):
        return f"for {ast.unparse(node.target)} in ... if {ast.unparse(node.ifs[0])}"
    return ast.unparse(node)


def load(changed: dict[str, ast.Module] | None = None, *, compiled: bool = False) -> types.SimpleNamespace:
    """The room's modules, freshly executed, some from changed trees; nothing of them stays importable.

    Mutants' kernels are left uncompiled: the compiler's cache goes by file and would give the original instead.
    """
    fresh: dict[str, types.ModuleType] = {}
    compiling = saccade.kernel.kernel
    saccade.kernel.kernel = compiling if compiled else _uncompiled
    saved = {name: sys.modules.get(f"safety_node.{name}") for name in FILES}
    try:
        for name in FILES:
            path = ROOM / f"{name}.py"
            module = types.ModuleType(f"safety_node.{name}")
            module.__file__ = str(path)
            sys.modules[module.__name__] = fresh[name] = module
            tree = (changed or {}).get(name) or ast.parse(path.read_text())
            exec(compile(tree, str(path), "exec"), module.__dict__)
    finally:
        saccade.kernel.kernel = compiling
        for name, module_or_none in saved.items():
            if module_or_none is None:
                sys.modules.pop(f"safety_node.{name}", None)
            else:
                sys.modules[f"safety_node.{name}"] = module_or_none
    return types.SimpleNamespace(**fresh)


def _uncompiled(*signature: object, counted: bool = True) -> Callable[[Callable[..., object]], Callable[..., object]]:
    return lambda function: function


def checks(contracts: Iterable[str] = CONTRACTS) -> list[Check]:
    """The checks of these contracts."""
    modules = [importlib.import_module(f"contract_{name}") for name in contracts]
    return [value for module in modules for name, value in vars(module).items() if name.startswith("check_")]


def checks_for(file: str, contracts: Iterable[str] = CONTRACTS) -> list[Check]:
    """The checks, those of the file's own contract first."""
    return checks(sorted(contracts, key=lambda name: name != OWN[file]))


def killed_by(mutant: Mutant, tree: ast.Module, asked: list[Check]) -> str | None:
    """The name of the first check that notices the mutant, or None.

    That check moves to the front of `asked`: it is likely to notice the next mutant of the same statement as well.
    """
    signal.signal(signal.SIGVTALRM, _too_long)
    signal.setitimer(signal.ITIMER_VIRTUAL, TIMEOUT_S)
    check: Check | None = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            modules = load({mutant.file: tree})
            for check in asked:
                check(modules)
    except (Exception, TooLong):
        if check is None:
            return "import"
        asked.insert(0, asked.pop(asked.index(check)))
        return check.__name__
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    return None


class TooLong(BaseException):
    """Not an Exception: hypothesis would take that for an example that fails, and go on with others."""


def _too_long(*_: object) -> None:
    raise TooLong


def _work(file: str, first: int, step: int) -> list[tuple[Mutant, str | None]]:
    asked = checks_for(file)
    return [(mutant, killed_by(mutant, tree, asked)) for mutant, tree in mutants(file, first, step)]


def run(files: tuple[str, ...] = FILES, workers: int = 2) -> list[tuple[Mutant, str | None]]:
    """All mutants of the files with the check that killed each, None for a survivor."""
    jobs = [(file, first, SLICES) for file in files for first in range(SLICES)]
    with multiprocessing.get_context("fork").Pool(workers) as pool:
        return sorted(
            (result for part in pool.starmap(_work, jobs, chunksize=1) for result in part),
            key=lambda result: (result[0].file, result[0].number),
        )


if __name__ == "__main__":
    results = run(tuple(sys.argv[1:]) or FILES)
    survivors = [mutant for mutant, killer in results if killer is None]
    print(*survivors, f"{len(results)} mutants, {len(survivors)} survived", sep="\n")
