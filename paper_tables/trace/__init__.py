"""A run beside the original program's own training log of its game: broken, or just slow?

``original`` and ``runs`` give curves of one kind, ``rule`` compares and judges them, ``panels``
and ``words`` show what it found.
"""
