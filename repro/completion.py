"""`repro completion`: a script with which bash or zsh completes commands, flags and games."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from repro import games

# Loaded once, it asks nothing of Python at a key press, which would take as long as the imports.
_USE = (
    'In ~/.bashrc: eval "$(repro completion bash)". In ~/.zshrc, after compinit: '
    'eval "$(repro completion zsh)".'
)


def add(parser: argparse.ArgumentParser, _: Sequence[str]) -> None:
    """What `repro completion` takes."""
    parser.epilog = _USE
    parser.add_argument("shell", choices=("bash", "zsh"), help="the script is written to stdout")

    def run(options: argparse.Namespace) -> int:
        import shtab

        from repro import cli

        whole = cli.parser((), whole=True)
        for action in _actions(whole):
            if action.metavar == "GAME":
                action.choices = [*games.GAMES, "all"] if action.nargs == "+" else [*games.GAMES]
            elif action.type is Path:
                action.complete = shtab.FILE  # type: ignore[attr-defined]
        # Of an argument that takes several, shtab lets zsh complete the first alone.
        print(shtab.complete(whole, options.shell).replace('"(*):', '"*:'))
        return 0

    parser.set_defaults(run=run)


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Of a parser and those of its commands."""
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _actions(command)
