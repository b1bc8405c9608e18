"""Puts this folder's helpers (exact, fake_emulator, golden_trajectories) on the import path."""

import sys
from pathlib import Path

HERE = str(Path(__file__).parent)
if HERE not in sys.path:
    sys.path.insert(0, HERE)
