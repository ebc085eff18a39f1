"""What every event of the ledger has in common."""

from pydantic import BaseModel, ConfigDict


class Happening(BaseModel):
    """Frozen, and no unknown key: a row of the ledger is read back exactly as it was written."""

    model_config = ConfigDict(frozen=True, extra="forbid")
