"""Recorded minutes from a file, whatever its format."""

from pathlib import Path

from phasegate.adapters.minutes_csv import read_csv
from phasegate.adapters.minutes_json import read_json
from phasegate.adapters.minutes_parquet import read_parquet
from phasegate.adapters.minutes_table import Choice
from phasegate.domain.errors import RecordingError
from phasegate.domain.plan import RolloutPlan
from phasegate.domain.recording import Recording, judged_by


def read_recording(file: Path, *, plan: RolloutPlan | None, choice: Choice) -> Recording:
    """
    What *file* (.csv, .tsv, .json or .parquet) holds, to be judged by *plan*.

    Raises RecordingError naming the place and what is allowed; a table needs a plan.
    """
    try:
        match file.suffix.lower():
            case ".json":
                recording = read_json(file)
                return judged_by(recording, plan) if plan else recording
            case ".parquet":
                return read_parquet(file, plan=plan, choice=choice)
            case ".csv" | ".tsv" if plan:
                return read_csv(file, plan=plan, choice=choice)
            case ".csv" | ".tsv":
                raise RecordingError(f"{file}: a table carries no plan; add --plan NAME")
            case other:
                raise RecordingError(
                    f"{file}: unknown ending {other!r}; allowed: .csv, .tsv, .json, .parquet"
                )
    except OSError as error:
        raise RecordingError(f"{file}: {error.strerror or error}") from None
