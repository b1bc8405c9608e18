"""A small made-up result tree, written through the schema and not through the code under test."""

import json

import pytest

HEADER = "kind,weights,step,episode,seed,return,frames,truncated,completed"
SETTINGS = {
    "environment": "atari",
    "protocol": {
        "sticky_probability": 0.0,
        "eval_cap_frames": 18_000,
        "noop_max_frames": 30,
        "game_rules": "2014",
    },
    "agent": {"network": "nature", "minibatch": 32, "learning_rate": 0.00025},
    "training": {"frames": 200_000_000, "final_episodes": 30},
}


class Suite:
    """Writes run directories below a folder."""

    def __init__(self, folder):
        self.folder = folder

    def run(self, game, seed, final=(), periodic=(), finished=True, **changed):
        """Write a run. ``final``: returns; ``periodic``: (step, returns) pairs; ``changed``:
        settings by "part__name", or schema, preset."""
        path = self.folder / game / f"seed-{seed}"
        path.mkdir(parents=True)
        settings = json.loads(json.dumps(SETTINGS))
        top = {"schema": 1, "game": game, "seed": seed, "preset": "nature"}
        for name, value in changed.items():
            part, _, field = name.partition("__")
            if field:
                settings[part][field] = value
            else:
                top[part] = value
        (path / "config.json").write_text(json.dumps(top | {"config": settings}))
        rows = [HEADER]
        for step, returns in periodic:
            rows += [f"periodic,last,{step},{i},{i},{value},900,False,True"
                     for i, value in enumerate(returns)]  # fmt: skip
        rows += [f"final,best,1000,{i},{i},{value},900,False,True" for i, value in enumerate(final)]
        (path / "evaluations.csv").write_text("\n".join(rows) + "\n")
        if finished:
            self.finish(path, final)
        return path

    @staticmethod
    def finish(path, final, weights="best", step=1000):
        """Write the file that comes last."""
        numbers = [float(value) for value in final if isinstance(value, int | float)]
        mean = sum(numbers) / max(len(numbers), 1)
        done = {"weights": weights, "weights_step": step, "episodes": len(final)}
        training = json.loads((path / "config.json").read_text())["config"].get("training", {})
        if isinstance(training, dict) and "frames" in training:
            done["frames"] = training["frames"]
        (path / "done.json").write_text(json.dumps(done | {"mean_return": mean}))


@pytest.fixture
def suite(tmp_path):
    folder = tmp_path / "suite"
    folder.mkdir()
    return Suite(folder)
