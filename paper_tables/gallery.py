"""All figures that a suite of runs can give: which there are, and what each shows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from paper_tables import curves, figures, state_figures
from paper_tables.collect import Results
from paper_tables.normalise import scale
from paper_tables.reading import Run
from paper_tables.reference import BASELINES
from paper_tables.trace import original, panels, rule, runs, words
from repro.games import find

PAPERS_GAMES = ("space_invaders", "seaquest")  # of Fig. 2
AT_MOST = 4  # games beside each other in Fig. 2


@dataclass(frozen=True)
class Plate:
    """A figure; ``key`` is its file name, ``caption`` one line."""

    key: str
    caption: str
    figure: Figure


def draw(
    results: Results, games: Sequence[str] = (), baseline: str = "nature2015", seed: int = 0
) -> Iterator[Plate]:
    """Draw one figure after the other: each game's trace, then the paper's, in its order.

    Args:
        results: trained runs under one protocol.
        games: of the curves; by default those that were run.
        baseline: whose human is 100%.
        seed: of the bootstrap.

    Raises:
        RunDirectoryError: naming a file of a run that is missing or damaged.
    """
    wanted = list(dict.fromkeys(find(name).name for name in games))
    chosen = wanted or sorted({run.game for run in results.runs})
    yield from _traces(results, chosen)
    if chosen:
        papers = [game for game in PAPERS_GAMES if game in chosen]
        shown = wanted or papers or chosen[:AT_MOST]
        yield Plate(
            "fig2",
            "Score and mean action value over held-out states during training (Fig. 2)",
            curves.training_progress(results, shown),
        )
    number, human = len(scale(baseline)[0]), BASELINES[baseline].title
    yield Plate(
        "fig3",
        f"Human-normalised scores on {number} games, {human} (Fig. 3)",
        figures.normalised_bars(results, baseline),
    )
    damaged = {problem.file for problem in results.problems}
    for one in results.runs:
        folder = one.path / "inspection"
        if (folder / "inspection.json").exists() and folder not in damaged:
            yield from _inspected(one)
    if chosen:
        yield Plate("curves", "Learning curves", curves.learning_curves(results, chosen))
    yield Plate(
        "profiles",
        f"Performance profiles, {BASELINES[baseline].title}",
        figures.performance_profiles(results, baseline, seed),
    )


def _traces(results: Results, games: Sequence[str]) -> Iterator[Plate]:
    """Runs that logged enough, each game beside the original's own training, if that is known.

    First the value of all such games in one picture, if there are several.
    """
    traces = list[rule.Trace]()
    for game in games:
        if game not in original.games():
            continue
        ours = [runs.traced(run) for run in results.runs if run.game == game]
        enough = [one for one in ours if one and one.curve["v"].notna().any()]
        if enough:
            traces.append(rule.trace(enough))
    if len(traces) > 1:
        title = f"Value and weights of {len(traces)} games beside the original program's trainings"
        yield Plate("traces", title, panels.overview(traces))
    for trace in traces:
        yield Plate(f"trace-{trace.game}", words.caption(trace), panels.draw(trace))


def _inspected(run: Run) -> Iterator[Plate]:
    for key, title, place, drawing in (
        ("fig4", "Map of the last hidden layer by t-SNE", "Fig. 4", state_figures.embedding),
        (
            "values",
            "Value along a stretch of play",
            "Extended Data Fig. 2a",
            state_figures.value_stretch,
        ),
        (
            "actions",
            "Action values at four moments",
            "Extended Data Fig. 2b",
            state_figures.action_values,
        ),
    ):
        yield Plate(
            f"{key}-{run.game}-seed-{run.seed}",
            f"{title}, {run.title} ({place})",
            drawing(run.path / "inspection"),
        )
