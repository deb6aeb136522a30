"""One decoder for everything that clients send: JSON bodies, form bodies and query strings.

Forms and queries write nested values with brackets (`items[0][price]=price_…`), their texts are coerced to the types
that a request declares, and an empty text clears the field. JSON is taken strictly. Whatever is wrong is said once,
with the path of the field in bracket form; nothing is guessed and nothing unknown is ignored.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl

import msgspec
from msgspec import Struct
from msgspec import inspect as shapes

from gateway.domain.errors import InvalidRequest

BODY_BYTES_MAX: Final = 1 << 20  # far above any honest request, far below what would hurt
KEYS_MAX: Final = 1_000
DEPTH_MAX: Final = 6
KEY_LENGTH_MAX: Final = 200  # longer than any path that exists; keys are repeated in errors

Tree = dict[str, Any]

_FORM: Final = "application/x-www-form-urlencoded"
_FORM_RULE: Final = "The form is malformed: write key=value pairs, percent-encoded UTF-8, joined by '&'."
_JSON: Final = "application/json"
_KEY: Final = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_SEGMENT: Final = re.compile(r"\[([^\[\]]*)\]")
_BAD_ESCAPE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_TOKEN: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[{\]}]', re.DOTALL)
_INTEGER: Final = re.compile(r"-?[0-9]{1,18}")
_LIST_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,3}")


class Params(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of everything that a request may carry."""

    expand: tuple[str, ...] = ()


P = TypeVar("P", bound=Params)


def _malformed(what: str, param: str | None = None) -> InvalidRequest:
    return InvalidRequest(what, code="parameter_malformed", param=param)


def unexpected_query(key: str) -> InvalidRequest:
    """A writing request has its parameters in the body, and nowhere else."""
    return InvalidRequest(
        f"Received the query parameter '{key}'. Send parameters in the body.", code="parameter_unknown", param=key
    )


def bracketed(path: tuple[str | int, ...]) -> str:
    """`("items", 0, "price")` as `items[0][price]`."""
    return "".join(str(part) if not index else f"[{part}]" for index, part in enumerate(path))


def read_body(content_type: str, raw: bytes) -> tuple[Tree, bool]:
    """Return the tree of a body, and whether its texts are to be coerced. An empty body is an empty tree.

    Raises:
        InvalidRequest: neither JSON nor a form, or malformed.
    """
    media_type, _, rest = content_type.partition(";")
    media_type = media_type.strip().lower()
    charset = rest.lower().replace(" ", "")
    if charset.startswith("charset=") and charset not in {"charset=utf-8", 'charset="utf-8"'}:
        raise _malformed("The body must be UTF-8.")
    if media_type == _JSON:
        return read_json(raw), False
    if media_type == _FORM:
        return read_form(raw), True
    if not raw:
        return {}, True
    raise InvalidRequest(
        f"Unsupported Content-Type: {media_type or 'none'}. Send {_JSON} or {_FORM}.", code="content_type_unsupported"
    )


def _check_nesting(raw: bytes) -> None:
    """Refuse depth before parsing: the parser recurses in C, and a raised recursion limit lets it overflow the stack.

    One pass; strings are skipped whole, unfinished ones to the end.
    """
    depth = containers = 0
    for token in _TOKEN.finditer(raw):
        if token[0] in (b"[", b"{"):
            depth += 1
            containers += 1
        elif token[0] in (b"]", b"}"):
            depth -= 1
        # The outermost container is not an entry of another one, and entries of the deepest one may be containers.
        if depth > DEPTH_MAX + 1 or containers > KEYS_MAX + 1:
            raise _malformed(f"The body is nested deeper than {DEPTH_MAX} levels, or has more than {KEYS_MAX} keys.")


def _unique(pairs: list[tuple[str, Any]]) -> Tree:
    tree: Tree = {}
    for key, value in pairs:
        if key in tree:
            raise _malformed(f"The JSON key '{key}' is given twice.", key)
        tree[key] = value
    return tree


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def read_json(raw: bytes) -> Tree:
    """Read a JSON object.

    Raises:
        InvalidRequest: not JSON, not an object, too deep, too many keys, a key twice, or text that is not Unicode.
    """
    if not raw.strip():
        return {}
    _check_nesting(raw)
    try:
        tree = json.loads(raw.decode(), object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except ValueError:
        raise _malformed("The body is not valid JSON.") from None
    if not isinstance(tree, dict):
        raise _malformed("The body must be a JSON object.")
    for keys, (path, value) in enumerate(_leaves((), tree), start=1):
        if keys > KEYS_MAX:
            raise _malformed(f"The body has more than {KEYS_MAX} keys.")
        if len(path) > DEPTH_MAX:
            raise _malformed(f"The body is nested deeper than {DEPTH_MAX} levels.", bracketed(path[:DEPTH_MAX]))
        if isinstance(path[-1], str) and len(path[-1]) > KEY_LENGTH_MAX:
            raise _malformed(f"A key is longer than {KEY_LENGTH_MAX} characters.")
        _check_text(path[-1], path)
        _check_text(value, path)
    return tree


def _leaves(path: tuple[str | int, ...], node: Any) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Every entry of every container, parents first."""
    if len(path) > DEPTH_MAX:
        return
    entries = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in entries:
        here = (*path, key)
        yield here, value
        yield from _leaves(here, value)


def _check_text(value: object, path: tuple[str | int, ...]) -> None:
    """Refuse what the databases cannot store: NUL, and halves of surrogate pairs."""
    if isinstance(value, str) and ("\0" in value or (not value.isascii() and _has_surrogate(value))):
        shown = bracketed(path).encode("ascii", "replace").decode().replace("\0", "?")
        raise _malformed(f"{shown} holds a character that is not allowed.", shown)


def _has_surrogate(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def read_form(raw: bytes) -> Tree:
    """Read `a[b][0]=c&…`. Empty texts become None; lists stay maps of their indices until `decode` knows the type.

    Raises:
        InvalidRequest: malformed, too deep, too many keys, a key twice, or the text `null`.
    """
    if not raw:
        return {}
    if raw.count(b"&") >= KEYS_MAX:
        raise _malformed(f"The form has more than {KEYS_MAX} keys.")
    if not raw.isascii() or _BAD_ESCAPE.search(raw):
        raise _malformed(_FORM_RULE)
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, strict_parsing=True, errors="strict")
    except ValueError:
        raise _malformed(_FORM_RULE) from None
    tree: Tree = {}
    for key, value in pairs:
        _put(tree, key, value)
    return tree


def _put(tree: Tree, key: str, value: str) -> None:
    if len(key) > KEY_LENGTH_MAX:
        raise _malformed(f"A key is longer than {KEY_LENGTH_MAX} characters.")
    match = _KEY.fullmatch(key)
    if match is None:
        raise _malformed(f"Malformed key: {key}. Nest with brackets, as in items[0][price].", key)
    segments = [match[1], *_SEGMENT.findall(match[2])]
    if len(segments) > DEPTH_MAX:
        raise _malformed(f"{key} is nested deeper than {DEPTH_MAX} levels.", key)
    if value == "null":
        raise InvalidRequest(
            f"{key} is the text 'null'. Leave the field out, or send an empty value to clear it.",
            code="parameter_invalid_null",
            param=key,
        )
    _check_text(key, (key,))
    _check_text(value, (key,))
    appends = segments[-1] == ""
    node = tree
    for segment in segments[:-1]:
        node = node.setdefault(segment, {})
        if not isinstance(node, dict) or segment == "":
            raise _malformed(f"{key} contradicts another key of the form.", key)
    last = str(len(node)) if appends else segments[-1]
    if last in node:
        raise _malformed(f"{key} is given twice.", key)
    node[last] = value or None


def decode(kind: type[P], tree: Tree, *, coerce: bool) -> P:
    """Return the request that a tree stands for.

    Raises:
        InvalidRequest: a field is unknown, missing or of a wrong type; `param` is its exact path.
    """
    shaped = _shape(tree, shapes.type_info(kind), ()) if coerce else tree
    try:
        return msgspec.convert(shaped, kind)
    except msgspec.ValidationError as error:
        raise _translated(str(error), shaped) from None


def _alternatives(kind: shapes.Type) -> tuple[shapes.Type, ...]:
    return kind.types if isinstance(kind, shapes.UnionType) else (kind,)


def _shape(node: Any, kind: shapes.Type, path: tuple[str | int, ...]) -> Any:
    """Give the texts and index maps of a form the types that `kind` asks for, where they can have them."""
    for option in _alternatives(kind):
        match option:
            case shapes.StructType() if isinstance(node, dict):
                fields = {field.encode_name: field.type for field in option.fields}
                return {
                    key: _shape(value, fields[key], (*path, key)) if key in fields else value
                    for key, value in node.items()
                }
            case shapes.DictType() if isinstance(node, dict):
                return {key: _shape(value, option.value_type, (*path, key)) for key, value in node.items()}
            case shapes.ListType() | shapes.VarTupleType() if isinstance(node, dict):
                return _shape_list(node, option.item_type, path)
            case shapes.BoolType() if node in ("true", "false"):
                return node == "true"
            case shapes.IntType() if isinstance(node, str) and _INTEGER.fullmatch(node):
                return int(node)
            case _:
                pass
    return node


def _shape_list(node: Tree, item: shapes.Type, path: tuple[str | int, ...]) -> list[Any]:
    indices = sorted(int(key) for key in node if _LIST_INDEX.fullmatch(key))
    if indices != list(range(len(node))):
        shown = bracketed(path)
        raise _malformed(f"Invalid array: write {shown}[0], {shown}[1], … without gaps.", shown)
    return [_shape(node[str(index)], item, (*path, index)) for index in indices]


_ERROR: Final = re.compile(r"(?P<what>.*?)(?: - at `(?P<where>.*)`)?", re.DOTALL)
_PATH_PART: Final = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")
_NAMED_FIELD: Final = re.compile(r"Object (missing required|contains unknown) field `(.*)`", re.DOTALL)
_TYPE_NAMES: Final[Mapping[str, str]] = {
    "int": "integer", "str": "string", "bool": "boolean", "object": "object", "array": "array", "null": "null",
    "float": "decimal number",
}  # fmt: skip


def _translated(message: str, tree: Tree) -> InvalidRequest:
    """Say what msgspec found in the words of the wire."""
    found = _ERROR.fullmatch(message)
    what = found["what"] if found is not None else message
    path = _real_path(found["where"] or "" if found is not None else "", tree)
    named = _NAMED_FIELD.fullmatch(what)
    if named is not None:
        param = bracketed((*path, named[2]))
        if named[1] == "missing required":
            return InvalidRequest(f"Missing required param: {param}.", code="parameter_missing", param=param)
        return InvalidRequest(f"Received unknown parameter: {param}", code="parameter_unknown", param=param)
    param = bracketed(path)
    words = re.sub(r"`([^`]*)`", lambda name: _in_words(name[1]), what)
    return InvalidRequest(
        f"Invalid value for {param or 'the request'}: {words}.", code="parameter_invalid", param=param
    )


def _in_words(types: str) -> str:
    return " or ".join(_TYPE_NAMES.get(name, name) for name in types.split(" | "))


def _real_path(where: str, tree: Tree) -> tuple[str | int, ...]:
    """The path of an error; msgspec hides the keys of maps, so the offending one is looked for."""
    path: list[str | int] = []
    node: Any = tree
    for name, index in _PATH_PART.findall(where):
        if index == "...":
            wrong = [key for key, value in node.items() if not isinstance(value, str | None)]
            key: str | int = wrong[0] if wrong else "…"
        else:
            key = name or int(index)
        path.append(key)
        node = node.get(key) if isinstance(node, dict) else node[int(key)] if isinstance(node, list) else None
    return tuple(path)
