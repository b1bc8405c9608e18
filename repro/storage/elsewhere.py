"""Checkpoints on another disk: RUN/checkpoint as a link, made and followed on request only."""

import re
import secrets
from pathlib import Path

from repro.records import RunDirectoryError

_OURS = re.compile(r"[\w.-]+-seed-\d+-[0-9a-f]{16}")


def refuse_links(folder: Path, scratch: Path | None) -> None:
    """Refuse to write and to remove where somebody's link leads.

    Args:
        folder: a run's ``checkpoint/``.
        scratch: where links may lead, see :func:`make`.

    Raises:
        RunDirectoryError: if it, or a folder in it, is a link that was not made for ``scratch``.
    """
    for place in (folder / "segments", folder / "copies"):
        if place.is_symlink():
            raise RunDirectoryError(f"{place} is a link that was not made here; remove it")
    if not folder.is_symlink():
        return
    target = folder.resolve()
    if scratch is None:
        what = f"give --checkpoint-dir {target.parent} if that made it, else remove the link"
    elif target.parent != scratch.resolve() or not _OURS.fullmatch(target.name):
        what = f"--checkpoint-dir {scratch} did not make it: give the one that did, or remove it"
    else:
        return
    raise RunDirectoryError(f"{folder} is a link to {target}; {what}")


def make(folder: Path, scratch: Path | None) -> None:
    """Make a run's ``checkpoint/`` if it is not there: a folder, or a link to one in ``scratch``.

    Raises:
        OSError: if it cannot be made.
    """
    if scratch is not None and not folder.exists():
        folder.unlink(missing_ok=True)  # its target was removed
        game, seed = folder.absolute().parts[-3:-1]
        place = scratch.resolve() / f"{game}-{seed}-{secrets.token_hex(8)}"
        place.mkdir(parents=True)
        folder.symlink_to(place)
    folder.mkdir(exist_ok=True)
