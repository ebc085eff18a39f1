"""A checklist as people read it: what a machine proved, and what they themselves attest."""

from phasegate.domain.checklist import By, Item, Outcome, Result
from phasegate.report.markdown import at, box, bullets, plain, sections


def checklist_markdown(
    items: tuple[Item, ...], results: tuple[Result, ...], *, attested: tuple[str, ...] = ()
) -> str:
    """
    The items with boxes: ticked only when a machine proved them; then further *results* of no item.

    Nothing is ticked on a person's behalf: their items, and *attested* (texts of the
    plan's criteria), are listed as what an approval claims.
    """
    known = {result.key: result for result in results}
    machine = [item for item in items if item.by is By.MACHINE]
    persons = [item.text for item in items if item.by is By.PERSON] + list(attested)
    asked = {_key(item) for item in machine}
    proved = [_proved(item.text, known.get(_key(item))) for item in machine]
    proved += [_proved(result.key, result) for result in results if result.key not in asked]
    return sections(
        "\n".join(["**Checked by phasegate**", "", *proved]) if proved else "",
        "\n".join(["**Whoever approves attests**", "", *(box(plain(text), done=False) for text in persons)])
        if persons
        else "",
    ).rstrip("\n")


def watch_markdown(watch: tuple[str, ...]) -> str:
    """What people look at meanwhile."""
    return f"**Worth a look**\n\n{bullets(map(plain, watch))}" if watch else ""


def _key(item: Item) -> str:
    return item.check or item.key


def _proved(text: str, result: Result | None) -> str:
    if result is None or result.outcome is Outcome.OPEN:
        return box(f"{plain(text)} (not checked)", done=False)
    detail = f": {plain(result.detail)}" if result.detail else ""
    when = f" ({at(result.at)})" if result.at else ""
    if result.outcome is Outcome.FAILED:
        return box(f"**FAILED** {plain(text)}{detail}{when}", done=False)
    return box(f"{plain(text)}{detail}{when}", done=True)
