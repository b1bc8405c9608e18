"""Each variant as a training: it differs, and goes on to the byte after it was interrupted."""

import numpy as np
import pytest
from safetensors.numpy import load_file

from repro.minibatches import MinibatchQueue
from repro.system import signals
from repro.training.trackers import LearningTracker
from tests.repro.small import KilledError, StopAt, assert_same_run, go, make_run, use
from tests.repro.test_agent import SlowLearner, make_agent, make_batch

SHORT = {"frames": 1_200, "eval_every_steps": 150, "eval_steps": 20, "final_episodes": 1}
VARIANTS = {
    "double": {"double_q": True},
    "shared bias": {"shared_bias": True},
    "dueling": {"network": "nature", "dueling": True, "gradient_norm": 10.0},
    "norm": {"gradient_norm": 0.01},
    "squared": {"loss": "squared", "td_error_clip": 0.01},
    "clipped square": {"loss": "clipped-square", "td_error_clip": 0.01},
    "value": {"gradient_value": 0.001},
    "torch rmsprop": {"optimiser": "torch-rmsprop", "weight_decay": 0.1},
    "adam": {"optimiser": "adam", "gradient_decay": 0.9, "squared_gradient_decay": 0.999},
    "adamw": {"optimiser": "adamw", "amsgrad": True, "weight_decay": 0.1},
    "polyak": {"target_share": 0.05, "target_every_steps": 4},
    "no target network": {"target_network": False},
    "exponential": {"epsilon_schedule": "exponential"},
    "prioritized": {"replay": "prioritized", "importance_steps": 300},
    "prioritized, three steps": {"replay": "prioritized", "return_steps": 3, "replay_draw": 32},
    "latest": {"replay": "latest", "replay_draw": 32},
    "three steps": {"return_steps": 3},
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """The same training without any variant."""
    return go(make_run(**SHORT), tmp_path_factory.mktemp("plain"))[0]


@pytest.mark.parametrize("changes", VARIANTS.values(), ids=VARIANTS)
def test_a_variant_differs_and_goes_on_to_the_byte(plain, tmp_path, changes):
    run = make_run(**SHORT, **changes)
    whole, end = go(run, tmp_path / "whole")
    assert end is None
    one, other = (load_file(path / "last.safetensors") for path in (plain, whole))
    assert one.keys() != other.keys() or any(
        one[name].shape != other[name].shape or (one[name] != other[name]).any() for name in one
    )
    _, killed = go(run, tmp_path / "cut", StopAt(240, kill=True))
    assert killed is KilledError
    _, interrupted = go(run, tmp_path / "cut", StopAt(60))
    assert interrupted is signals.Interrupted
    cut, end = go(run, tmp_path / "cut")
    assert end is None
    assert_same_run(whole, cut)


def test_a_checkpoint_from_before_there_were_variants_is_gone_on_with(plain, tmp_path, monkeypatch):
    """A minibatch did not say over how many steps its returns are."""
    queue, learning = MinibatchQueue.state, LearningTracker.state

    def without(batch):
        assert batch.pop("steps") == 1
        return batch

    with monkeypatch.context() as patch:
        patch.setattr(
            MinibatchQueue, "state",
            lambda self: (state := queue(self)) | {"ahead": without(state["ahead"])}
            if self._ahead else queue(self),
        )  # fmt: skip
        patch.setattr(
            LearningTracker, "state",
            lambda self: (state := learning(self)) | {"heldout": without(state["heldout"])}
            if self._heldout else learning(self),
        )  # fmt: skip
        _, end = go(make_run(**SHORT), tmp_path, StopAt(200))
    assert end is signals.Interrupted
    path, end = go(make_run(**SHORT), tmp_path)
    assert end is None
    assert_same_run(plain, path)


def test_no_target_network_is_one_that_is_copied_every_step(tmp_path):
    without, _ = go(make_run(**SHORT, target_network=False), tmp_path / "without")
    copied, _ = go(make_run(**SHORT | {"target_every_steps": 1}), tmp_path / "copied")
    for name in ("last.safetensors", "train_episodes.csv"):
        assert (without / name).read_bytes() == (copied / name).read_bytes()


def test_returns_are_as_long_as_configured(tmp_path):
    batch = batch_of_training(tmp_path, 3)
    assert batch.windows.shape[1] == 4 + 3
    assert set(batch.discounts.tolist()) <= {0.0, float(np.float32(0.99**3))}


def batch_of_training(folder, steps):
    """What is drawn in a training."""
    drawn = []
    sample = MinibatchQueue.next

    def keeping(self):
        drawn.append(sample(self))
        return drawn[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MinibatchQueue, "next", keeping)
        go(make_run(**SHORT, return_steps=steps), folder)
    return drawn[-1]


def test_an_mlp_of_any_depth_is_trained_from_the_command_line(tmp_path, capfd):
    words = [
        "train", "CartPole-v1", "--preset", "cartpole", "--mlp-widths", 12, 10, 8, 6, 5, 4,
        "--frames", 2_200, "--eval-every-steps", 0, "--final-episodes", 1, "--quiet",
        "--threads", 1, "--out", tmp_path,
    ]  # fmt: skip
    for said in ("finished after 2,200 frames", "finished"):  # and again, from what was written
        code, out, err = use(capfd, *words)
        assert (code, err) == (0, "")
        assert said in out
    (weights,) = tmp_path.rglob("last.safetensors")
    shapes = [array.shape for name, array in load_file(weights).items() if "weight" in name]
    assert sorted(shapes) == sorted([(12, 4), (10, 12), (8, 10), (6, 8), (5, 6), (4, 5), (2, 4)])


@pytest.mark.parametrize(("changes", "bound"), [({}, 1.0), ({"td_error_clip": 0.25}, 0.25),
                                                ({"loss": "squared"}, np.inf)])  # fmt: skip
def test_priorities_are_of_the_errors_that_were_learned_from(changes, bound):
    generator = np.random.default_rng(4)
    agent = make_agent(**changes)
    batch = make_batch(generator, 30)
    batch.rewards[:] = np.linspace(-3, 3, 30)
    slow = SlowLearner(agent)
    expected = slow.errors(batch, slow.weights)
    assert np.abs(expected).max() > 2
    agent.update(batch)
    np.testing.assert_allclose(
        agent.learner.errors(), np.clip(expected, -bound, bound), rtol=0, atol=1e-5
    )
