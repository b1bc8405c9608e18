"""This machine: its disk, memory, signals, processes and terminal. Knows nothing of agents."""
