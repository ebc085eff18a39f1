"""What `extends` means: a child plan laid over its parent."""

from phasegate.adapters.plan_node import Leaf, Listing, Mapping, Node


def merge(parent: Mapping, child: Mapping) -> Mapping:
    """
    Lay *child* over *parent*, every value keeping its own file and line.

    Mappings merge deeply, ``phases`` merge by name, other lists are replaced. A null
    stays in the tree and later counts as "not given", so that a value is removed.
    """
    merged = _mappings(parent, child)
    below, above = parent.entries.get("phases"), child.entries.get("phases")
    if not isinstance(below, Listing) or not isinstance(above, Listing):
        return merged
    return Mapping(merged.entries | {"phases": _phases(below, above)}, merged.keys, merged.place)


def _mappings(parent: Mapping, child: Mapping) -> Mapping:
    entries = dict(parent.entries)
    for key, value in child.entries.items():
        entries[key] = _over(parent.entries.get(key), value)
    return Mapping(entries, parent.keys | child.keys, child.place)


def _over(below: Node | None, above: Node) -> Node:
    if isinstance(below, Mapping) and isinstance(above, Mapping):
        return _mappings(below, above)
    return above


def _phases(below: Listing, above: Listing) -> Listing:
    merged = list(below.items)
    taken: set[str] = set()
    new = []
    for item in above.items:
        name = _name(item)
        at = _index(merged, name)
        if at is None or name in taken:
            new.append(item)
        else:
            merged[at] = _over(merged[at], item)
            taken.add(name)
    for item in new:
        merged.insert(_by_weight(merged, item), item)
    return Listing(tuple(merged), above.place)


def _name(item: Node) -> str:
    name = item.entries.get("name") if isinstance(item, Mapping) else None
    return str(name.value) if isinstance(name, Leaf) else ""


def _index(items: list[Node], name: str) -> int | None:
    names = [_name(item) for item in items]
    return names.index(name) if name and name in names else None


def _by_weight(items: list[Node], new: Node) -> int:
    heavier = (index for index, item in enumerate(items) if _weight(item) > _weight(new))
    return next(heavier, len(items))


def _weight(item: Node) -> float:
    weight = item.entries.get("weight") if isinstance(item, Mapping) else None
    value = weight.value if isinstance(weight, Leaf) else None
    return float(value) if isinstance(value, int | float) else float("inf")
