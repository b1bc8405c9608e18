"""The 2015 DQN agent and its experiments. Importing this loads neither torch nor the emulator."""

__version__ = "0.5.0"
