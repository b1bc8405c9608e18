"""The one door to the terminal: nothing that is printed can command it.

Names of folders and values in files may be a stranger's, whichever command shows them.
"""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import IO, Any


class _Plain:
    """A stream of text on which control characters become question marks.

    What its encoding lacks is written with a backslash, as on standard error.
    """

    def __init__(self, raw: Any) -> None:
        self.raw = raw

    def write(self, text: str) -> int:
        """Write the text; returns how long it was."""
        if not text.isprintable():
            text = "".join(one if one.isprintable() or one in "\n\t" else "?" for one in text)
        if encoding := getattr(self.raw, "encoding", None):
            text = text.encode(encoding, "backslashreplace").decode(encoding)
        self.raw.write(text)
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.raw, name)


@contextlib.contextmanager
def plain() -> Iterator[None]:
    """Let nothing but text pass standard output and standard error."""
    out, err = (stream and _Plain(stream) for stream in (sys.stdout, sys.stderr))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        yield


def draw_to_files() -> None:
    """Have matplotlib look for no screen, and read nobody's settings: either may be unusable."""
    os.environ |= {"MPLBACKEND": "Agg", "MATPLOTLIBRC": os.devnull}


def script(main: Callable[[], int | None]) -> int:
    """Run a script's main and return its exit code: whoever reads its output may have enough."""
    try:
        code = main() or 0
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for Python's own flush
        return 0
    return code


def raw(stream: IO[str]) -> IO[str]:
    """A stream as it was before, for a live line of our own."""
    return stream.raw if isinstance(stream, _Plain) else stream
