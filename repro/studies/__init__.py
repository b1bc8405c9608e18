"""What one looks at when a network is trained: its values, its map of states, its video."""
