"""
Plans as YAML files: found by name, laid over each other, refused with every fault at once.

A fault reads ``file:line: field: value …; allowed: …``. Faults of form are all named
first; what makes a well-formed plan unsafe is named once its form is right.
"""

from difflib import get_close_matches
from pathlib import Path

from pydantic import ValidationError

from phasegate.adapters.plan_fault import Line, fault_lines
from phasegate.adapters.plan_merge import merge
from phasegate.adapters.plan_node import Leaf, Mapping, Reading, plain
from phasegate.domain.errors import PlanError
from phasegate.domain.plan import RolloutPlan

MOST_BYTES = 1 << 20
ENDINGS = (".yaml", ".yml")


def load_plan(source: str | Path, *, search: tuple[Path, ...]) -> RolloutPlan:
    """
    Read the plan called *source*, or the one in the file *source*.

    A name is looked up in the directories of *search*, the first one wins; what has a
    slash or ends in ``.yaml`` is a file. Raises PlanError with one line for each fault.
    """
    faults: list[Line] = []
    path = _path(source, search=search)
    tree = _named(_extended(path, search=search, chain=(), faults=faults), path)
    try:
        plan = RolloutPlan.model_validate(plain(tree))
    except ValidationError as error:
        raise _plan_error(faults + fault_lines(error, tree)) from None
    if faults:
        raise _plan_error(faults)
    return plan


def plan_names(search: tuple[Path, ...]) -> tuple[str, ...]:
    """The names of the plans in the directories of *search*, sorted."""
    found = (path for folder in search if folder.is_dir() for path in folder.iterdir())
    return tuple(sorted({path.stem for path in found if path.suffix in ENDINGS and path.is_file()}))


def _plan_error(faults: list[Line]) -> PlanError:
    ordered = sorted(faults, key=lambda fault: (fault[0].file, fault[0].line))
    return PlanError("\n".join(dict.fromkeys(f"{place}: {_one_line(says)}" for place, says in ordered)))


def _one_line(says: str) -> str:
    return says if says.isprintable() else repr(says)[1:-1]


def _named(tree: Mapping, path: Path) -> Mapping:
    name = Leaf(path.stem, tree.place)
    return tree if "name" in tree.entries else Mapping({"name": name, **tree.entries}, tree.keys, tree.place)


def _extended(
    path: Path, *, search: tuple[Path, ...], chain: tuple[Path, ...], faults: list[Line]
) -> Mapping:
    reading = Reading(str(path))
    tree = reading.tree(_text(path))
    faults += reading.faults
    extends = tree.entries.get("extends")
    if extends is None:
        return tree
    child = _without_extends(tree)
    if not isinstance(extends, Leaf) or not isinstance(extends.value, str):
        raise PlanError(f"{extends.place}: extends: not a name; allowed: a plan's name or a file")
    parent = _parent(extends.value, path=path, search=search, place=f"{extends.place}: extends: ")
    seen = (*chain, path)
    if parent.resolve() in [one.resolve() for one in seen]:
        shown = " -> ".join(one.name for one in (*seen, parent))
        raise PlanError(f"{extends.place}: extends: a circle, {shown}; allowed: a plan that ends the chain")
    below = _extended(parent, search=search, chain=seen, faults=faults)
    return merge(_without_name(below), child)


def _without_extends(tree: Mapping) -> Mapping:
    rest = {key: value for key, value in tree.entries.items() if key != "extends"}
    return Mapping(rest, tree.keys, tree.place)


def _without_name(tree: Mapping) -> Mapping:
    # Two plans with one name could not be told apart in the ledger.
    rest = {key: value for key, value in tree.entries.items() if key != "name"}
    return Mapping(rest, {key: tree.keys[key] for key in rest if key in tree.keys}, tree.place)


def _parent(name: str, *, path: Path, search: tuple[Path, ...], place: str) -> Path:
    if not _is_file_name(name):
        return _by_name(name, search=(path.parent, *search), place=place)
    if not (path.parent / name).is_file():
        raise PlanError(f"{place}no such file: {path.parent / name}")
    return path.parent / name


def _path(source: str | Path, *, search: tuple[Path, ...]) -> Path:
    if isinstance(source, Path) or _is_file_name(source):
        path = Path(source)
        if not path.exists():
            raise PlanError(f"{path}: no such file; {_known(str(path.stem), plan_names(search))}")
        return path
    return _by_name(source, search=search, place="")


def _is_file_name(source: str) -> bool:
    return "/" in source or "\\" in source or source.endswith(ENDINGS)


def _by_name(name: str, *, search: tuple[Path, ...], place: str) -> Path:
    for folder in search:
        for ending in ENDINGS:
            if name and (folder / f"{name}{ending}").is_file():
                return folder / f"{name}{ending}"
    raise PlanError(f"{place}no plan {name!r}; {_known(name, plan_names(search))}")


def _known(name: str, names: tuple[str, ...]) -> str:
    close = get_close_matches(name, names, n=1)
    guess = f"did you mean {close[0]!r}? " if close else ""
    return f"{guess}plans: {', '.join(names) or 'none'}"


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise PlanError(f"{path}: cannot be read: {error.strerror}") from None
    if len(data) > MOST_BYTES:
        raise PlanError(f"{path}: larger than allowed; allowed: at most {MOST_BYTES} bytes (1 MiB)")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        byte = f"0x{data[error.start]:02x}"
        raise PlanError(f"{path}:{line}: the byte {byte} is not UTF-8; allowed: text in UTF-8") from None
