"""Reads a configuration file: strict YAML, every error with its file and line and a way to mend it."""

import re
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from edge.config import Config
from edge.errors import BundleError, ConfigError
from edge.printable import printable
from edge.reading import read_whole

__all__ = [
    "check_labels",
    "check_model_path",
    "config_file",
    "load_config",
    "parse_config",
    "parse_model",
    "raw_fields",
    "read_config",
]

_Model = TypeVar("_Model", bound=BaseModel)

RULES = frozenset({"value_error", "unknown_kind", "union_tag_invalid", "union_tag_not_found"})
"""Errors of a rule over a section, not of one value."""
SYSTEM_CONFIG = Path("/etc/edge-sorter/config.yaml")
MAX_BRACKETS = 500
MAX_CONFIG_BYTES = 64 << 10
"""Ten times the largest that is shipped. The YAML reader takes seconds for a quarter of a megabyte of brackets."""
SECRET = re.compile(r"(?:^|_)(?:file|key|password|passwd|passphrase|secret|token|credentials?)$", re.IGNORECASE)
"""Keys whose values no error repeats: status and journal are for everybody to read."""
MAX_SENTENCE = 1500
MAX_EXCERPT = 200
"""Characters of the file that an error repeats at most."""


def check_labels(config: Config, labels: tuple[str, ...], file: Path | None = None) -> None:
    """Check that the routes and the model speak of the same labels.

    Args:
        file: where the configuration was read; None for the default.
    Raises: ConfigError that names the label, and file and line where the file has the routes.
    """
    for label in config.routes:
        if label not in labels:
            known = ", ".join(labels)
            raise ConfigError(
                f"{_place(file, 'routes', label)}routes.{label} names no label of the model{_guess(label, labels)}; "
                f"its labels are {known}"
            )
    for label in labels:
        if label not in config.routes:
            raise ConfigError(
                f"{_place(file, 'routes')}routes has no bin for the model's label {label!r}; "
                f"add `{label}: <bin>` to routes"
            )


def check_model_path(config: Config, file: Path | None) -> None:
    """Check that a bundle's folder that the file names is there; one of the command line is told by who loads it.

    Raises: BundleError with file and line.
    """
    path = config.model.path
    place = _place(file, "model", "path", value=path)
    if path is None or not place:
        return
    try:
        is_folder = Path(path).is_dir()
    except OSError:
        # What may not be looked at, or has an impossible name, is told by whoever loads it.
        return
    if not is_folder:
        raise BundleError(f"{place}model.path is {path!r}, which is no folder; mend the path or leave it out")


def config_file(path: Path | None = None) -> Path | None:
    """The file that `load_config` reads: the one that was named, else the system's; None if there is neither."""
    if path is not None:
        return path
    return SYSTEM_CONFIG if SYSTEM_CONFIG.exists() else None


def load_config(path: Path | None = None) -> Config:
    """Read a configuration file; without one, `/etc/edge-sorter/config.yaml` where it exists, else the default.

    Raises: ConfigError with file, line, what was expected, what was found.
    """
    file = config_file(path)
    if file is None:
        return Config()
    return parse_config(read_config(file), str(file))


def read_config(file: Path) -> str:
    """The text of a configuration file. Raises: ConfigError."""
    try:
        return read_whole(file, MAX_CONFIG_BYTES).decode("utf-8")
    except OSError as exc:
        raise ConfigError(f"cannot read {file} ({exc.strerror}); name a YAML file that this user may read") from exc
    except UnicodeDecodeError as exc:
        raise ConfigError(f"{file} is no UTF-8 text; name a YAML file") from exc


def parse_config(text: str, name: str) -> Config:
    """The configuration in a YAML text; `name` stands in errors. Raises: ConfigError."""
    return parse_model(text, name, Config, "config schema")


def parse_model(text: str, name: str, model: type[_Model], see: str) -> _Model:
    """A YAML text as a pydantic model, read strictly: no alias, no key twice, none that the model does not know.

    Args:
        name: of the file, for errors.
        see: where a reader finds what may stand in the file.
    Raises: ConfigError with file, line, what was expected, what was found.
    """
    root, fields = _compose(text, name)
    fields = {} if fields is None else fields
    if not isinstance(fields, dict):
        first = next(iter(model.model_fields))
        raise ConfigError(f"{name}:1: expected sections such as `{first}:`, found {type(fields).__name__}; see {see}")
    try:
        return model.model_validate(fields)
    except ValidationError as exc:
        # A key may be any text, with ends of lines as well.
        told = printable("; ".join(_explain(error, root, name, model) for error in exc.errors()[:5]))
        raise ConfigError(told if len(told) <= MAX_SENTENCE else f"{told[:MAX_SENTENCE]}…") from exc


def raw_fields(text: str, name: str) -> Any:
    """What stands in a YAML text, whatever it is, as far as it is YAML without aliases. Raises: ConfigError."""
    return _compose(text, name)[1]


def _compose(text: str, name: str) -> tuple[yaml.Node | None, Any]:
    opened = sum(text.count(bracket) for bracket in "[{")
    if opened > MAX_BRACKETS:
        # The time that PyYAML takes grows with the square of how deep they stand in one another.
        raise ConfigError(
            f"{name} has {opened} opening brackets, expected at most {MAX_BRACKETS}; write blocks instead"
        )
    try:
        _refuse_aliases(text, name)
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        _refuse_duplicates(root, name)
        return root, yaml.safe_load(text)
    except yaml.MarkedYAMLError as exc:
        line = exc.problem_mark.line + 1 if exc.problem_mark else 1
        raise ConfigError(f"{name}:{line}: no valid YAML ({_cut(str(exc.problem))}); mend the line") from exc
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, ArithmeticError, RecursionError) as exc:
        # PyYAML's constructors raise anything for a tag that its value does not fit, such as `!!int ''`.
        raise ConfigError(f"{name}: no valid YAML ({_cut(str(exc).splitlines()[0])}); mend the file") from exc


def _explain(error: Any, root: yaml.Node | None, name: str, model: type[BaseModel]) -> str:
    loc = _without_tags(tuple(str(part) for part in error["loc"]), model)
    # A rule about the whole file begins its message with the key that it speaks of.
    subject = tuple(error["msg"].removeprefix("Value error, ").split(" ")[0].rstrip(":").split("."))
    is_rule = error["type"] in RULES
    where = f"{name}:{_line(root, (*loc, *subject)) if is_rule else _line(root, loc)}"
    dotted = _cut(".".join(loc))
    if error["type"] == "extra_forbidden":
        guess = _guess(loc[-1], _known_keys(model, loc[:-1]))
        return f"{where}: unknown key {dotted!r}{guess}; remove it or mend its name"
    message = _cut(error["msg"].removeprefix("Value error, "), 3 * MAX_EXCERPT)
    if message[1:2].islower():
        message = message[0].lower() + message[1:]
    if error["type"] == "missing":
        return f"{where}: {dotted} is missing; add it"
    if is_rule:
        return f"{where}: {dotted + ': ' if dotted else ''}{message}"
    shown = "not shown here" if any(map(SECRET.search, loc)) else _short(_without_secrets(error["input"]))
    return f"{where}: {dotted} is {shown}: {message}"


def _known_keys(model: type[BaseModel], loc: tuple[str, ...]) -> tuple[str, ...]:
    annotation: Any = model
    for part in loc:
        annotation = _inner(annotation, part)
    members = _sections(annotation)
    return tuple(dict.fromkeys(key for member in members.values() for key in member.model_fields))


def _without_tags(loc: tuple[str, ...], model: type[BaseModel]) -> tuple[str, ...]:
    """An error's place as the file spells it: pydantic names the kind of a section as if it were a key."""
    annotation: Any = model
    spelled: list[str] = []
    for part in loc:
        members = _sections(annotation)
        if len(members) > 1 and part in members:
            annotation = members[part]
            continue
        spelled.append(part)
        annotation = _inner(annotation, part)
    return tuple(spelled)


def _sections(annotation: Any) -> dict[str, type[BaseModel]]:
    """The sections that may stand here, by their kind."""
    if isinstance(annotation, type):
        if not issubclass(annotation, BaseModel):
            return {}
        kind = annotation.model_fields.get("kind")
        (name, *_) = get_args(kind.annotation) if kind is not None else ("",)
        return {str(name): annotation}
    if get_origin(annotation) not in (Annotated, Union, UnionType):
        return {}
    return {name: section for part in get_args(annotation) for name, section in _sections(part).items()}


def _inner(annotation: Any, part: str) -> Any:
    """What stands below a key, or at a place of a list or a map."""
    for section in _sections(annotation).values():
        if part in section.model_fields:
            return section.model_fields[part].rebuild_annotation()
    if get_origin(annotation) is Annotated:
        return _inner(get_args(annotation)[0], part)
    inner = [argument for argument in get_args(annotation) if argument is not Ellipsis]
    return inner[-1] if inner and not _sections(annotation) else None


def _guess(word: str, known: tuple[str, ...]) -> str:
    import difflib  # only where something is wrong

    close = difflib.get_close_matches(word, known, n=1)
    return f", did you mean {close[0]!r}?" if close else ""


def _line(node: yaml.Node | None, loc: tuple[str, ...]) -> int:
    """Line of the key that an error speaks of, or of its nearest parent that the file has."""
    line = node.start_mark.line + 1 if node is not None else 1
    for part in loc:
        if isinstance(node, yaml.SequenceNode) and part.isdigit() and int(part) < len(node.value):
            node = node.value[int(part)]
            line = node.start_mark.line + 1
            continue
        if not isinstance(node, yaml.MappingNode):
            break
        pair = next((pair for pair in node.value if pair[0].value == part), None) or _below(node, part)
        if pair is None:
            break
        line, node = pair[0].start_mark.line + 1, pair[1]
    return line


def _place(file: Path | None, *keys: str, value: str | None = None) -> str:
    """`FILE:LINE: ` of a key, to stand before an error; empty if no file has the key, or has another value there."""
    if file is None:
        return ""
    try:
        root = node = yaml.compose(read_whole(file, MAX_CONFIG_BYTES), Loader=yaml.SafeLoader)
    except (OSError, ValueError, yaml.YAMLError):
        # It was read a moment ago: the error that brought us here counts more.
        return ""
    for key in keys:
        pairs = node.value if isinstance(node, yaml.MappingNode) else ()
        node = next((inner for name, inner in pairs if name.value == key), None)
    if node is None or (value is not None and node.value != value):
        return ""
    return f"{file}:{_line(root, keys)}: "


def _below(node: yaml.MappingNode, key: str) -> tuple[yaml.Node, yaml.Node] | None:
    """A key one level further down: a rule over a section may speak of what stands in one of its maps."""
    inner = (pair for _, value in node.value if isinstance(value, yaml.MappingNode) for pair in value.value)
    return next((pair for pair in inner if pair[0].value == key), None)


def _refuse_aliases(text: str, name: str) -> None:
    """A few nested aliases stand for more text than any machine can hold."""
    for token in yaml.scan(text):
        if isinstance(token, yaml.AliasToken):
            line = token.start_mark.line + 1
            # Its name may be the beginning of a password that nobody put in quotes.
            raise ConfigError(
                f"{name}:{line}: an alias (*name) is not allowed here; write the value, in quotes if need be"
            )


def _refuse_duplicates(node: yaml.Node | None, name: str) -> None:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise ConfigError(f"{name}:{key.start_mark.line + 1}: {key.value!r} stands here twice; remove one")
                seen.add(key.value)
            _refuse_duplicates(value, name)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            _refuse_duplicates(value, name)


def _without_secrets(value: object) -> object:
    if isinstance(value, dict):
        return {key: "..." if SECRET.search(str(key)) else _without_secrets(inner) for key, inner in value.items()}
    return [_without_secrets(inner) for inner in value] if isinstance(value, list) else value


def _short(value: object) -> str:
    try:
        return _cut(repr(value), 60)
    except ValueError:
        # Python writes out no number of more than 4300 digits.
        return "a number too long to show"


def _cut(text: str, most: int = MAX_EXCERPT) -> str:
    return text if len(text) <= most else f"{text[: most - 3]}..."
