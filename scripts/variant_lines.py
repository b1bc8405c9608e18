"""How many lines of code each variant of DQN takes, counted: the table of the README.

Counted are the lines, without comments, docstrings and blank ones, that read a field of the variant
or a name that is there for it (of an `if` with its body), and those of functions and classes that
are there for it alone. With --write the table in the document is made anew.
"""

import argparse
import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "README.md"
BEGIN, END = "<!-- begin: scripts/variant_lines.py -->\n", "<!-- end -->\n"


@dataclass(frozen=True)
class Variant:
    """A variant: its title, its fields, and what is there for it alone.

    ``whole`` are functions and classes, ``names`` variables and attributes, by module and name.
    """

    title: str
    fields: tuple[str, ...]
    whole: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


VARIANTS = (
    Variant(
        "Double DQN", ("double_q",), ("targets.chooser",), ("targets.choice", "learner._chooser")
    ),
    Variant("one bias for all actions", ("shared_bias",)),
    Variant("dueling network", ("dueling",), ("networks.DuelingCNN",), ("networks.DuelingCNN",)),
    Variant("bounds on the gradient", ("gradient_norm", "gradient_value")),
    Variant(
        "n-step returns",
        ("return_steps",),
        ("replay.ReplayMemory._cut",),
        ("replay._steps", "replay.steps", "replay.over", "replay.shares"),
    ),
    Variant("loss", ("loss",), ("learner.td_losses",)),
    Variant("optimiser", ("optimiser", "optimiser_epsilon", "weight_decay", "amsgrad")),
    Variant("following target network", ("target_share",), ("targets.renew",)),
    Variant("no target network", ("target_network",)),
    Variant("exponential epsilon", ("epsilon_schedule",)),
    Variant(
        "prioritised replay",
        ("priority_exponent", "priority_offset", "importance_start", "importance_steps"),
        ("prioritized.SumTree", "prioritized.PrioritizedReplay", "learner.Learner.errors"),
        ("experiment.PrioritizedReplay", "loop.learned", "learner._errors"),
    ),
    Variant("no replay", (), ("replay.LatestTransitions",), ("experiment.LatestTransitions",)),
    Variant("MLP of any shape", ("mlp_widths",), ("networks.MLP",)),
)


def modules() -> Iterator[Path]:
    """Those at the door, where the agent is."""
    yield from sorted((ROOT / "repro").glob("*.py"))


def code_lines(tree: ast.AST, lines: Sequence[str]) -> set[int]:
    """Numbers of the lines of a syntax tree that are neither blank, comment nor docstring."""
    found: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt):
            found |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            found -= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return {n for n in found if lines[n - 1].strip() and not lines[n - 1].lstrip().startswith("#")}


def reading(tree: ast.AST, fields: Sequence[str], names: Sequence[str] = ()) -> Iterator[ast.stmt]:
    """The innermost statements that read a field of a configuration, or use a name."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.stmt) or isinstance(node, ast.FunctionDef | ast.ClassDef):
            continue
        inner = [one for one in ast.walk(node) if isinstance(one, ast.stmt) and one is not node]
        deeper = {id(part) for one in inner for part in ast.walk(one)}
        parts = [part for part in ast.walk(node) if id(part) not in deeper]
        if any(_uses(part, fields, names) for part in parts):
            yield node


def _uses(part: ast.AST, fields: Sequence[str], names: Sequence[str]) -> bool:
    if isinstance(part, ast.Attribute):
        owner = ast.unparse(part.value).split(".")[-1].strip("_")
        return part.attr in names or (part.attr in fields and owner in ("config", "settings"))
    return isinstance(part, ast.Name) and part.id in names


def count(variant: Variant) -> tuple[int, int]:
    """Lines of code, and in how many modules."""
    total = files = 0
    for path in modules():
        text = path.read_text()
        lines, tree = text.splitlines(), ast.parse(text)
        found: set[int] = set()
        names = [one.split(".")[1] for one in variant.names if one.split(".")[0] == path.stem]
        for node in reading(tree, variant.fields, names):
            found |= code_lines(ast.Module([node], []), lines)
        for name in variant.whole:
            module, *inside = name.split(".")
            if module == path.stem:
                found |= code_lines(ast.Module([_find(tree, inside)], []), lines)
        total += len(found)
        files += bool(found)
    return total, files


def _find(tree: ast.Module | ast.ClassDef, names: Sequence[str]) -> ast.stmt:
    (node,) = (one for one in tree.body if getattr(one, "name", "") == names[0])
    if len(names) == 1:
        return node
    assert isinstance(node, ast.ClassDef)
    return _find(node, names[1:])


def table() -> str:
    """The table, in Markdown."""
    rows = ["| variant | fields | lines | files |", "| --- | --- | ---: | ---: |"]
    for variant in VARIANTS:
        lines, files = count(variant)
        fields = ", ".join(f"`{name}`" for name in variant.fields) or '`replay = "latest"`'
        rows.append(f"| {variant.title} | {fields} | {lines} | {files} |")
    return "\n".join(rows) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print or write the table. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="into the README")
    if parser.parse_args(arguments).write:
        before, rest = DOCUMENT.read_text().split(BEGIN)
        DOCUMENT.write_text(before + BEGIN + table() + END + rest.split(END)[1])
    else:
        print(table(), end="")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
