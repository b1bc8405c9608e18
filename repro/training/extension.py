"""A run that is made longer goes on as if it had been meant so from the start."""

import sys

from repro import records
from repro.storage import done, game_log
from repro.storage.checkpoint import Checkpoints
from repro.storage.directory import RunDirectory, copy_aside
from repro.storage.run import Run

_OF_THE_END = (done.NAME, records.VERIFIED, "last.safetensors", game_log.NAME)


def lengthen(run: Run, place: RunDirectory, checkpoints: Checkpoints) -> None:
    """Have a run be as long as is asked for; one that had come to its end is kept beside it.

    Args:
        run: as it is to be.
        place: its directory; nothing is changed if it is as long already.
        checkpoints: of the run.

    Raises:
        RunDirectoryError: if the run had come to its end and its replay memory was not kept.
    """
    before = place.frames()
    if before >= run.config.training.frames:
        return
    if records.earned(place.path):
        if not checkpoints.newest_has_replay():
            raise records.RunDirectoryError(
                f"{place.path} has no checkpoint with a replay memory to go on from (see "
                f"--keep-checkpoint), so its {before:,} frames cannot be made more; use another "
                "--out, or --restart, which sets it aside"
            )
        if (place.path / done.NAME).exists():
            aside = copy_aside(place.path)
            print(f"repro: {place.path} as it was finished is kept as {aside}", file=sys.stderr)
        # Without the marker it is a run in its final evaluation, whenever this is interrupted.
        for name in _OF_THE_END:
            (place.path / name).unlink(missing_ok=True)
        records.trim(place.path / "evaluations.csv", before, final_step=-1)
    place.rewrite()
    print(
        f"repro: {place.path}: {run.config.training.frames:,} frames instead of {before:,}",
        file=sys.stderr,
    )
