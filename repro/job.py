"""What job scripts call: a name that stays, since scripts wait in queues while the program changes.

``python -m repro.job SUITE GAME SEED [flags of repro train]``: see :mod:`repro.cluster.watcher`.
"""

import sys

from repro.cluster.watcher import main

if __name__ == "__main__":
    sys.exit(main())
