"""Say in one line what is wrong with a command line or configuration file, and name the option.

argparse and jsonargparse know the cause, but print it behind the usage of a hundred options or in
the middle of a tree of all types that were tried. ``option_parser`` asks here for the cause.
"""

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from inspect import isabstract
from itertools import takewhile

LONGEST_VALUE = 80  # characters of a value that are shown
_FEW = 5  # classes that are listed
_FEW_OPTIONS = 16  # options that are listed
_OWN = ("lightning_sciml.", "data_gen.")
_HEAD = re.compile(r'\s*(?:Parser key "|--)([^":\s]+)(?:"|\.help):(.*)', re.DOTALL)
_GIVEN = re.compile(r"\n *Given value type:[^\n]*\n *Given value:(?P<value>.*)", re.DOTALL)
_BULLET = re.compile(r"^ *- ", re.MULTILINE)
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
    "Callable": "a value",
}
# Said of every type that was tried, beside the cause.
_VAGUE = (
    "Does not validate against any",
    "Expected a path but",
    "a class path (str)",
    "a dict with",
)
_NO_CLASS = "Expected a dot import path string:"
_NO_SUBCLASS = "Not a valid subclass of "
# Said where a class is wanted; the last two by Python, of a class_path that is no text.
_CLASSLESS = re.compile(
    rf"{_NO_CLASS}|{_NO_SUBCLASS}|Expected an instantiatable class,"
    r"|argument of type '\w+' is not iterable|unhashable type: '\w+'"
)
_NOT_PAIRS = re.compile(r"Problem with given class_path '.*': '\w+' object has no attribute 'keys'")
_UNLOADABLE = re.compile(r"Unable to load config '(?P<value>.*?)'(?: - .*)?")
_NUMBER = re.compile(r"[-+]?\d*\.?\d+(?:e[-+]?\d+)?", re.IGNORECASE)
_PAIR = re.compile(r"tuple with (\d+) elements")
_WRONG_CLASS = "Import path does not correspond to a subclass of"
_UNKNOWN = re.compile(
    r"(?:Subcommand '[^']+' does not accept option|Group '(?P<group>[^']+)' does not accept option|"
    r"Option) '(?P<name>[^']+)'(?: is not accepted.*)?"
)
_AMBIGUOUS = re.compile(r"ambiguous option: (?P<name>[^=\s]+).* could match (?P<known>.*)")
_CHOICE = re.compile(
    r"argument (?P<name>\S+): invalid choice: '?(?P<value>.*?)'? \(choose from (?P<choices>.*)\)",
    re.DOTALL,
)
_CALLABLE = re.compile(r"Type typing\.Callable\S.*? expects a function or a callable class: ")
_NO_ATTRIBUTE = re.compile(r"module '(?P<module>[^']+)' has no attribute '(?P<name>[^']+)'")
_NO_MODULE = re.compile(r"No module named '(?P<name>[^'.]+)")


def cause(
    message: str, options: Sequence[str] = (), bases: Mapping[str, type] | None = None
) -> str:
    """The cause that a message of argparse or jsonargparse holds, in one line.

    Args:
        message: all that the parser says, in many lines.
        options: names that the parser knows, among which a mistyped one is looked for.
        bases: of options that take a class, the class whose subclasses they take.
    """
    if head := _HEAD.fullmatch(message):
        name, body, base = head[1], head[2].strip(), (bases or {}).get(head[1])
        is_classless = base and _CLASSLESS.match(body)
        inner = _no_class(body, base or object) if is_classless else cause(body, options)
        inner = inner.replace("did you mean --", "did you mean ")  # of a class: behind its option
        return f"{name}.{inner}" if re.match(r"[\w.]+: ", inner) else f"{name}: {inner}"
    given = _GIVEN.search(message)
    told = message[: given.start()] if given else message
    items = [item.strip() for item in _BULLET.split(told) if item.strip()]
    types = [m for item in items if (m := _PLAIN_TYPE.fullmatch(item))]
    causes = [item for item in items if not _PLAIN_TYPE.fullmatch(item)]
    value = given["value"] if given else types[0]["value"] if types else None
    value = "something else" if value is None else value.strip()
    clear = [item for item in causes if not item.startswith((_NO_CLASS, _NO_SUBCLASS, *_VAGUE))]
    if clear:
        return _of_leaf(clear[0], options).replace(_WRONG_CLASS, f"{value} is not a subclass of")
    is_number = any(m["type"] in ("<class 'int'>", "<class 'float'>") for m in types)
    for item in causes:
        if item.startswith(_NO_CLASS) and not is_number:
            return _no_class(item)
        if item.startswith(_NO_SUBCLASS):
            of_class = item.removeprefix(_NO_SUBCLASS).split()[0].rstrip(".")
            return f"wanted a class_path and init_args of a {of_class}"
    if types:
        return wanted([m["type"] for m in types], value)
    return message.strip()


def wanted(types: Iterable[str], value: str) -> str:
    """Say which types of value an option takes, and what came.

    Args:
        types: as Python prints them, such as <class 'int'>.
        value: what was given.
    """
    words = list(dict.fromkeys(word for text in types for word in _type_words(text)))
    words.sort(key=lambda word: word == "null")
    value = _shortened(value)
    such = (
        f" such as [{value}, {value}]" if words == ["a list"] and _NUMBER.fullmatch(value) else ""
    )
    return f"wanted {' or '.join(words)}{such}, got {value}{_did_you_mean(value, words)}"


def _type_words(text: str) -> list[str]:
    if text.startswith("typing.Literal["):
        return [word.strip(" '\"") for word in text[len("typing.Literal[") : -1].split(",")]
    if pair := _PAIR.fullmatch(text):
        return [f"a list of {pair[1]} values"]
    name = re.sub(r"<class '([\w.]+)'>", r"\1", text).partition("[")[0].rpartition(".")[2]
    return [_TYPE_WORDS.get(name, name)]


def _no_class(text: str, base: type = object) -> str:
    """Say which classes there are, and that none has the name in the text, if it has one."""
    name = text.removeprefix(_NO_CLASS).strip() if text.startswith(_NO_CLASS) else ""
    homes = (*_OWN, "lightning.pytorch.", "torch.optim.")
    modules = [module for home, module in sys.modules.items() if home.startswith(homes)]
    loaded = {c for module in modules for c in vars(module).values() if isinstance(c, type)}
    classes = {c for c in loaded if issubclass(c, base)}
    own = [c.__name__ for c in classes if c.__module__.startswith(_OWN) and not isabstract(c)]
    few = f"one of {', '.join(sorted(own))}" if 0 < len(own) <= _FEW else ""
    found = f"no class is called {_shortened(name)}, " if name else ""
    meant = _did_you_mean(name, sorted(c.__name__ for c in classes))
    return f"{found}wanted {few or 'a class_path such as package.module.Class'}{meant}"


def _of_leaf(message: str, options: Sequence[str]) -> str:
    """Translate what is wrong with the options of argparse."""
    if match := _UNKNOWN.fullmatch(message):
        name = ".".join(filter(None, (match["group"], match["name"])))
        meant = _did_you_mean(name, options) or ("" if "." in name else _known(options))
        return f"there is no option {name}{meant}"
    if match := _AMBIGUOUS.fullmatch(message):
        known = [word for word in match["known"].split(", ") if not word.endswith("+")]
        return f"there is no option {match['name']}; did you mean {' or '.join(known)}?"
    if match := _CHOICE.fullmatch(message):
        choices = [word.strip(" '") for word in match["choices"].split(",")]
        meant = _did_you_mean(match["value"], choices, cutoff=0.6)
        return f"wanted {match['name']} {', '.join(choices)}, got {match['value']}{meant}"
    if message.startswith("unrecognized arguments: -"):
        name = message.split()[2].partition("=")[0].lstrip("-")
        meant = (
            _did_you_mean(name, options, dashes="--") or _of_group(name, options) or _known(options)
        )
        return f"{message}{meant}"
    if message.startswith("unrecognized arguments: "):
        return f"{message}; several values are written [a, b]"
    subject, _, names = message.partition("the following arguments are required: ")
    if not subject:
        # jsonargparse puts the subcommand before a name
        tails = [
            n.partition(".")[2] if n.partition(".")[2] in options else n for n in names.split(", ")
        ]
        return f"{', '.join(tails)} {'is' if len(tails) == 1 else 'are'} missing"
    return _of_import(message)


def _of_import(message: str) -> str:
    """Add to an import that fails what could have been meant; other causes stay as they are."""
    text = " ".join(message.replace('in "<unicode string>", ', "at ").split())
    text = _CALLABLE.sub("", text.removeprefix("Problems parsing config: "))
    if "; did you mean " in text or "; install " in text:  # by the parser of a class
        return text
    if match := _NO_ATTRIBUTE.search(text):
        return text + _did_you_mean(match["name"], dir(sys.modules.get(match["module"])))
    if match := _NO_MODULE.search(text):
        return (
            f"{text}; install {match['name']}, or run sciml in the folder that holds "
            f"{match['name']}.py, or put that folder into PYTHONPATH"
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


def _known(options: Sequence[str]) -> str:
    """Name the options where they are few, as those of a class are."""
    names = (n for n in options if n.rpartition(".")[2] not in ("h", "help"))
    own = list(takewhile(lambda name: "." not in name, names))  # hints with a group follow
    return f"; known are {', '.join(own)}" if 0 < len(own) <= _FEW_OPTIONS else ""


def _of_group(name: str, options: Sequence[str]) -> str:
    """Name the options of the group of a mistyped one, where they are few."""
    group = name.rpartition(".")[0]
    own = [n for n in options if group and n.rpartition(".")[0] == group and n[-5:] != ".help"]
    few = 0 < len(own) <= _FEW_OPTIONS
    return f"; {group} has the options {', '.join(own)}" if few else ""


def _did_you_mean(name: str, known: Iterable[str], *, cutoff: float = 0.7, dashes: str = "") -> str:
    """Name the option closest to a mistyped one: by its name, its last part, or its group."""
    group, last = name.partition(".")[0], name.rpartition(".")[2]
    known = [option for option in known if not name.startswith(f"{option}.")]
    found = get_close_matches(name, known, n=1, cutoff=cutoff)
    found += [option for option in known if option.endswith(f".{last}")]
    groups = dict.fromkeys(option.partition(".")[0] for option in known)
    found += [g for g in get_close_matches(group, groups, n=1, cutoff=0.7) if g != group]
    return f"; did you mean {dashes}{found[0]}?" if found else ""
