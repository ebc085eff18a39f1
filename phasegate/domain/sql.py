"""
SQL of SQLite in pieces: statements with their words, without being fooled by comments and quotes.

Only what a lint needs: no grammar, but every rule of the lexer (https://sqlite.org/lang_keywords.html and
lang_comment.html): ``--`` and ``/* */`` comments, 'texts' with doubled quotes, "names", `names` and [names].
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

_PIECE = re.compile(
    r"""
    (?P<comment>--[^\n]*|/\*.*?(?:\*/|\Z))
    |(?P<text>[xX]?'(?:[^']|'')*(?:'|\Z))
    |(?P<name>"(?:[^"]|"")*(?:"|\Z)|`(?:[^`]|``)*(?:`|\Z)|\[[^\]]*(?:\]|\Z))
    |(?P<word>[^\W\d]\w*)
    |(?P<number>\d[\w.]*)
    |(?P<end>;)
    |(?P<space>\s+)
    |(?P<sign>.)
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Statement:
    """
    One statement: the *line* it begins on, its *words* and the *comments* that stand in or before it.

    Words are keywords and unquoted names in capitals, quoted names as ``"name"``, texts as ``''``,
    numbers as ``0``, signs as they are.
    """

    line: int
    words: tuple[str, ...]
    comments: tuple[str, ...]
    text: str


def statements(sql: str) -> tuple[Statement, ...]:
    """The statements of *sql*; a trigger's body belongs to its statement."""
    return tuple(_Reader(sql).read())


def is_closed(sql: str) -> bool:
    """Whether another statement may follow *sql* as it is: it ends with a semicolon, or says nothing."""
    kinds = [piece.lastgroup for piece in _PIECE.finditer(sql)]
    return next((kind == "end" for kind in reversed(kinds) if kind not in ("space", "comment")), True)


@dataclass
class _Reader:
    """Collects pieces into statements; the newest finished one waits for a comment on its own line."""

    sql: str
    line: int = 1
    first: int = 0
    begin: int = 0
    ended: int = 0
    done: Statement | None = None

    def __post_init__(self) -> None:
        self.words: list[str] = []
        self.comments: list[str] = []

    def read(self) -> Iterator[Statement]:
        """Every statement, in order."""
        for piece in _PIECE.finditer(self.sql):
            kind, text = piece.lastgroup or "sign", piece.group()
            if kind == "comment":
                self._comment(text.strip("-*/ \n\t"), at=piece.start())
            elif kind == "end" and _closes(self.words):
                yield from self._finished(piece.start())
            elif kind != "space":
                self._take(_word(kind, text), at=piece.start())
            self.line += text.count("\n")
        yield from self._finished(len(self.sql))
        yield from self._finished(len(self.sql))

    def _comment(self, said: str, *, at: int) -> None:
        if self.done and not self.words and "\n" not in self.sql[self.ended : at]:
            self.done = replace(self.done, comments=(*self.done.comments, said))
        else:
            self.comments.append(said)

    def _take(self, word: str, *, at: int) -> None:
        if not self.words:
            self.first, self.begin = self.line, at
        self.words.append(word)

    def _finished(self, at: int) -> Iterator[Statement]:
        if self.done:
            yield self.done
        self.done, self.ended = None, at
        if self.words:
            text = self.sql[self.begin : at].strip()
            self.done = Statement(self.first, tuple(self.words), tuple(self.comments), text)
            self.words, self.comments = [], []


def _word(kind: str, text: str) -> str:
    if kind == "text":
        return "''"
    if kind == "number":
        return "0"
    if kind == "name":
        return f'"{text[1:-1].lower()}"'
    return text.upper()


def _closes(words: list[str]) -> bool:
    """Whether a semicolon after *words* ends a statement: within a trigger's BEGIN … END it does not."""
    if words[:1] != ["CREATE"] or "TRIGGER" not in words[1:3]:
        return True
    depth = 0
    for word in words:
        depth += (word in ("BEGIN", "CASE")) - (word == "END")
    return "BEGIN" in words and depth <= 0
