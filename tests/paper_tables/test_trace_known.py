"""The trace's verdict on trainings that are known: right ones, and mistakes made on purpose."""

from pathlib import Path

import pytest

from paper_tables.trace import original, rule, runs
from repro import records
from scripts import deliberate_bugs

MADE = Path(__file__).parent / "data" / "traces" / "bugs"
PUBLISHED = Path(__file__).parents[2] / "results" / "published" / "nature"
# TD errors are clipped, and a reward of 10 is clipped to the same 1 while values are below it.
# A life lasts hundreds of steps, and values of so early look ahead a few.
NOT_SEEN_SO_EARLY = {"unclipped-rewards", "life-not-terminal"}


def judged(path):
    (judgement,) = rule.trace(runs.read([path])).judgements
    return judgement


@pytest.mark.parametrize("path", sorted(MADE.iterdir()), ids=lambda path: path.name)
def test_a_mistake_is_told_from_the_original_by_step_150_000(path):
    assert path.name in deliberate_bugs.BUGS
    run = path / deliberate_bugs.GAME / "seed-0"
    assert int(records.read_rows(run / "learning.csv")[-1]["step"]) == 150_000
    judgement = judged(run)
    assert judgement.verdict == ("alike" if path.name in NOT_SEEN_SO_EARLY else "apart")


@pytest.mark.parametrize("run", list(records.runs(PUBLISHED)), ids=lambda run: run.parent.name)
def test_a_published_training_is_alike_the_original(run):
    if run.parent.name in original.games():
        assert int(records.read_rows(run / "learning.csv")[-1]["step"]) >= 250_000
        assert judged(run).verdict == "alike"
