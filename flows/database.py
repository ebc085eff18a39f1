"""Take a release's database back: never automatic, always by a named person."""

from typing import Annotated

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed
from pydantic import Field

from phasegate.domain.database import ReturnOrder, Way
from phasegate.domain.errors import CallAPerson, FixTheInput
from phasegate.domain.plan import Environment
from tasks.return_database import return_database


@flow(name="database-rollback", flow_run_name="{way} of the database of {release}")
async def database_rollback(
    release: Annotated[str, Field(min_length=3)],
    approver: Annotated[str, Field(min_length=3, max_length=80)],
    reason: Annotated[str, Field(min_length=3, max_length=500)],
    way: Way = Way.DOWN,
    role: str = "",
    accepted_loss: str = "",
    environment: Environment = Environment.PRODUCTION,
) -> State:
    """
    Take back what a release did to its database, once its version takes no traffic any more.

    Args:
        release: The release, as the ledger names it.
        approver: Your name. For a way other than down-sql not the one who requested the release.
        reason: Why; it is kept in the ledger and told to people.
        way: down-sql runs the project's own files. restore goes back in time. undo takes either back.
        role: The role in which you approve; needed for restore and undo.
        accepted_loss: The words that accept a loss, exactly as the refusal spells them out. Else empty.
        environment: Whose database.
    """
    order = ReturnOrder(
        way=way,
        environment=environment,
        by=approver,
        role=role,
        reason=reason,
        accepted=accepted_loss,
    )
    try:
        return Completed(message=await return_database(release, order))
    except (FixTheInput, CallAPerson) as refusal:
        return Failed(name="Refused", message=str(refusal))
