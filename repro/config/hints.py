"""What people call things elsewhere, and what is near to a word that is wrong."""

import argparse
import difflib
from collections.abc import Collection, Mapping, Sequence

_NEAR = 0.7  # of 1.0 for the same word; `--foo` is near to nothing
_LONGEST = 100  # letters of a word that is compared, and of a meaning that fits in a line

_STEP = "a step is the agent's, 4 emulator frames"
# Flag here to its names in other programs and in the paper's table.
_ELSEWHERE = {
    "frames": (
        "total-frames", "num-frames", "n-frames", "max-frames", "train-frames",
        "num-env-frames", "num-train-frames",
        "total-timesteps", "timesteps", "num-timesteps", "n-timesteps", "total-steps", "num-steps",
        "n-steps", "max-steps", "train-steps", "steps", "total-env-steps",
        "num-iterations", "epochs",
    ),
    "learning-rate": ("lr", "step-size", "lr-rate"),
    "discount": ("gamma", "discount-factor", "discount-rate"),
    "minibatch": ("batch-size", "batch", "minibatch-size", "mini-batch-size"),
    "replay-steps": (
        "buffer-size", "replay-size", "replay-buffer-size", "replay-capacity", "memory-size",
        "replay-memory-size", "memory-capacity", "capacity",
    ),
    "learning-starts-steps": (
        "learning-starts", "replay-start-size", "start-steps", "warmup", "warmup-steps",
        "min-replay-history", "min-replay-size", "burn-in", "start-training-after",
    ),
    "update-every-steps": (
        "train-frequency", "train-freq", "update-frequency", "update-freq", "update-period",
        "update-interval", "learn-every",
    ),
    "target-every-steps": (
        "target-network-frequency", "target-network-update-frequency", "target-update-interval",
        "target-update-period", "target-update-frequency", "target-update-freq", "target-update",
    ),
    "epsilon-start": (
        "start-e", "eps-start", "start-epsilon", "initial-epsilon", "initial-exploration",
        "exploration-initial-eps", "epsilon-begin", "epsilon-initial",
    ),
    "epsilon-end": (
        "end-e", "eps-end", "end-epsilon", "final-epsilon", "final-exploration", "min-epsilon",
        "exploration-final-eps", "epsilon-train", "epsilon-min", "epsilon-final",
    ),
    "epsilon-decay-steps": (
        "exploration-fraction", "final-exploration-frame", "eps-decay", "epsilon-decay",
        "epsilon-decay-period", "exploration-steps", "final-exploration-frames",
    ),
    "eval-epsilon": ("epsilon-eval", "eps-eval", "test-epsilon"),
    "td-error-clip": ("huber-delta", "grad-error-bound", "clip-delta", "error-clip"),
    "gradient-decay": ("gradient-momentum", "momentum"),
    "squared-gradient-decay": ("squared-gradient-momentum", "rms-decay", "rmsprop-decay", "rho"),
    "min-squared-gradient": ("rmsprop-epsilon", "rms-epsilon", "optimizer-epsilon", "adam-eps"),
    "action-repeat-frames": ("frame-skip", "frameskip", "action-repeat", "skip"),
    "stack-frames": (
        "frame-stack", "framestack", "stack", "num-stack", "stack-size", "agent-history-length",
    ),
    "screen-pixels": ("screen-size", "frame-size", "image-size", "resolution"),
    "sticky-probability": (
        "repeat-action-probability", "sticky-actions", "sticky", "sticky-action-prob",
    ),
    "noop-max-frames": ("noop-max", "max-noops", "noops", "no-op-max", "random-noops"),
    "no-minimal-actions": ("full-action-space", "all-actions"),
    "life-loss-terminal": ("terminal-on-life-loss", "episodic-life", "episode-life"),
    "clip-rewards": ("clip-reward", "reward-clip", "reward-clipping"),
    "train-cap-frames": (
        "max-episode-steps", "max-episode-frames", "max-num-frames-per-episode", "time-limit",
    ),
    "eval-every-steps": ("eval-freq", "eval-frequency", "eval-interval", "eval-period"),
    "final-episodes": ("n-eval-episodes", "eval-episodes", "num-eval-episodes"),
    "checkpoint-every-steps": (
        "save-freq", "save-frequency", "save-interval", "checkpoint-freq", "checkpoint-interval",
    ),
    "hidden-units": ("hidden-size", "hidden-dim", "fc-units"),
    "device": ("cuda", "gpu", "use-cuda", "use-gpu", "no-cuda"),
    "threads": ("num-threads", "n-threads", "torch-threads", "cores"),
    "jobs": ("workers", "num-workers", "n-jobs", "processes", "n-envs", "num-envs"),
    "out": (
        "output", "output-dir", "outdir", "out-dir", "logdir", "log-dir", "save-dir", "save-path",
        "results-dir", "folder",
    ),
    "seeds": ("seed", "n-seeds", "num-seeds"),
    "seed": ("random-seed", "rng-seed"),
    "episodes": ("n-episodes", "num-episodes", "games"),
    "restart": ("overwrite", "force", "fresh", "no-resume"),
    "preset": ("config", "configuration", "hyperparameters"),
}  # fmt: skip
_NAMES = {name: flag for flag, names in _ELSEWHERE.items() for name in names}
# Counted in steps elsewhere, in frames here, or a fraction there.
_OTHER_UNIT = {"frames": ("step", "iteration", "epoch"), "epsilon-decay-steps": ("fraction",)}
_GAME = {"game", "env", "env-id", "env-name", "environment-id", "env-config", "rom", "atari-game"}
_COMMANDS = {
    "eval": "evaluate", "score": "evaluate", "test": "evaluate", "run": "train",
    "learn": "train", "list": "games", "ls": "games", "video": "play", "watch": "play",
    "record": "play", "enjoy": "play", "plot": "figures", "plots": "figures", "figure": "figures",
    "table": "tables", "config": "protocol", "settings": "protocol", "presets": "protocol",
    "check": "doctor", "sbatch": "submit", "diff": "compare", "version": "--version",
}  # fmt: skip


def near(word: str, names: Collection[str], cutoff: float = _NEAR) -> str | None:
    """The nearest of some names, if one is near."""
    found = difflib.get_close_matches(word[:_LONGEST], names, n=1, cutoff=cutoff)
    return found[0] if found else None


def choice(word: str, choices: Collection[str]) -> str | None:
    """Which of the choices, commands among them, may have been meant."""
    other = _COMMANDS.get(word.lower())
    if other and (other in choices or (other.startswith("-") and "train" in choices)):
        return other
    return near(word.lower(), choices)


def unknown(words: Sequence[str], known: Mapping[str, argparse.Action]) -> str:
    """What to say of words that no flag or argument took.

    Args:
        words: at least one.
        known: what there is, by flag such as ``--frames``.
    """
    flag = next((word.partition("=")[0] for word in words if word.startswith("-")), None)
    if flag is None:
        return f"unrecognized arguments: {' '.join(words)}"
    name = _plain(flag)
    meant = _meant(name, known)
    if meant is None:
        return f"there is no flag {flag}"
    return f"there is no flag {flag}; did you mean {meant}{_explained(name, known[meant])}?"


def game_flag(words: Sequence[str], known: Mapping[str, argparse.Action]) -> str | None:
    """What to say of a flag for the game, which has none; --env would pass for --environment."""
    for word in words:
        flag = word.partition("=")[0]
        if flag.startswith("-") and _plain(flag) in _GAME and "--preset" in known:
            return f"there is no flag {flag}; the game is named without one, as in `train pong`"
    return None


def _plain(flag: str) -> str:
    return flag.lstrip("-").lower().replace("_", "-")


def _meant(name: str, known: Mapping[str, argparse.Action]) -> str | None:
    """The flag of that name, by its name elsewhere, or the nearest."""
    for candidate in (name, _NAMES.get(name)):
        if candidate and f"--{candidate}" in known:
            return f"--{candidate}"
    return near(f"--{name}", [flag for flag in known if flag.startswith("--")])


def _explained(name: str, action: argparse.Action) -> str:
    """The flag's own help with unit and default, if that fits, and what counts otherwise there."""
    text = (action.help or "").replace("%%", "%")
    meaning = f", {text}" if 0 < len(text) <= _LONGEST else ""
    flag = action.option_strings[0].lstrip("-")
    other = any(word in name for word in _OTHER_UNIT.get(flag, ()))
    return meaning + (f" ({_STEP})" if other or "[steps" in text else "")
