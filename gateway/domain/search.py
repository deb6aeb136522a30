"""The query language of searches: Stripe's, in the subset that its documentation shows.

    status:"active" AND metadata["plan"]:"gold"        -email:null OR name~"ada"        created>=1769860800 amount<5000

Clauses are joined by AND (or only a space) or by OR, never by both. A text compares without regard to the case of its
ASCII letters, the same on every database. What is wrong is said once, with the place in the query.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from gateway.domain.errors import InvalidRequest

CLAUSES_MAX: Final = 10
SUBSTRING_LENGTH_MIN: Final = 3
QUERY_LENGTH_MAX: Final = 2_000
_INTEGER_LIMIT: Final = 2**63
METADATA: Final = "metadata"


class FieldKind(StrEnum):
    """What a field holds, and so how it can be compared."""

    TOKEN = "token"  # noqa: S105 - a word that is compared whole
    TEXT = "text"
    NUMBER = "number"
    MOMENT = "moment"
    FLAG = "flag"


class Operator(StrEnum):
    """How a clause compares."""

    IS = ":"
    CONTAINS = "~"
    ABOVE = ">"
    BELOW = "<"
    AT_LEAST = ">="
    AT_MOST = "<="


_ORDERING: Final = frozenset({Operator.ABOVE, Operator.BELOW, Operator.AT_LEAST, Operator.AT_MOST})
OPERATORS: Final[Mapping[FieldKind, frozenset[Operator]]] = {
    FieldKind.TOKEN: frozenset({Operator.IS}),
    FieldKind.TEXT: frozenset({Operator.IS, Operator.CONTAINS}),
    FieldKind.NUMBER: _ORDERING | {Operator.IS},
    FieldKind.MOMENT: _ORDERING | {Operator.IS},
    FieldKind.FLAG: frozenset({Operator.IS}),
}

Value = str | int | bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """One comparison.

    Attributes:
        key: which entry, for metadata.
        value: folded text, an integer, a truth value; None asks whether there is none.
    """

    field: str
    operator: Operator
    value: Value
    key: str | None = None
    negated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Clauses of which all have to hold, or one."""

    clauses: tuple[Clause, ...]
    any_of: bool = False


def folded(text: str) -> str:
    """A text as it is compared: ASCII letters in lower case, everything else as it is."""
    return "".join(chr(ord(c) + 32) if "A" <= c <= "Z" else c for c in text)


def parse(text: str, fields: Mapping[str, FieldKind]) -> Query:
    """Read a query about objects with these fields; those that have metadata name it as a field.

    Raises:
        InvalidRequest: what is wrong, and where: positions count from 1.
    """
    return _Reader(text, fields).query()


_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*")
_JOINT: Final = re.compile(r"(?i:AND|OR)(?=\s|\Z)")
_OPERATOR: Final = re.compile(r">=|<=|[:~<>]")
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)"|' r"'((?:[^'\\]|\\.)*)'", re.DOTALL)
_BARE: Final = re.compile(r"[^\s\"'()\[\]:~<>]+")
_NUMBER: Final = re.compile(r"-?[0-9]{1,19}")
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)


class _Reader:
    """Goes through a query once, from left to right."""

    __slots__ = ("_at", "_fields", "_text")

    def __init__(self, text: str, fields: Mapping[str, FieldKind]) -> None:
        self._text = text
        self._fields = fields
        self._at = 0

    def query(self) -> Query:
        """All clauses, and how they are joined."""
        clauses = [self._clause()]
        joints: set[str] = set()
        while self._rest():
            start = self._at
            joint = self._take(_JOINT)
            joints.add("AND" if joint is None else joint.upper())
            if len(joints) > 1:
                raise self._error("AND and OR cannot be mixed in one query", start)
            if len(clauses) == CLAUSES_MAX:
                raise self._error(f"a query has at most {CLAUSES_MAX} clauses", start)
            clauses.append(self._clause())
        return Query(clauses=tuple(clauses), any_of=joints == {"OR"})

    def _rest(self) -> bool:
        while self._at < len(self._text) and self._text[self._at].isspace():
            self._at += 1
        return self._at < len(self._text)

    def _take(self, pattern: re.Pattern[str]) -> str | None:
        match = pattern.match(self._text, self._at)
        if match is None:
            return None
        self._at = match.end()
        return match[0]

    def _error(self, what: str, at: int | None = None) -> InvalidRequest:
        place = (self._at if at is None else at) + 1
        return InvalidRequest(
            f"The search query cannot be read at position {place}: {what}.", code="search_query_invalid", param="query"
        )

    def _clause(self) -> Clause:
        if not self._rest():
            raise self._error('a clause is expected, such as name:"Ada"')
        negated = self._text[self._at] == "-"
        self._at += negated
        name, key, kind = self._field()
        self._rest()
        start = self._at
        found = self._take(_OPERATOR)
        if found is None:
            raise self._error(f"{name} is to be followed by one of {self._named(kind)}")
        operator = Operator(found)
        if operator not in OPERATORS[kind]:
            raise self._error(f"{name} cannot be compared with {found}, only with {self._named(kind)}", start)
        value = self._value(name, kind, operator)
        return Clause(field=name, key=key, operator=operator, value=value, negated=negated)

    @staticmethod
    def _named(kind: FieldKind) -> str:
        return " ".join(operator for operator in Operator if operator in OPERATORS[kind])

    def _field(self) -> tuple[str, str | None, FieldKind]:
        start = self._at
        name = self._take(_NAME)
        if name is None:
            raise self._error("the name of a field is expected")
        kind = self._fields.get(name)
        if kind is None:
            known = ", ".join(sorted(self._fields))
            raise self._error(f"'{name}' is no field that can be searched; there are {known}", start)
        if name != METADATA:
            return name, None, kind
        if self._text[self._at : self._at + 1] != "[":
            raise self._error('metadata is to be followed by a key, as in metadata["plan"]')
        self._at += 1
        key = self._quoted()
        if key is None:
            raise self._error("the key of metadata is to stand in quotes")
        if self._text[self._at : self._at + 1] != "]":
            raise self._error("] is missing after the key of metadata")
        self._at += 1
        return name, key, kind

    def _quoted(self) -> str | None:
        match = _QUOTED.match(self._text, self._at)
        if match is None:
            return None
        self._at = match.end()
        return _ESCAPE.sub(r"\1", match[1] if match[1] is not None else match[2])

    def _value(self, name: str, kind: FieldKind, operator: Operator) -> Value:
        self._rest()
        start = self._at
        text = self._quoted()
        if text is None:
            text = self._bare(name, start)
            if text == "null":
                if operator is not Operator.IS:
                    raise self._error("null goes with : only", start)
                return None
            if kind in {FieldKind.TOKEN, FieldKind.TEXT}:
                raise self._error(f'put the value in quotes, as in {name}{operator}"{text}"', start)
        return self._typed(text, name, kind, operator, start)

    def _bare(self, name: str, start: int) -> str:
        if self._text[start : start + 1] in {'"', "'"}:
            raise self._error("the quote is never closed", start)
        found = self._take(_BARE)
        if found is None:
            raise self._error(f"a value for {name} is missing", start)
        return found

    def _typed(self, text: str, name: str, kind: FieldKind, operator: Operator, start: int) -> Value:
        match kind:
            case FieldKind.FLAG:
                if text not in {"true", "false"}:
                    raise self._error(f"{name} is true or false", start)
                return text == "true"
            case FieldKind.NUMBER | FieldKind.MOMENT:
                if _NUMBER.fullmatch(text) is None or not -_INTEGER_LIMIT <= int(text) < _INTEGER_LIMIT:
                    raise self._error(f"{name} is compared with an integer", start)
                return int(text)
            case FieldKind.TOKEN | FieldKind.TEXT:
                if operator is Operator.CONTAINS and len(text) < SUBSTRING_LENGTH_MIN:
                    raise self._error(f"~ looks for at least {SUBSTRING_LENGTH_MIN} characters", start)
                return folded(text)
