"""Which third-party modules and settings a function can come to need, read from its source.

What a function of ours does counts only where something reached names that function: the wiring's
factories import their adapters, and a Lambda function reaches just the factories that it names.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

Unit = tuple[str, str]  # a module and one of its top-level functions or classes; "" is the module


def reachable_imports(entry: str, folders: list[Path]) -> set[str]:
    """Dotted names of third-party modules that `entry` reaches; `folders` hold our own modules."""
    return _Walk(entry, folders).foreign


def reachable_settings(entry: str, folders: list[Path]) -> set[str]:
    """Names of the settings groups that `entry` reaches a `load(…)` of."""
    return _Walk(entry, folders).settings


class _Walk:
    def __init__(self, entry: str, folders: list[Path]) -> None:
        self._folders = folders
        self._trees: dict[str, ast.Module] = {}
        self._done: set[Unit] = set()
        self._names: set[str] = set()
        self.foreign: set[str] = set()
        self.settings: set[str] = set()
        self._enter(entry)
        for definition in _definitions(self._trees[entry]):
            self._names.add(definition.name)
        while self._reach_more():
            pass

    def _reach_more(self) -> bool:
        """Walk every unit that is named by now; False when there was none left."""
        waiting = [
            (module, node)
            for module, tree in list(self._trees.items())
            for node in _definitions(tree)
            if node.name in self._names and (module, node.name) not in self._done
        ]
        for module, node in waiting:
            self._done.add((module, node.name))
            self._visit(ast.walk(node))
        return bool(waiting)

    def _enter(self, module: str) -> None:
        path = self._find(module)
        if path is None or module in self._trees:
            return
        self._trees[module] = ast.parse(path.read_text())
        self._visit(_module_level(self._trees[module]))

    def _visit(self, nodes: Iterator[ast.AST]) -> None:
        for node in nodes:
            match node:
                case ast.Name(id=name) | ast.Attribute(attr=name):
                    self._names.add(name)
                case ast.Call(func=ast.Name(id="load"), args=[ast.Name(id=group)]):
                    self.settings.add(group)
                case ast.Import(names=aliases):
                    for alias in aliases:
                        self._import(alias.name)
                case ast.ImportFrom(module=str(module), names=aliases):
                    self._import(module)
                    for alias in aliases:
                        self._names.add(alias.name)
                        self._enter(f"{module}.{alias.name}")

    def _import(self, module: str) -> None:
        parts = module.split(".")
        if self._find(parts[0]) is None:
            if parts[0] not in sys.stdlib_module_names:
                self.foreign.add(module)
            return
        for depth in range(1, len(parts) + 1):
            self._enter(".".join(parts[:depth]))

    def _find(self, module: str) -> Path | None:
        relative = Path(*module.split("."))
        for folder in self._folders:
            for path in (folder / relative / "__init__.py", folder / f"{relative}.py"):
                if path.is_file():
                    return path
        return None


def _definitions(
    tree: ast.Module,
) -> list[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return [node for node in tree.body if isinstance(node, kinds)]


def _module_level(tree: ast.Module) -> Iterator[ast.AST]:
    """What importing the module runs: all but bodies of functions, and blocks for type checkers.

    Bases, decorators and class bodies run as well.
    """
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        match node:
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                waiting.extend(node.orelse)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                waiting.extend([*node.decorator_list, node.args])
            case _:
                waiting.extend(ast.iter_child_nodes(node))
