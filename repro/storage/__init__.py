"""A run on the disk: who holds it, its checkpoints, weights, games, and what proves it done."""
