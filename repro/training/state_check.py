"""Whether what a checkpoint holds could have been saved by this training; asked before it is used.

A checksum tells what a disk made of a file, not who wrote it.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from repro import optim
from repro.agent import Agent
from repro.config import Config
from repro.loop import Loop
from repro.storage.nested import Maybe, check
from repro.tables import TABLES

_BYTES = np.zeros(1, np.uint8)
_GAME = {
    "episode": 0, "seed": 0, "score": -1.0, "frames": 0, "truncated": False, "completed": False,
    "steps": 0,
}  # fmt: skip


def check_state(state: Any, loop: Loop, config: Config) -> None:
    """Compare a state with one that would be saved here.

    Args:
        state: as read; its replay is restored already.
        loop: a new one, its first game begun.
        config: of the training.

    Raises:
        ValueError, TypeError, LookupError: naming what is not as it would be.
    """
    agent, memory = loop.agent, loop.player.memory
    generator = agent.generator.bit_generator.state
    drawn = vars(memory.blank(config.agent.replay_draw))
    heldout = vars(memory.blank(config.training.heldout_states))
    gradients = dict.fromkeys(state["learning"]["gradients"], Maybe(0.0))
    # What a game tells of itself besides, such as lives, differs from frame to frame.
    player = loop.player.state()
    environment = {
        name: {} if name.endswith("_info") else value for name, value in player["env"].items()
    }
    if state["player"]["observation"] is None:  # its environment had not been reset either
        environment = state["player"]["env"]
    for batch in (state["queue"]["ahead"], state["learning"]["heldout"]):
        if batch is not None and batch.setdefault("steps", 1) != config.agent.return_steps:
            raise ValueError(f"it has returns of {batch['steps']} steps")
    pattern = {
        "agent": agent.state() | {"optimiser": _optimiser(state["agent"]["optimiser"], agent)},
        "loop": loop.state(),
        "player": {"observation": Maybe(player["observation"]), "env": environment},
        "queue": {"used": 0, "ahead": Maybe(drawn)},
        "episodes": {"games": 0, "returns": [-1.0]},
        "learning": {
            "updates": 0, "losses": [0.0], "gradients": gradients, "heldout": Maybe(heldout),
            "generator": generator,
        },
        "best": {"evaluated_step": 0, "score": -1.0, "weights": Maybe(_BYTES)},
        "scoring": {"step": 0, "games": [_GAME]},
        "tables": dict.fromkeys(TABLES, _BYTES),
    }  # fmt: skip
    check(state, pattern)
    step, added = state["loop"]["step"], memory.added
    if step > config.steps or added not in (0, step):
        raise ValueError(f"it is of step {step} of {config.steps}, with {added} transitions")
    _check_actions([state["loop"]["action"]], agent)
    _check_actions(memory.actions, agent)
    for batch in (state["queue"]["ahead"], state["learning"]["heldout"]):
        _check_actions([] if batch is None else batch["actions"], agent)


def _optimiser(found: dict[str, Any], agent: Agent) -> dict[str, Any]:
    """What the optimiser keeps of each parameter, once there was an update."""
    built = optim.build(agent.config, agent.network.parameters())
    if type(agent.optimiser) is not type(built) or not found:  # one built in for a trial
        return found
    return dict(optim.state_like(agent.config, agent.network.parameters()))


def _check_actions(actions: NDArray[Any] | list[int], agent: Agent) -> None:
    if len(actions) and not 0 <= np.min(actions) <= np.max(actions) < agent.n_actions:
        raise ValueError(f"it has actions beyond the {agent.n_actions} that there are")
