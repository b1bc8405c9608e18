"""What prioritised drawing costs by the size of the replay: microseconds, and per doubling.

The time of a draw of 32 from the sum tree, and of setting as many priorities, for 2^10 to 2^20
transitions. A cost that grows with the logarithm of the size grows by the same amount per doubling;
the last line says by how much, and how well a straight line fits.
"""

import argparse
import time
from collections.abc import Sequence

import numpy as np

from repro.prioritized import SumTree

COUNT = 32


def measure(size: int, repeats: int, generator: np.random.Generator) -> tuple[float, float]:
    """Median seconds of a draw and of a change of 32 among ``size``."""
    tree = SumTree(size)
    tree.fill(generator.random(size))
    draws, changes = [], []
    for _ in range(repeats):
        masses, values = generator.random(COUNT) * tree.total, generator.random(COUNT)
        began = time.perf_counter()
        found = tree.find(masses)
        drawn = time.perf_counter()
        tree.set(found, values)
        draws.append(drawn - began)
        changes.append(time.perf_counter() - drawn)
    return float(np.median(draws)), float(np.median(changes))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=2_000, help="per size [default 2000]")
    options = parser.parse_args(arguments)
    generator = np.random.default_rng(0)
    powers = np.arange(10, 21, 2)
    print("transitions   draw (us)   change (us)")
    times = []
    for power in powers:
        draw, change = measure(1 << int(power), options.repeats, generator)
        times.append((draw * 1e6, change * 1e6))
        print(f"{1 << int(power):11,} {times[-1][0]:11.1f} {times[-1][1]:13.1f}")
    for name, values in zip(("draw", "change"), np.array(times).T, strict=True):
        slope, _ = np.polyfit(powers, values, 1)
        fit = np.corrcoef(powers, values)[0, 1] ** 2
        print(f"{name}: {slope:.2f} us per doubling (straight line in the logarithm, R2 {fit:.3f})")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
