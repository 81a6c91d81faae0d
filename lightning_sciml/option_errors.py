"""Say in one line what is wrong with a command line or configuration file, and name the option.

argparse and jsonargparse know the cause, but print it behind the usage of a hundred options or in
the middle of a tree of all types that were tried. ``option_parser`` asks here for the cause.
"""

import re
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from inspect import isabstract

_OWN = ("lightning_sciml.", "data_gen.")
_FEW = 5  # classes that are listed
LONGEST_VALUE = 80  # characters of a value that are shown
_HEAD = re.compile(r'Parser key "(?P<key>[^"]+)": ?\n*(?P<body>.*)', re.DOTALL)
_STARTS_WITH_OPTION = re.compile(r"[\w.]+: ")
_BULLET = re.compile(r"^- ", re.MULTILINE)
_CLASS = re.compile(r"<class '([\w.]+)'>")
_PLAIN_TYPE = re.compile(
    r"Expected a (?!path |dot import )(?P<type>[^\n]*?)(?:\. Got value:(?P<value>.*))?", re.DOTALL
)
_TYPE_WORDS = {
    "NoneType": "null",
    "str": "text",
    "bool": "true or false",
    "Sequence": "a list",
    "Iterable": "a list",
    "list": "a list",
    "tuple": "a list",
    "dict": "name: value pairs",
    "Mapping": "name: value pairs",
}
# What is left once an option that jsonargparse names is known to be the one in question.
_UNKNOWN = re.compile(
    r"(?:Subcommand '[^']+' does not accept option|Group '(?P<group>[^']+)' does not accept option|"
    r"Option) '(?P<name>[^']+)'(?: is not accepted.*)?"
)
_UNRECOGNIZED = re.compile(r"unrecognized arguments: (?P<words>.*)", re.DOTALL)
_REQUIRED = re.compile(r"the following arguments are required: (?P<names>.*)", re.DOTALL)
_AMBIGUOUS = re.compile(r"ambiguous option: (?P<name>[^=\s]+).* could match (?P<known>.*)")
_CALLABLE = re.compile(r"Type typing\.Callable\S.*? expects a function or a callable class: ")
_CHOICE = re.compile(
    r"argument (?P<name>\S+): invalid choice: '?(?P<value>.*?)'? \(choose from (?P<choices>.*)\)",
    re.DOTALL,
)
_NO_ATTRIBUTE = re.compile(r"module '(?P<module>[^']+)' has no attribute '(?P<name>[^']+)'")
_NO_MODULE = re.compile(r"No module named '(?P<name>[^']+)'")
_UNLOADABLE = re.compile(r"Unable to load config '(?P<value>.*?)'(?: - .*)?")
_PAIR = re.compile(r"tuple with (\d+) elements")
# Where a class is wanted; the last two are what Python says of a class_path that is no text.
_CLASSLESS = re.compile(
    r"Expected a dot import path string:|Not a valid subclass of |Expected an instantiatable class,"
    r"|argument of type '\w+' is not iterable|unhashable type: '\w+'"
)
_NOT_PAIRS = re.compile(r"Problem with given class_path '.*': '\w+' object has no attribute 'keys'")
_NO_SUBCLASS = "Import path does not correspond to a subclass of"
_NOT_A_CLASS = "Not a valid subclass of "
_CLASS_WORDS = "wanted a class_path and init_args of a "
_VAGUE = ("Expected a path but", _CLASS_WORDS, "wanted null")
_NO_CLASS = "Expected a dot import path string:"


def cause(
    message: str, options: Sequence[str] = (), bases: Mapping[str, type] | None = None
) -> str:
    """The cause that a message of argparse or jsonargparse holds, in one line.

    Args:
        message: all that the parser says, in many lines.
        options: names that the parser knows, among which a mistyped one is looked for.
        bases: of options that take a class, the class whose subclasses they take.
    """
    message = textwrap.dedent(message).strip()
    if head := _HEAD.fullmatch(message):
        key, body = head["key"], textwrap.dedent(head["body"])
        base = (bases or {}).get(key)
        inner = _no_class(body, [base]) if base and _CLASSLESS.match(body) else cause(body, options)
        joint = "." if _STARTS_WITH_OPTION.match(inner) else ": "
        return f"{key}{joint}{inner}"
    if "\nErrors:\n" in message:
        return _of_union(message, options)
    if message.startswith("- "):
        return _clearest([cause(item, options) for item in _items(message)])
    return _of_leaf(message, options)


def _items(text: str) -> list[str]:
    """The texts behind the bullets of the outermost list."""
    parts = _BULLET.split(textwrap.dedent(text).strip("\n"))
    return [textwrap.dedent("  " + part).strip() for part in parts if part.strip()]


def _of_union(message: str, options: Sequence[str]) -> str:
    """The one cause among those of all types that were tried, or all types that are wanted."""
    subtypes, _, rest = message.partition("\nErrors:\n")
    errors, _, given = rest.partition("\nGiven value type:")
    value = given.partition("\nGiven value: ")[2]
    items = _items(errors)
    plain = [m["type"] for item in items if (m := _PLAIN_TYPE.fullmatch(item))]
    classes = [item for item in items if item.startswith(_NO_CLASS)]
    causes = [
        cause(item, options)
        for item in items
        if item not in classes and not _PLAIN_TYPE.fullmatch(item)
    ]
    if causes and not (classes and causes[0].startswith(_VAGUE)):
        return _clearest(causes).replace(_NO_SUBCLASS, f"{_shortened(value)} is not a subclass of")
    if classes and not any(_CLASS.sub(r"\1", t) in ("int", "float") for t in plain):
        loaded = [base for path in _CLASS.findall(subtypes) if (base := _loaded(path))]
        return _no_class(classes[0], loaded)
    return _wanted(plain, value)


def _clearest(causes: Sequence[str]) -> str:
    """The first cause that says more than that no file or no class of that kind is there."""
    return next((c for c in causes if not c.startswith(_VAGUE)), causes[0])


def _wanted(types: Iterable[str], value: str) -> str:
    """Say which types of value an option takes, and what came."""
    words: list[str] = []
    for text in types:
        words += _type_words(text)
    words = list(dict.fromkeys(words))
    words.sort(key=lambda word: word == "null")
    value = _shortened(value)
    return f"wanted {' or '.join(words)}, got {value}{_did_you_mean(value, words)}"


def _type_words(text: str) -> list[str]:
    if text.startswith("typing.Literal["):
        return [word.strip().strip("'\"") for word in text[len("typing.Literal[") : -1].split(",")]
    if pair := _PAIR.fullmatch(text):
        return [f"a list of {pair[1]} values"]
    name = _CLASS.sub(r"\1", text).partition("[")[0].rpartition(".")[2]
    return [_TYPE_WORDS.get(name, name)]


def _no_class(text: str, bases: Sequence[type]) -> str:
    """Say which classes there are, and that none has the name in the text, if it has one."""
    name = text.removeprefix(_NO_CLASS).strip() if text.startswith(_NO_CLASS) else ""
    classes = [c for base in bases for c in _with_subclasses(base)]
    modules = [m for n, m in sys.modules.items() if n.startswith(_OWN)]
    loaded = [c for m in modules for c in vars(m).values() if isinstance(c, type)]
    names = sorted({c.__name__ for c in classes or loaded})
    own = sorted(c.__name__ for c in classes if c.__module__.startswith(_OWN) and not isabstract(c))
    few = f"one of {', '.join(own)}" if 0 < len(own) <= _FEW else ""
    wanted = few or "a class_path such as package.module.Class"
    found = f"no class is called {_shortened(name)}, " if name else ""
    return f"{found}wanted {wanted}{_did_you_mean(name, names)}"


def _loaded(path: str) -> type | None:
    module, _, name = path.rpartition(".")
    found = getattr(sys.modules.get(module), name, None)
    return found if isinstance(found, type) and module != "builtins" else None


def _with_subclasses(base: type) -> Iterator[type]:
    yield base
    subclass: type
    for subclass in type.__subclasses__(base):
        yield from _with_subclasses(subclass)


def _of_leaf(message: str, options: Sequence[str]) -> str:
    if match := _PLAIN_TYPE.fullmatch(message):
        value = "something else" if match["value"] is None else match["value"].strip()
        return _wanted([match["type"]], value)
    if match := _UNKNOWN.fullmatch(message):
        name = ".".join(filter(None, (match["group"], match["name"])))
        return f"there is no option {name}{_did_you_mean(name, options)}"
    if match := _UNRECOGNIZED.fullmatch(message):
        return _unrecognized(match["words"], options)
    if match := _REQUIRED.fullmatch(message):
        return _missing(match["names"].split(", "), options)
    if match := _AMBIGUOUS.fullmatch(message):
        known = [word for word in match["known"].split(", ") if not word.endswith("+")]
        return f"there is no option {match['name']}; did you mean {' or '.join(known)}?"
    if match := _CHOICE.fullmatch(message):
        choices = [word.strip(" '") for word in match["choices"].split(",")]
        meant = _did_you_mean(match["value"], choices)
        return f"wanted {match['name']} {', '.join(choices)}, got {match['value']}{meant}"
    return _of_import(message)


def _missing(names: Sequence[str], options: Sequence[str]) -> str:
    """Name what is missing, without the subcommand that jsonargparse puts before it."""
    tails = [name.partition(".")[2] for name in names]
    names = [tail if tail in options else name for name, tail in zip(names, tails, strict=True)]
    return f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} missing"


def _unrecognized(words: str, options: Sequence[str]) -> str:
    name = words.split()[0].partition("=")[0].lstrip("-")
    if not words.startswith("-"):
        return f"unrecognized arguments: {words}; several values are written [a, b]"
    return f"unrecognized arguments: {words}{_did_you_mean(name, options)}"


def _of_import(message: str) -> str:
    """Add to an import that fails what could have been meant; other causes stay as they are."""
    text = " ".join(message.replace('in "<unicode string>", ', "at ").split())
    if text.startswith(_NOT_A_CLASS):
        return _CLASS_WORDS + text.removeprefix(_NOT_A_CLASS).split()[0].rstrip(".")
    if _CLASSLESS.match(text):
        return _no_class(text, [])
    text = _CALLABLE.sub("", text.removeprefix("Problems parsing config: "))
    if "; did you mean " in text or "; install " in text:  # by the parser of a class
        return text
    if match := _NO_ATTRIBUTE.search(message):
        known = dir(sys.modules.get(match["module"], object()))
        return text + _did_you_mean(match["name"], known)
    if match := _NO_MODULE.search(message):
        return (
            f"{text}; install {match['name'].partition('.')[0]}, or run sciml in the folder that "
            f"holds {match['name'].partition('.')[0]}.py, or put that folder into PYTHONPATH"
        )
    return _of_pairs(text)


def _of_pairs(text: str) -> str:
    """Say that an option takes pairs, where something else came; other causes stay as they are."""
    if _NOT_PAIRS.fullmatch(text):
        return "wanted init_args as `name: value`"
    if match := _UNLOADABLE.fullmatch(text):
        return f"wanted options as `name: value`, got {_shortened(match['value'])}"
    if text.startswith("Unexpected config:"):
        value = text.removeprefix("Unexpected config:").strip()
        shown = _shortened(value) if value else "an empty file or ''"
        return f"wanted options as `name: value`, got {shown}"
    return text


def _shortened(value: str) -> str:
    first, *others = str(value).splitlines() or [""]
    first = {"None": "null", "": "''"}.get(first, first)
    return first[:LONGEST_VALUE] + (" …" if others or len(first) > LONGEST_VALUE else "")


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    known = [option for option in known if not name.startswith(f"{option}.")]
    found = get_close_matches(name, known, n=1, cutoff=0.7)
    if not found:  # in a group of options, or in a class
        groups = [option.partition(".")[0] for option in known]
        group = name.partition(".")[0]
        found = [g for g in get_close_matches(group, groups, n=1, cutoff=0.7) if g != group]
    return f"; did you mean {found[0]}?" if found else ""
