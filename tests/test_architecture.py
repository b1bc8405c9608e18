"""Who may import whom; what may not be loaded by what."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = ("repro", "wrappers", "paper_tables", "scripts", "results")
SHARED = ("games", "records", "tables", "places", "config", "storage.done", "system.disk")
# What a reader of DQN needs; nothing of the wings.
DQN = {
    "loop", "player", "schedule", "agent", "learner", "targets", "replay", "prioritized",
    "minibatches", "networks", "optim", "dense", "fast", "native", "onednn",
}  # fmt: skip
_FILES = {"config", "system", "storage", "games", "records", "tables", "places"}
_EXPERIMENT = _FILES | {"dqn", "experiment"}
ARROWS = {
    "dqn": {"config", "wrappers.state"},
    "config": {"system", "wrappers.protocol", "wrappers.settings"},
    "system": set(),
    "games": {"wrappers.ids"},
    "tables": {"wrappers.settings"},
    "records": {"system", "tables"},
    "places": {"config", "records"},
    "storage": {
        "__version__",
        "config",
        "system",
        "records",
        "tables",
        "dqn",
    },  # of the DQN the replay, which it stores
    "experiment": {"dqn", "config", "storage", "system", "wrappers.envs"},
    "evaluation": _EXPERIMENT
    | {"__version__", "wrappers.envs", "wrappers.roms", "wrappers.protocol"},
    "training": _EXPERIMENT | {"evaluation", "wrappers.envs"},
    "studies": _EXPERIMENT | {"evaluation", "wrappers.envs", "wrappers.frames"},
    "cluster": _FILES | {"dqn"},  # of the DQN the size of a replay
    "doctor": _FILES,
    "commands": _FILES | {"doctor", "evaluation", "training", "studies"},
    "job": {"cluster"},
    "cli": _FILES
    | {"__version__", "training", "paper_tables.studies", "wrappers.ids", "wrappers.protocol"},
    "__main__": {"cli"},
    "completion": {"cli", "games"},
    "__init__": set(),
}


def imports(path: Path) -> set[str]:
    """Dotted names of everything a file imports, wherever in the file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{name.name}" for name in node.names}
    return {name for name in found if name.split(".")[0] in OURS}


def modules(package: str) -> list[Path]:
    found = sorted((ROOT / package).rglob("*.py"))
    assert found
    return found


@pytest.mark.parametrize("path", modules("wrappers"), ids=str)
def test_wrappers_import_nothing_else_of_ours(path):
    assert all(name.startswith("wrappers.") for name in imports(path))


@pytest.mark.parametrize("path", modules("paper_tables"), ids=str)
def test_paper_tables_import_only_games_records_configurations_and_files(path):
    allowed = ("paper_tables.", *(f"repro.{name}" for name in SHARED))
    assert all(name.startswith(allowed) for name in imports(path))


@pytest.mark.parametrize("path", modules("repro"), ids=str)
def test_arrows_between_the_wings_point_one_way(path):
    """A module imports its own wing, and what ARROWS allows; the command line names the rest."""
    wing = wing_of(path)
    targets = {target_of(name) for name in imports(path)} - {wing}
    assert targets <= ARROWS[wing], targets - ARROWS[wing]


def test_there_is_an_arrow_for_each_wing():
    assert {wing_of(path) for path in modules("repro")} == set(ARROWS)


def wing_of(path: Path) -> str:
    """The folder of a module; of those at the door, what it is there for."""
    inside = path.relative_to(ROOT / "repro").with_suffix("").parts
    if len(inside) > 1:
        return inside[0]
    return "dqn" if inside[0] in DQN else inside[0]


def target_of(name: str) -> str:
    """Likewise for the dotted name of what is imported."""
    package, *inside = name.split(".")
    if package != "repro":
        return ".".join([package, *inside[:1]])
    if (ROOT / "repro" / inside[0]).is_dir():
        return inside[0]
    return "dqn" if inside[0] in DQN else inside[0]


@pytest.mark.parametrize(
    ("module", "forbidden"),
    [
        ("repro", {"torch", "ale_py", "gymnasium", "numpy"}),
        ("repro.cli", {"torch", "ale_py", "gymnasium", "pandas"}),
        ("repro.records", {"torch", "ale_py", "gymnasium"}),
        ("repro.replay", {"torch"}),
        ("repro.evaluation.protocols", {"torch", "ale_py"}),
        ("repro.evaluation.verify", {"torch", "ale_py", "gymnasium"}),
        ("repro.evaluation.verdict", {"torch", "ale_py"}),
        ("wrappers.protocol", {"gymnasium", "ale_py", "cv2"}),
        ("wrappers.envs", {"torch"}),
        ("paper_tables.tables", {"torch", "ale_py", "gymnasium"}),
        ("paper_tables.gallery", {"torch", "ale_py", "gymnasium", "cv2"}),
        ("paper_tables.report", {"torch", "ale_py", "gymnasium"}),
        ("paper_tables.commands", {"torch", "ale_py", "gymnasium", "pandas"}),
    ],
)
def test_importing_loads_nothing_heavy(module, forbidden):
    code = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert forbidden.isdisjoint(done.stdout.split())


@pytest.mark.parametrize("package", ["repro", "wrappers", "paper_tables"])
def test_no_module_outgrows_its_room(package):
    for path in modules(package):
        assert len(path.read_text().splitlines()) <= 330, path
