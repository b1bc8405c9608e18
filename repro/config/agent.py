"""What learns, as a frozen dataclass."""

from dataclasses import dataclass
from typing import Any, Literal

from wrappers.settings import setting


def variant(
    default: Any, source: str, doc: str, *, unit: str = "", within: str = "[0, inf)"
) -> Any:
    """Declare a field that the original lacks: its default is what the original did."""
    return setting(
        default, unit=unit, source=source, row=None, doc=doc, within=within, before=default
    )


@dataclass(frozen=True)
class AgentConfig:
    """What learns: network, replay, exploration, loss, optimiser.

    The published agent first; then what later papers changed of it, each off as it stands.
    """

    network: Literal["nature", "linear", "mlp"] = setting(
        "nature",
        unit="",
        source="Methods, Model architecture",
        row=19,
        doc="Nature CNN, linear in the pixels (Ext. Table 4), or a small MLP for vectors",
    )
    hidden_units: int = setting(
        512,
        unit="units",
        source="Methods, Model architecture",
        row=19,
        within="[1, inf)",
        doc="width of the fully connected layer (of both layers in an MLP)",
    )
    initial_weights: Literal["uniform", "lecun-normal"] = setting(
        "uniform",
        unit="",
        source="code",
        row=20,
        doc="uniform in +-1/sqrt(fan-in), or normal with variance 1/fan-in and biases of 0.1",
        before="uniform",
    )
    discount: float = setting(
        0.99,
        unit="per step",
        source="Extended Data Table 1",
        row=11,
        within="[0, 1]",
        doc="discount factor gamma of the Q-learning update",
    )
    replay_steps: int = setting(
        1_000_000,
        unit="steps",
        source="Extended Data Table 1",
        row=12,
        within="[1, inf)",
        doc="most recent steps kept for replay",
    )
    replay_draw: int = setting(
        512,
        unit="transitions",
        source="code",
        row=12,
        within="[1, inf)",
        doc="transitions copied from replay at a time and consumed minibatch by minibatch",
    )
    minibatch: int = setting(
        32,
        unit="transitions",
        source="Extended Data Table 1",
        row=14,
        within="[1, inf)",
        doc="transitions per update",
    )
    learning_starts_steps: int = setting(
        50_000,
        unit="steps",
        source="Extended Data Table 1",
        row=13,
        doc="steps of uniformly random play before the first update",
    )
    update_every_steps: int = setting(
        4,
        unit="steps",
        source="Extended Data Table 1",
        row=14,
        within="[1, inf)",
        doc="steps between updates",
    )
    target_every_steps: int = setting(
        10_000,
        unit="steps",
        source="code",
        row=15,
        within="[1, inf)",
        doc="steps between copies of the network into the target network",
    )
    epsilon_start: float = setting(
        1.0,
        unit="probability",
        source="Extended Data Table 1",
        row=16,
        within="[0, 1]",
        doc="initial chance of a random action",
    )
    epsilon_end: float = setting(
        0.1,
        unit="probability",
        source="Extended Data Table 1",
        row=16,
        within="[0, 1]",
        doc="final chance of a random action",
    )
    epsilon_hold_steps: int = setting(
        50_000,
        unit="steps",
        source="code",
        row=16,
        doc="steps before epsilon begins to fall",
    )
    epsilon_decay_steps: int = setting(
        1_000_000,
        unit="steps",
        source="Extended Data Table 1",
        row=16,
        within="[1, inf)",
        doc="steps over which epsilon falls",
    )
    td_error_clip: float = setting(
        1.0,
        unit="reward",
        source="Methods, Training algorithm",
        row=17,
        doc="bound on each TD error, which is the gradient; 0 for none",
    )
    loss_reduction: Literal["sum", "mean"] = setting(
        "sum",
        unit="",
        source="code",
        row=17,
        doc="how the losses of a minibatch are combined",
    )
    learning_rate: float = setting(
        0.00025,
        unit="",
        source="Extended Data Table 1",
        row=18,
        within="(0, inf)",
        doc="step size of the optimiser",
    )
    gradient_decay: float = setting(
        0.95,
        unit="per update",
        source="Extended Data Table 1",
        row=18,
        within="[0, 1)",
        doc="decay of the running mean of the gradient (Adam's first beta)",
    )
    squared_gradient_decay: float = setting(
        0.95,
        unit="per update",
        source="Extended Data Table 1",
        row=18,
        within="[0, 1)",
        doc="decay of the running mean of the squared gradient (Adam's second beta)",
    )
    min_squared_gradient: float = setting(
        0.01,
        unit="",
        source="Extended Data Table 1",
        row=18,
        within="(0, inf)",
        doc="constant added inside RMSProp's square root",
    )
    arithmetic: Literal["float32", "bfloat16"] = setting(
        "float32",
        unit="",
        source="ours",
        row=18,
        doc="of the layers while learning; bfloat16 has 8 bits of mantissa and needs a CPU with it",
        before="float32",
    )
    learner: Literal["auto", "fast", "plain"] = setting(
        "auto",
        unit="",
        source="ours",
        row=None,
        doc="how the same numbers are computed: fast on a CPU where they are the same to the bit",
        before="plain",
        free=True,
    )
    double_q: bool = variant(
        False, "van Hasselt et al. (2016)",
        "the network chooses the next action, the target network values it",
    )  # fmt: skip
    loss: Literal["huber", "squared", "clipped-square"] = variant(
        "huber", "Methods, Training algorithm",
        "of the TD error: huber's gradient is the error clipped to td_error_clip, squared's the "
        "error; clipped-square, a misreading, clips and then squares: no gradient beyond",
    )  # fmt: skip
    dueling: bool = variant(
        False, "Wang et al. (2016)",
        "the network values states and compares actions by two streams of hidden units",
    )  # fmt: skip
    shared_bias: bool = variant(
        False, "van Hasselt et al. (2016)", "all actions share one bias in the last layer"
    )
    gradient_norm: float = variant(
        0.0, "Wang et al. (2016)",
        "largest norm of a whole gradient, which is scaled down to it; 0 for no bound",
    )  # fmt: skip
    return_steps: int = variant(
        1, "Sutton (1988)",
        "rewards summed before the value of a next state is added: n of n-step returns",
        unit="steps", within="[1, inf)",
    )  # fmt: skip
    gradient_value: float = variant(
        0.0, "ours", "bound on each element of a gradient, either way; 0 for none"
    )
    optimiser: Literal["centred-rmsprop", "torch-rmsprop", "adam", "adamw"] = variant(
        "centred-rmsprop", "Extended Data Table 1",
        "the original's, torch's, Kingma and Ba's (2015), Loshchilov and Hutter's (2019)",
    )  # fmt: skip
    optimiser_epsilon: float = variant(
        1e-8, "Kingma and Ba (2015)",
        "constant added to the root, outside of it, by all optimisers but the original's",
        within="(0, inf)",
    )  # fmt: skip
    weight_decay: float = variant(
        0.0, "Loshchilov and Hutter (2019)",
        "share of the weights added to the gradient; in adamw taken off the weights, per step size",
    )  # fmt: skip
    amsgrad: bool = variant(
        False, "Reddi et al. (2018)", "divide by the largest mean square so far; adam and adamw"
    )
    target_network: bool = variant(
        True, "Extended Data Table 3",
        "bootstrap from a copy of the network; without, from the network as it is",
    )  # fmt: skip
    target_share: float = variant(
        1.0, "Polyak and Juditsky (1992)",
        "share of the way to the network that the target network goes every target_every_steps; "
        "1 copies it", within="(0, 1]",
    )  # fmt: skip
    epsilon_schedule: Literal["linear", "exponential"] = variant(
        "linear", "Extended Data Table 1", "how epsilon falls: by a difference or a ratio per step"
    )
    replay: Literal["uniform", "prioritized", "latest"] = variant(
        "uniform", "Methods, Algorithm 1",
        "what is drawn from replay: any transition, those of large TD errors more often, or the "
        "latest alone, which is no replay",
    )  # fmt: skip
    priority_exponent: float = variant(
        0.6, "Schaul et al. (2016)", "alpha: how much TD errors count in drawing; 0 for uniformly"
    )
    priority_offset: float = variant(
        1e-6, "ours", "added to each TD error's size", unit="reward", within="(0, inf)"
    )
    importance_start: float = variant(
        0.4, "Schaul et al. (2016)",
        "beta at first: how far losses are weighted to make up for the drawing", within="[0, 1]",
    )  # fmt: skip
    importance_steps: int = variant(
        50_000_000, "Schaul et al. (2016)", "steps in which beta grows to 1",
        unit="steps", within="[1, inf)",
    )  # fmt: skip
    mlp_widths: tuple[int, ...] = variant(
        (), "ours", "widths of an MLP's hidden layers; none for two of hidden_units",
        unit="units", within="[1, inf)",
    )  # fmt: skip
