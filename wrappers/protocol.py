"""Every choice that turns an emulator into the paper's environment, as one frozen value.

Each field carries its unit, its source and its row in the fidelity ledger
(docs/fidelity.md), once, beside its value. ``NATURE`` follows the code that
was released with Mnih et al., Nature 518 (2015), and the text where that code
is silent; ``NATURE_TEXT`` takes the text literally; ``MACHADO2018`` is the
protocol of Machado et al., JAIR 61 (2018).
"""

import dataclasses
from dataclasses import dataclass
from typing import Literal

from wrappers.settings import check_all, setting

LONGEST_NOOPS = 18_000  # frames; a start is played in one go, so nothing could end a longer one


class ProtocolError(ValueError):
    """A protocol that contradicts itself, or an environment that does not fit its protocol."""


@dataclass(frozen=True)
class Protocol:
    """The environment half of the configuration. Frozen; change it with ``dataclasses.replace``.

    Raises:
        ProtocolError: from ``__post_init__`` when a value is out of range.
    """

    action_repeat_frames: int = setting(
        4,
        unit="frames",
        source="Extended Data Table 1",
        row=1,
        within="[1, inf)",
        doc="emulator frames each chosen action lasts; cut short when the game or life ends",
    )
    max_pool_frames: Literal[1, 2] = setting(
        2,
        unit="frames",
        source="Methods, Preprocessing",
        row=2,
        doc="shown frames whose per-pixel, per-colour maximum is taken (against flicker)",
    )
    luminance_weights: tuple[float, float, float] = setting(
        (0.299, 0.587, 0.114),
        unit="",
        source="code",
        row=3,
        within="[0, 1]",
        doc="weights of red, green and blue in the luminance",
    )
    screen_pixels: int = setting(
        84,
        unit="pixels",
        source="Methods, Preprocessing",
        row=4,
        within="[1, inf)",
        doc="height and width of what the network sees",
    )
    resize: Literal["area", "linear"] = setting(
        "area",
        unit="",
        source="code",
        row=4,
        doc="how the screen shrinks: exact area average, or the bilinear slip of others",
    )
    to_byte: Literal["truncate", "round"] = setting(
        "truncate",
        unit="",
        source="code",
        row=5,
        doc="how a luminance becomes a byte, after the resize",
    )
    stack_frames: int = setting(
        4,
        unit="agent frames",
        source="Extended Data Table 1",
        row=6,
        within="[1, inf)",
        doc="most recent screens in one observation, zeroed across terminals",
    )
    minimal_actions: bool = setting(
        True,
        unit="",
        source="Methods, Training details",
        row=7,
        doc="offer the game's minimal action set rather than all 18 actions",
    )
    noop_max_frames: int = setting(
        30,
        unit="frames",
        source="Extended Data Table 1",
        row=8,
        within=f"[0, {LONGEST_NOOPS}]",
        doc="a game starts with 1 to this many emulator frames of doing nothing; 0 for none",
    )
    noops_after_lost_life: bool = setting(
        True,
        unit="",
        source="code",
        row=8,
        doc="in training, also do nothing after a lost life, for one frame more",
    )
    life_loss_terminal: bool = setting(
        True,
        unit="",
        source="Methods, Training details",
        row=9,
        doc="in training, a lost life ends the episode while the game goes on",
    )
    clip_rewards: bool = setting(
        True,
        unit="",
        source="Methods, Training details",
        row=10,
        doc="in training, clip the summed reward of a step to [-1, 1]",
    )
    train_cap_frames: int = setting(
        1_728_000,
        unit="frames",
        source="code",
        row=30,
        doc="longest training game; 0 for no cap (Pong's is 65,000 under the rules of 2014)",
    )
    eval_cap_frames: int = setting(
        18_000,
        unit="frames",
        source="Methods, Evaluation procedure",
        row=25,
        doc="longest game that is scored (five minutes); 0 for no cap",
    )
    sticky_probability: float = setting(
        0.0,
        unit="probability",
        source="code",
        row=28,
        within="[0, 1)",
        doc="chance that the emulator repeats the last frame's action instead",
    )
    game_rules: Literal["2014", "emulator"] = setting(
        "2014",
        unit="",
        source="code",
        row=29,
        doc="whose score, lives, ends and minimal actions: the emulator's of 2014, or today's",
        before="emulator",
    )

    def __post_init__(self) -> None:
        """Refuse values that no environment can be built from."""
        check_all(self, "protocol.", ProtocolError)
        if not 0 < sum(self.luminance_weights) <= 1 + 1e-9:
            raise ProtocolError(
                f"protocol.luminance_weights must sum to more than 0 and at most 1, "
                f"got {self.luminance_weights}"
            )


NATURE = Protocol()
NATURE_TEXT = dataclasses.replace(NATURE, noops_after_lost_life=False)
MACHADO2018 = dataclasses.replace(
    NATURE,
    minimal_actions=False,
    noop_max_frames=0,
    noops_after_lost_life=False,
    life_loss_terminal=False,
    train_cap_frames=108_000,
    eval_cap_frames=108_000,
    sticky_probability=0.25,
    game_rules="emulator",
)
PRESETS = {"nature": NATURE, "nature-text": NATURE_TEXT, "machado2018": MACHADO2018}
