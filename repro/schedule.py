"""When things happen: pure functions of the number of steps taken so far.

Step n is the moment after the n-th transition was stored. The order within a
step is store, choose the next action, update, copy the target (ledger row 21).
"""

from repro.config import AgentConfig


def epsilon(step: int, config: AgentConfig) -> float:
    """Chance of a random action when choosing at ``step`` (ledger rows 13 and 16).

    Random play until learning starts, then from ``epsilon_start`` to ``epsilon_end`` over
    ``epsilon_decay_steps`` after ``epsilon_hold_steps``, linear or exponential.
    """
    if step <= config.learning_starts_steps:
        return 1.0
    progress = (step - config.epsilon_hold_steps) / config.epsilon_decay_steps
    progress = min(max(progress, 0.0), 1.0)
    if config.epsilon_schedule == "exponential":
        return float(config.epsilon_start * (config.epsilon_end / config.epsilon_start) ** progress)
    return config.epsilon_start + progress * (config.epsilon_end - config.epsilon_start)


def update_due(step: int, config: AgentConfig) -> bool:
    """Whether a gradient step follows ``step``: first at 50,004, then every fourth (row 14)."""
    return step > config.learning_starts_steps and step % config.update_every_steps == 0


def target_due(step: int, config: AgentConfig) -> bool:
    """Whether the target network is renewed after ``step``, and after its update (row 15)."""
    return not config.target_network or step % config.target_every_steps == 0
