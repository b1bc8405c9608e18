"""A parser that errs in one line, says what is near, and keeps its help short."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from repro.config import hints
from repro.system import disk


class OneLineParser(argparse.ArgumentParser):
    """Reports wrong use in one line on standard error and exits with 2.

    Paths may begin with ``~``, also where no shell sees it, as in ``--out=~/runs``.
    """

    def __init__(self, *, strict: bool = True, **settings: Any) -> None:
        """``strict``: whether a flag that is not known is refused, or handed back."""
        super().__init__(**settings)
        self._strict = strict
        self.register("type", Path, path)

    def error(self, message: str) -> NoReturn:
        """One line: what is wrong, and where help is."""
        print(f"{self.prog}: {disk.one_line(message)} (see {self.prog} --help)", file=sys.stderr)
        sys.exit(2)

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """Parse all there is; what is not known is refused here, where the command is."""
        if not self._strict:
            return super().parse_known_args(args, namespace)
        if foreign := hints.game_flag(args or (), self._option_string_actions):
            self.error(foreign)
        parsed, more = super().parse_known_args(args, namespace)
        if more:
            self.error(hints.unknown(more, self._option_string_actions))
        return parsed, more

    def format_help(self) -> str:
        """Without the flags that only --help-all shows."""
        rare = {action: action.help for action in self._actions if is_rare(action)}
        for action in rare:
            action.help = argparse.SUPPRESS
        try:
            return super().format_help()
        finally:
            for action, text in rare.items():
                action.help = text

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            meant = hints.choice(str(value), list(map(str, action.choices)))
            if meant is not None:
                what = f"invalid choice: {value!r}; did you mean {meant!r}?"
                raise argparse.ArgumentError(action, what)
        super()._check_value(action, value)


class HelpAll(argparse.Action):
    """Shows the help with every flag, and exits."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str) -> None:
        super().__init__(option_strings, dest, nargs=0, default=argparse.SUPPRESS, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        """Nothing is rare any more."""
        for action in parser._actions:
            vars(action).pop(_RARE, None)
        parser.print_help()
        parser.exit()


_RARE = "rare"


def make_rare(action: argparse.Action) -> None:
    """Show a flag by --help-all only."""
    setattr(action, _RARE, True)


def is_rare(action: argparse.Action) -> bool:
    """Whether only --help-all shows a flag."""
    return hasattr(action, _RARE)


def path(text: str) -> Path:
    """A path, of which ~ and ~name are homes."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise argparse.ArgumentTypeError(f"{text!r}: there is no such home") from None
