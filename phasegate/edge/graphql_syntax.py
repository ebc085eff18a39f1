"""
The part of GraphQL's language that queries of analytics use.

One query operation with variables, aliases, arguments and nested selections; fragments,
directives and mutations are refused by name (spec.graphql.org, "Language").
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MOST_BYTES = 64 * 1024
MOST_DEPTH = 32
_TOKEN = re.compile(
    r"[\s,]+|#[^\n]*|(?P<token>\.\.\.|[!$():=@\[\]{}|&]|[_A-Za-z]\w*|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?"
    r'|"(?:[^"\\\n]|\\.)*")'
)
_CONSTANTS = {"true": True, "false": False, "null": None}


class GraphQLError(Exception):
    """The query cannot be read or answered; the text is shown to the caller."""


@dataclass(frozen=True)
class Field:
    """A selected field: the name it is answered under, its arguments, and what is selected of it."""

    name: str
    key: str
    arguments: dict[str, Any]
    selection: tuple["Field", ...]


def parse(text: str, variables: Mapping[str, Any]) -> tuple[Field, ...]:
    """The fields of the one query in *text*, its variables filled in. Raises `GraphQLError`."""
    if len(text) > MOST_BYTES:
        raise GraphQLError(f"the query is longer than {MOST_BYTES} characters")
    return _Parser(_tokens(text), variables).document()


def _tokens(text: str) -> list[str]:
    tokens = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise GraphQLError(f"syntax error: unexpected {text[position]!r} at character {position}")
        if match["token"] is not None:
            tokens.append(match["token"])
        position = match.end()
    return tokens


class _Parser:
    def __init__(self, tokens: list[str], variables: Mapping[str, Any]) -> None:
        self._tokens = tokens
        self._position = 0
        self._given = variables
        self._variables: dict[str, Any] = {}

    def document(self) -> tuple[Field, ...]:
        if self._peek() in ("mutation", "subscription", "fragment"):
            raise GraphQLError(f"a {self._peek()} is not served here; allowed: one query")
        if self._peek() == "query":
            self._take()
            if self._peek() not in ("{", "("):
                self._name()
            self._definitions()
        fields = self._selection(1)
        if self._position != len(self._tokens):
            raise GraphQLError(f"one query is allowed, and then came {self._peek()!r}")
        return fields

    def _definitions(self) -> None:
        if not self._skip("("):
            return
        while not self._skip(")"):
            self._expect("$")
            name = self._name()
            self._expect(":")
            required = self._type()
            default = self._value() if self._skip("=") else None
            self._variables[name] = self._given.get(name, default)
            if required and self._variables[name] is None:
                raise GraphQLError(f"the variable ${name} is required")

    def _type(self) -> bool:
        if self._skip("["):
            self._type()
            self._expect("]")
        else:
            self._name()
        return self._skip("!")

    def _selection(self, depth: int) -> tuple[Field, ...]:
        if depth > MOST_DEPTH:
            raise GraphQLError(f"the query is nested deeper than {MOST_DEPTH}")
        self._expect("{")
        fields = []
        while not self._skip("}"):
            fields.append(self._field(depth))
        if not fields:
            raise GraphQLError("a selection is empty")
        return tuple(fields)

    def _field(self, depth: int) -> Field:
        if self._peek() == "...":
            raise GraphQLError("fragments are not served here")
        key = name = self._name()
        if self._skip(":"):
            name = self._name()
        arguments = self._pairs(")") if self._skip("(") else {}
        if self._peek() == "@":
            raise GraphQLError("directives are not served here")
        return Field(name, key, arguments, self._selection(depth + 1) if self._peek() == "{" else ())

    def _pairs(self, end: str) -> dict[str, Any]:
        pairs = {}
        while not self._skip(end):
            name = self._name()
            self._expect(":")
            pairs[name] = self._value()
        return pairs

    def _value(self) -> Any:
        token = self._take()
        if token == "$":
            name = self._name()
            if name not in self._variables:
                raise GraphQLError(f"the variable ${name} is not defined")
            return self._variables[name]
        if token == "[":
            values = []
            while not self._skip("]"):
                values.append(self._value())
            return values
        if token == "{":
            return self._pairs("}")
        return _scalar(token)

    def _peek(self) -> str:
        return self._tokens[self._position] if self._position < len(self._tokens) else ""

    def _take(self) -> str:
        token = self._peek()
        if not token:
            raise GraphQLError("syntax error: the query ends too early")
        self._position += 1
        return token

    def _skip(self, token: str) -> bool:
        if self._peek() != token:
            return False
        self._position += 1
        return True

    def _expect(self, token: str) -> None:
        if (found := self._take()) != token:
            raise GraphQLError(f"syntax error: expected {token!r}, found {found!r}")

    def _name(self) -> str:
        token = self._take()
        if not token.isidentifier():
            raise GraphQLError(f"syntax error: expected a name, found {token!r}")
        return token


def _scalar(token: str) -> Any:
    if token in _CONSTANTS:
        return _CONSTANTS[token]
    if token.isidentifier():
        return token
    try:
        return json.loads(token)
    except ValueError:
        raise GraphQLError(f"syntax error: {token!r} is not a value") from None
