"""
What Prefect loads at its start where its setting ``PREFECT_PLUGINS_ENABLED`` is true.

Meant for a Prefect server that keeps its records in SQLite: see :mod:`phasegate.adapters.sqlite_cursors`.
Hooks and entry point (group ``prefect.plugins``) as described in Prefect's ``prefect.plugins``.
"""

from prefect.plugins import HookContext, register_hook

from phasegate.adapters.sqlite_cursors import close_failed_cursors


@register_hook
def setup_environment(*, ctx: HookContext) -> None:
    """Prepare this process; it needs no variable of its own."""
    close_failed_cursors()
