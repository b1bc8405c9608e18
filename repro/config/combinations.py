"""Settings that cannot be combined, and why: asked before anything is made."""

from collections.abc import Iterator

from repro.config.agent import AgentConfig


def conflicts(agent: AgentConfig) -> Iterator[str]:
    """Say in a line each what cannot work together, and what to do."""
    if agent.loss == "clipped-square" and not agent.td_error_clip:
        yield "loss 'clipped-square' needs a bound: td_error_clip above 0"
    if agent.dueling and agent.network != "nature":
        yield f"dueling needs network 'nature', not {agent.network!r}: it has no streams to split"
