"""What became of a job, for terminals, programs and other processes, and why it failed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from deweather.errors import DeweatherError, is_out_of_memory

if TYPE_CHECKING:
    from deweather.jobs.plan import Job

Status = Literal["done", "skipped", "failed", "cancelled"]


@dataclass(frozen=True)
class Outcome:
    """What became of a job; names stand for files, so that it goes from process to process.

    Attributes:
        sources: names of what was read, or should have been.
        outputs: names of what is there now; none where the job failed or was cancelled.
        status: done now, done before, failed, or cancelled.
        seconds: it took, from waiting for the pixels to the file written.
        width: of the picture as stored upright, of each view where they are two files.
        height: likewise.
        notes: what was changed or lost, in plain sentences.
        error: why it failed.
        contents: picture files, for targets that are `bytes`.
    """

    sources: tuple[str, ...]
    outputs: tuple[str, ...]
    status: Status
    seconds: float = 0.0
    width: int | None = None
    height: int | None = None
    notes: tuple[str, ...] = ()
    error: str | None = None
    contents: tuple[bytes, ...] = ()

    @classmethod
    def of(cls, job: Job, status: Status, **facts: Any) -> Outcome:
        """The outcome of a job; its outputs are there if it was done, now or before."""
        there = status in ("done", "skipped")
        return cls(job.source_names, job.output_names if there else (), status, **facts)

    def as_dict(self) -> dict[str, Any]:
        """The outcome as JSON has it."""
        return {
            "source": self.sources[0],
            "right": self.sources[1] if len(self.sources) == 2 else None,
            "outputs": list(self.outputs),
            "status": self.status,
            "seconds": round(self.seconds, 3),
            "width": self.width,
            "height": self.height,
            "notes": list(self.notes),
            "error": self.error,
        }


def reason(error: Exception, job: Job | None = None) -> str:
    """Why a job failed, without the name of its source, which is shown beside it."""
    if is_out_of_memory(error):
        return "the picture does not fit into memory. Close other programs or reduce it."
    if not isinstance(error, DeweatherError):
        return f"{type(error).__name__}: {error}"
    text, names = str(error), () if job is None else job.source_names
    return text.removeprefix(f"{names[0]}: ") if len(names) == 1 else text
