"""Options of classes and functions read from their source in milliseconds, without torch.

A class is followed to its bases and its types to where they are defined, module by module. What a
name stands for in another way than by `class`, `=` or `from … import` is not found.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

_DEEPEST = 6  # imports from a name to its definition
_PACKAGES = Path(__file__).parents[2]  # holds lightning_sciml and data_gen


@dataclass(frozen=True)
class Parameter:
    """A parameter of a constructor: its name, and its type as written in a module."""

    name: str
    annotation: ast.expr | None
    module: str

    def values(self) -> list[str]:
        """List the words it may be, where its type is a choice."""
        return list(dict.fromkeys(_words(self.annotation, self.module)))


def options_of(module: str, name: str) -> Iterator[Parameter]:
    """Find the options of a class by its module and name; of dataclasses in it, with a dot."""
    for parameter in parameters(module, name):
        annotation = parameter.annotation
        found = _definition(parameter.module, getattr(annotation, "id", ""))
        if found and isinstance(found[1], ast.ClassDef) and _is_plain_dataclass(found[1]):
            for inner in parameters(found[0], found[1].name):
                full_name = f"{parameter.name}.{inner.name}"
                yield Parameter(full_name, inner.annotation, inner.module)
        else:
            yield parameter


def parameters(module: str, name: str) -> list[Parameter]:
    """List the parameters of a function, or of a class: its own and those it hands to its bases."""
    found = _definition(module, name)
    if found is None:
        return []
    home, definition = found
    if isinstance(definition, ast.FunctionDef):
        given = [*definition.args.args, *definition.args.kwonlyargs]
        return [Parameter(a.arg, a.annotation, home) for a in given]
    if not isinstance(definition, ast.ClassDef):
        return []
    init = next((f for f in definition.body if getattr(f, "name", "") == "__init__"), None)
    own: list[tuple[str, ast.expr | None]] = []
    hands_on = True
    if isinstance(init, ast.FunctionDef):
        given = [*init.args.args[1:], *init.args.kwonlyargs]
        own = [(a.arg, a.annotation) for a in given]
        hands_on = init.args.kwarg is not None
    elif _is_dataclass(definition):
        fields = (f for f in definition.body if isinstance(f, ast.AnnAssign))
        own = [(f.target.id, f.annotation) for f in fields if isinstance(f.target, ast.Name)]
    bases = definition.bases if hands_on else []
    above = [p for base in bases for p in parameters(home, getattr(base, "id", ""))]
    by_name = {p.name: p for p in [*above, *(Parameter(n, kind, home) for n, kind in own)]}
    return list(by_name.values())


def _is_dataclass(definition: ast.ClassDef) -> bool:
    return any("dataclass" in ast.unparse(d) for d in definition.decorator_list)


def _is_plain_dataclass(definition: ast.ClassDef) -> bool:
    """Tell whether a dataclass is a group of options, not one of several classes to choose from."""
    return _is_dataclass(definition) and not definition.bases


def _words(annotation: ast.expr | None, module: str) -> Iterator[str]:
    """Yield the words of all Literal and bool that a type is made of."""
    if isinstance(annotation, ast.BinOp):
        yield from _words(annotation.left, module)
        yield from _words(annotation.right, module)
    elif isinstance(annotation, ast.Name):
        yield from _words_of_name(annotation.id, module)
    elif isinstance(annotation, ast.Subscript):
        inside = annotation.slice
        parts = inside.elts if isinstance(inside, ast.Tuple) else [inside]
        for part in parts:
            if isinstance(part, ast.Constant):
                yield str(part.value)
            else:
                yield from _words(part, module)


def _words_of_name(name: str, module: str) -> Iterator[str]:
    found = _definition(module, name)
    if name == "bool":
        yield from ("true", "false")
    elif found and isinstance(found[1], ast.Assign | ast.AnnAssign):
        yield from _words(found[1].value, found[0])


def _definition(module: str, name: str, depth: int = 0) -> tuple[str, ast.stmt] | None:
    """Find where a name of a module is defined: the module, and the statement."""
    if not name or depth > _DEEPEST or (file := _file(module)) is None:
        return None
    names = _names(file)
    match names.get(name):
        case ast.ImportFrom(module=source, names=aliases) if source:
            original = next(a.name for a in aliases if name in (a.asname, a.name))
            return _definition(source, original, depth + 1)
        case None:
            return None
        case statement:
            return module, statement


def _file(module: str) -> Path | None:
    """Find a module's file; the package above it is not imported."""
    top, *below = module.split(".")
    folders = [str(_PACKAGES / top)] if (_PACKAGES / top).is_dir() else []
    if not folders and (spec := find_spec(top)):
        folders = list(spec.submodule_search_locations or ())
    if not folders:
        return None
    path = Path(folders[0], *below)
    candidates = (path.with_suffix(".py"), path / "__init__.py")
    return next((file for file in candidates if file.is_file()), None)


@cache
def _names(file: Path) -> dict[str, ast.stmt]:
    """Find the statements at the top of a file that define a name."""
    names: dict[str, ast.stmt] = {}
    for statement in ast.parse(file.read_bytes()).body:
        match statement:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                names[name] = statement
            case ast.ImportFrom(names=aliases):
                names |= {alias.asname or alias.name: statement for alias in aliases}
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                names[name] = statement
    return names
