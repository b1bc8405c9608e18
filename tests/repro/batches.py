"""Minibatches made by hand."""

import numpy as np

from repro.replay import Batch


def batch_of(windows, actions, rewards, terminals, discount=0.99):
    """Transitions as uniform replay of single steps would draw them."""
    count = len(actions)
    discounts = np.float32(discount) * ~np.asarray(terminals)
    return Batch(
        windows, np.arange(count), actions, rewards, terminals, discounts.astype(np.float32),
        np.ones(count, np.float32),
    )  # fmt: skip
