"""
Everything that can go wrong, sorted by who has to act.

::

    PhasegateError
    ├── FixTheInput          the person who typed it corrects it; exit code 2, nothing was done
    │   ├── PlanError            file, line, field, value, what is allowed
    │   ├── BundleError          the bundle cannot be read or was refused by the target
    │   ├── RecordingError       recorded minutes: file, line, column, value, what is allowed
    │   ├── SettingsError        an address, account or token is missing or wrong
    │   └── Refused              a legal request that the state of the release forbids
    │       └── ServiceTaken         because the service has another active release
    ├── Away                 an outside system does not answer; trying again is right
    │   ├── TargetAway           the platform's API
    │   ├── MetricsAway          the telemetry source
    │   ├── RunsAway             the orchestrator
    │   ├── ChannelAway          a way to tell people
    │   └── LedgerBusy           the database is locked or gone
    └── CallAPerson          a machine must not decide this alone
        ├── Drift                somebody else changed the split
        ├── Unconfirmed          a write whose effect could not be read back
        ├── CannotRestore        the platform refuses the known-good version
        │   └── SecretsChanged       because secrets changed since it was live; it can be forced
        └── LedgerBroken         the chain of hashes does not hold
    Superseded               another driver acted first: read the ledger again
"""

from datetime import timedelta


class PhasegateError(Exception):
    """The root of every error that phasegate raises on purpose."""


class FixTheInput(PhasegateError):
    """Something a person gave is wrong; the message says where and what is allowed."""


class PlanError(FixTheInput):
    """A plan cannot be used; one line for each fault, as ``file:line: field: …``."""


class BundleError(FixTheInput):
    """A bundle cannot be read, or the platform refused to take it."""


class RecordingError(FixTheInput):
    """Recorded minutes cannot be used; one line for each fault, as ``file:line: column: …``."""


class SettingsError(FixTheInput):
    """A setting is missing or wrong."""


class Refused(FixTheInput):
    """A well-formed request that the present state of the release or service forbids."""


class ServiceTaken(Refused):
    """Another release of the service is active."""


class Away(PhasegateError):
    """An outside system did not answer; nothing is known about its state."""


class TargetAway(Away):
    """The platform's API did not answer within its retries."""


class MetricsAway(Away):
    """The telemetry source did not answer; this is neither a pass nor a breach."""


class RunsAway(Away):
    """The orchestrator did not answer."""


class ChannelAway(Away):
    """A way to tell people did not answer; *after* is how long it asked to be left alone."""

    def __init__(self, words: str, *, after: timedelta | None = None) -> None:
        super().__init__(words)
        self.after = after


class LedgerBusy(Away):
    """The ledger's database is locked or cannot be reached."""


class CallAPerson(PhasegateError):
    """A machine must not decide this alone."""


class Drift(CallAPerson):
    """The live split is not the one that the ledger knows: somebody else deployed."""


class Unconfirmed(CallAPerson):
    """A write was sent and its effect could not be read back."""


class CannotRestore(CallAPerson):
    """The platform refuses to take the known-good version back."""


class SecretsChanged(CannotRestore):
    """The platform refuses a version because secrets changed since it was live (Cloudflare's 10220)."""


class LedgerBroken(CallAPerson):
    """The ledger's chain of hashes does not hold."""


class Superseded(PhasegateError):
    """Another driver wrote to the ledger first; read it again before deciding."""
