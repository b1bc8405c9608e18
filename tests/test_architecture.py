"""Who may import whom; what may not be loaded by what."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = ("repro", "wrappers", "paper_tables", "scripts", "results")
SHARED = ("games", "records", "config", "storage.done", "system.disk")
ENVIRONMENT_MODULES = {"experiment", "command", "session", "protocols", "random_player", "playback"}


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
def test_repro_imports_neither_tables_nor_scripts(path):
    """But for the command line, which hands its arguments to their commands."""
    found = imports(path)
    if path.stem == "cli":
        found -= {"paper_tables.commands"}
    assert all(name.startswith(("repro", "wrappers")) for name in found)


@pytest.mark.parametrize("path", modules("repro"), ids=str)
def test_only_a_few_rooms_of_repro_open_an_environment(path):
    """The protocol is a value that anyone may read; environments are for those who play."""
    opened = {name for name in imports(path) if name.startswith("wrappers")}
    opened = {name for name in opened if not name.startswith("wrappers.protocol.")}
    assert not opened or path.stem in ENVIRONMENT_MODULES


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
