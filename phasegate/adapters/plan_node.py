"""
A plan file as a tree in which every value knows its file and line.

PyYAML's ``compose`` gives the marks that ``load`` throws away. Only a safe, plain
subset is read: no tags, no merge keys, no words that mean true in one YAML version
and text in the next.
"""

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from phasegate.domain.errors import PlanError

MOST_NODES = 20_000
MOST_DEPTH = 40
_TAG = "tag:yaml.org,2002:"
_SCALARS = {_TAG + name for name in ("str", "int", "float", "bool", "null", "timestamp", "value", "merge")}
_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?[0-9]+(\.[0-9]*)?([eE][-+]?[0-9]+)?")


@dataclass(frozen=True)
class Place:
    """Where a value was written; lines count from 1."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True)
class Leaf:
    """One scalar."""

    value: str | int | float | bool | None
    place: Place


@dataclass(frozen=True)
class Listing:
    """One list."""

    items: tuple["Node", ...]
    place: Place


@dataclass(frozen=True)
class Mapping:
    """One mapping; ``keys`` says where each key was written."""

    entries: dict[str, "Node"]
    keys: dict[str, Place]
    place: Place


Node = Leaf | Listing | Mapping


def plain(node: Node) -> Any:
    """The values of *node* without places; an entry that is null counts as not given."""
    if isinstance(node, Leaf):
        return node.value
    if isinstance(node, Listing):
        return [plain(item) for item in node.items]
    return {key: plain(value) for key, value in node.entries.items() if not is_null(value)}


def is_null(node: Node) -> bool:
    """Whether *node* is an explicit null."""
    return isinstance(node, Leaf) and node.value is None


class _Shallow(yaml.composer.Composer):
    """Refuses nesting that would exhaust the stack of the composer."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self.depth += 1
        if self.depth > MOST_DEPTH:
            mark = self.peek_event().start_mark  # type: ignore[attr-defined]
            raise yaml.composer.ComposerError(None, None, f"nested deeper than {MOST_DEPTH} levels", mark)
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


class _Loader(_Shallow, yaml.SafeLoader):
    """Reads slowly, and says best what is wrong."""


_FAST = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader


class _FastLoader(_Shallow, _FAST):  # type: ignore[misc, valid-type]
    """Reads by libyaml, where PyYAML has it, in a quarter of the time."""

    def __init__(self, text: str) -> None:
        _FAST.__init__(self, text)
        yaml.composer.Composer.__init__(self)


def _root(text: str) -> yaml.Node | None:
    """The document of *text*, None when it is empty; the slow loader says what the fast one does not like."""
    try:
        return _document(_FastLoader, text)
    except (yaml.YAMLError, UnicodeError):
        return _document(_Loader, text)


def _document(kind: type[_Loader] | type[_FastLoader], text: str) -> yaml.Node | None:
    loader = kind(text)
    try:
        return loader.get_single_node()
    finally:
        loader.dispose()


@dataclass
class Reading:
    """One file being turned into nodes; ``faults`` collects what is wrong on the way."""

    file: str
    faults: list[tuple[Place, str]] = field(default_factory=list)
    count: int = 0

    def tree(self, text: str) -> Mapping:
        """Parse *text*; raises PlanError when there is no mapping to go on with."""
        root = self._node(self._composed(text), depth=0)
        if isinstance(root, Mapping):
            return root
        raise PlanError(f"{root.place}: {_kind(root)} at the top; allowed: a mapping of plan fields")

    def _composed(self, text: str) -> yaml.Node:
        try:
            root = _root(text)
        except yaml.MarkedYAMLError as error:
            raise PlanError(self._syntax(error)) from None
        except yaml.reader.ReaderError as error:
            line = text.count("\n", 0, error.position) + 1
            shown = f"the character U+{ord(text[error.position]):04X}"
            raise PlanError(f"{self.file}:{line}: {shown} is not allowed in YAML") from None
        if root is None:
            raise PlanError(f"{self.file}:1: the file is empty; allowed: a mapping of plan fields")
        return root

    def _syntax(self, error: yaml.MarkedYAMLError) -> str:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        reasons = [part.replace("\n", " ") for part in (error.context, error.problem) if part]
        return f"{self.file}:{line}: not readable as YAML: {', '.join(reasons)}"

    def _place(self, node: yaml.Node) -> Place:
        return Place(self.file, node.start_mark.line + 1)

    def _node(self, node: yaml.Node, *, depth: int) -> Node:
        self.count += 1
        if self.count > MOST_NODES or depth > MOST_DEPTH:
            raise PlanError(
                f"{self._place(node)}: aliases make the plan too large; allowed: {MOST_NODES} values in "
                f"{MOST_DEPTH} levels"
            )
        place = self._place(node)
        if isinstance(node, yaml.SequenceNode):
            self._refuse_tag(node, {_TAG + "seq"})
            return Listing(tuple(self._node(item, depth=depth + 1) for item in node.value), place)
        if isinstance(node, yaml.MappingNode):
            self._refuse_tag(node, {_TAG + "map"})
            return self._mapping(node, depth=depth)
        self._refuse_tag(node, _SCALARS)
        return Leaf(self._scalar(node), place)

    def _refuse_tag(self, node: yaml.Node, allowed: set[str]) -> None:
        if node.tag not in allowed:
            tag = node.tag.replace(_TAG, "!!")
            self._fault(node, f"the tag {tag} is not allowed; allowed: plain values without a tag")

    def _fault(self, node: yaml.Node, says: str) -> None:
        self.faults.append((self._place(node), says))

    def _mapping(self, node: yaml.MappingNode, *, depth: int) -> Mapping:
        entries: dict[str, Node] = {}
        keys: dict[str, Place] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._fault(key, "a list or mapping as a key; allowed: text")
                continue
            name = str(key.value)
            if name == "<<":
                self._fault(key, "the merge key << is not allowed; allowed: an alias, or `extends`")
                continue
            if name in keys:
                self._fault(key, f"{name}: given twice, first on line {keys[name].line}; allowed: once")
            entries[name], keys[name] = self._node(value, depth=depth + 1), self._place(key)
        return Mapping(entries, keys, self._place(node))

    def _scalar(self, node: yaml.Node) -> str | int | float | bool | None:
        text = str(node.value)
        if node.tag == _TAG + "null":
            return None
        if node.tag == _TAG + "bool":
            return self._bool(node, text)
        # 010, 1_000, 0x1f and 1:30 are numbers to YAML 1.1 alone: they stay text, and the field decides.
        if node.tag == _TAG + "int" and _INT.fullmatch(text):
            return int(text) if len(text) < 19 else float(text)
        if node.tag == _TAG + "float" and _FLOAT.fullmatch(text):
            return float(text)
        return text

    def _bool(self, node: yaml.Node, text: str) -> bool | str:
        if text.lower() in ("true", "false"):
            return text.lower() == "true"
        self._fault(node, f'{text} means true or false to some readers; allowed: true, false or "{text}"')
        return text


def _kind(node: Node) -> str:
    if isinstance(node, Listing):
        return "a list"
    return "a mapping" if isinstance(node, Mapping) else repr(node.value)
