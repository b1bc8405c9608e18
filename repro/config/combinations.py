"""Settings that cannot be combined, and why: asked before anything is made."""

import dataclasses
from collections.abc import Iterator

from repro.config.agent import AgentConfig

# What bears on a draw by priority alone.
_PRIORITY = ("priority_exponent", "priority_offset", "importance_start", "importance_steps")
_DEFAULTS = {item.name: item.default for item in dataclasses.fields(AgentConfig)}


def conflicts(agent: AgentConfig) -> Iterator[str]:
    """Say in a line each what cannot work together, and what to do."""
    rmsprop = agent.optimiser.endswith("rmsprop")
    if agent.amsgrad and rmsprop:
        yield f"amsgrad needs optimiser 'adam' or 'adamw', not {agent.optimiser!r}"
    if agent.weight_decay and agent.optimiser == "centred-rmsprop":
        yield "weight_decay needs optimiser 'torch-rmsprop', 'adam' or 'adamw'"
    if agent.optimiser == "torch-rmsprop" and agent.gradient_decay != agent.squared_gradient_decay:
        yield (
            "optimiser 'torch-rmsprop' has one decay: gradient_decay "
            f"({agent.gradient_decay}) must be squared_gradient_decay "
            f"({agent.squared_gradient_decay})"
        )
    if not agent.target_network and (agent.double_q or agent.target_share < 1):
        yield "without target_network there is nothing for double_q or target_share to act on"
    if agent.epsilon_schedule == "exponential" and not (agent.epsilon_start and agent.epsilon_end):
        yield "epsilon_schedule 'exponential' needs epsilon_start and epsilon_end above 0"
    if agent.replay == "latest" and agent.replay_draw != agent.minibatch:
        yield (
            f"replay 'latest' needs replay_draw ({agent.replay_draw}) to be minibatch "
            f"({agent.minibatch}): what is drawn ahead is not the latest"
        )
    if agent.optimiser == "centred-rmsprop" and _changed(agent, "optimiser_epsilon"):
        yield (
            "optimiser_epsilon needs another optimiser than 'centred-rmsprop', whose constant is "
            "min_squared_gradient"
        )
    for name in _PRIORITY:
        if agent.replay != "prioritized" and _changed(agent, name):
            yield f"{name} needs replay 'prioritized', not {agent.replay!r}"
    if agent.mlp_widths and agent.network != "mlp":
        yield f"mlp_widths are those of network 'mlp', not {agent.network!r}"
    if agent.loss == "clipped-square" and not agent.td_error_clip:
        yield "loss 'clipped-square' needs a bound: td_error_clip above 0"
    if agent.dueling and agent.network != "nature":
        yield f"dueling needs network 'nature', not {agent.network!r}: it has no streams to split"


def _changed(agent: AgentConfig, name: str) -> bool:
    return bool(getattr(agent, name) != _DEFAULTS[name])
