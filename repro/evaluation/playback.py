"""Playing a final game again from its seed and actions, on the emulator that is here."""

from collections.abc import Iterator
from typing import Any

import gymnasium as gym

from repro import records
from repro.evaluation import protocols, random_player
from repro.evaluation.claims import Claim, Subject
from repro.evaluation.protocols import Game
from repro.games import GAMES
from repro.records import RunDirectoryError
from repro.storage import provenance
from repro.storage.game_log import Record


def make_env(of: Subject) -> gym.Env[Any, Any]:
    """Make what a run's final games were played on, without what only its network needed.

    Raises:
        ProtocolError, MissingROMError: as :func:`wrappers.envs.make_emulator`.
    """
    from wrappers import envs

    protocol = of.run.config.protocol
    if of.run.config.environment == "gymnasium":
        return envs.make_vector_env(of.run.game, of.run.seed, protocol.stack_frames)
    return envs.make_replay_env(of.run.game, protocol)


def play(env: gym.Env[Any, Any], claim: Claim, record: Record | None) -> tuple[Game, str]:
    """Play a game again.

    Args:
        env: as :func:`make_env` makes it.
        claim: the game's row, whose seed must be the right one.
        record: of its actions; ``None`` for the random player, whose follow from the seed.

    Returns:
        The game, and what in row or record is not so, empty if nothing is.
    """
    actions = int(env.action_space.n)  # type: ignore[attr-defined]
    episode, seed = claim.key.episode, claim.seed
    if record is None:
        game = protocols.play_game(env, random_player.uniform(actions), episode, seed)
        return game, _difference(claim, record, game)
    taken = record.actions
    unplayed = Game(episode, seed, claim.score, claim.frames, claim.truncated, False, 0)
    if not taken:
        return unplayed, "it has no actions"
    if max(taken) >= actions:
        return unplayed, f"it has action {max(taken)}, the game has only 0 to {actions - 1}"
    left = iter(taken)
    game = protocols.play_game(env, lambda _: lambda _: next(left), episode, seed, len(taken))
    if not game.completed:
        return game, f"it goes on after the {len(taken):,} actions that are recorded"
    if game.steps < len(taken):
        more = len(taken) - game.steps
        return game, f"it is over after {game.steps:,} actions, {more:,} more are recorded"
    return game, _difference(claim, record, game)


def _difference(claim: Claim, record: Record | None, game: Game) -> str:
    here = outcome(game.score, game.frames, game.truncated)
    there = outcome(claim.score, claim.frames, claim.truncated)
    if (claim.score, claim.frames, claim.truncated) != (game.score, game.frames, game.truncated):
        return f"it says {there}, played again it is {here}"
    if record and (record.score, record.frames) != (game.score, game.frames):
        return f"its record says {outcome(record.score, record.frames)}, played again it is {here}"
    return ""


def outcome(score: float, frames: int, truncated: bool = False) -> str:
    """How a game ended, in words."""
    return f"{score:g} after {frames:,} frames{', cut there' if truncated else ''}"


def emulator_problems(of: Subject, env: gym.Env[Any, Any]) -> Iterator[str]:
    """What of ROM and action set here is not as provenance.json has it."""
    if of.run.config.environment != "atari":
        return
    from wrappers.roms import rom_path

    made, file = _made_with(of), of.path / "provenance.json"
    rom = provenance.md5(rom_path(of.run.game))
    actions = env.get_wrapper_attr("get_action_meanings")()
    known = GAMES[of.run.game].md5 if of.run.game in GAMES else rom
    if (there := made.get("rom_md5", known)) != rom:
        yield f"{file}: the ROM was one of MD5 {there}, here it is one of {rom}"
    if (there := made.get("actions", actions)) != actions:
        yield f"{file}: the action set was {there}, here it is {actions}"


def other_version(of: Subject) -> str:
    """In words, that a run was made with another emulator version; empty if it was not."""
    if of.run.config.environment != "atari":
        return ""
    libraries = _made_with(of).get("libraries")
    there = libraries.get("ale-py") if isinstance(libraries, dict) else None
    here = provenance.version("ale-py")
    made = (
        f"made with ale-py {there}" if there else "provenance.json does not say with which ale-py"
    )
    return "" if there == here else f"{made}, played again with {here}"


def _made_with(of: Subject) -> dict[str, Any]:
    """Provenance at the end of the run, as far as it can be read."""
    try:
        found = records.read_json(of.path / "provenance.json")
    except RunDirectoryError:
        return {}
    since = found.get("continued")
    for one in since if isinstance(since, list) else []:
        found |= one if isinstance(one, dict) else {}
    return found
