"""A throw-away SLURM for the tests."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import pytest
from slurm_cluster import Cluster, tiny

SCRIPT = Path(__file__).with_name("slurm_test_cluster.sh")
NOBODY = 65534


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ordinary_user():
    """How root becomes an ordinary user: the words to put before a command.

    The user may read everything, for Python or this project may lie in root's home.
    """
    if os.geteuid():
        return []
    reader = "+dac_read_search"
    words = [
        "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
        f"--inh-caps={reader}", f"--ambient-caps={reader}",
    ]  # fmt: skip
    probe = [*words, "sh", "-c", '"$0" -c "import repro.cli"', sys.executable]
    tried = subprocess.run(probe, capture_output=True, text=True, check=False)
    if tried.returncode:
        warnings.warn(f"SLURM runs as root here: {tried.stderr.strip()}", stacklevel=1)
        return []
    return words


@pytest.fixture(scope="session")
def cluster():
    # munge wants folders that everyone may enter, all the way down.
    folder = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))
    folder.chmod(0o755)
    user = ordinary_user()
    if user:
        os.chown(folder, NOBODY, NOBODY)
    environment = os.environ | {
        "HOME": str(folder),
        "SLURM_TEST_DIR": str(folder / "c"),
        "SLURM_TEST_CTLD_PORT": str(free_port()),
        "SLURM_TEST_D_PORT": str(free_port()),
        "SLURM_TEST_ANY_ADDR": "1",
        "SLURM_CONF": str(folder / "c" / "slurm.conf"),
        "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin",
        "OMP_NUM_THREADS": "1",
    }
    control = [*user, str(SCRIPT)]
    started = subprocess.run(
        [*control, "start"], env=environment, capture_output=True, text=True, check=False
    )
    if started.returncode:
        pytest.fail(f"SLURM did not start: {started.stderr}")
    yield Cluster(folder, environment, user)
    subprocess.run([*control, "stop"], env=environment, check=False)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def suite(cluster, request):
    """A folder for one test's runs, which the cluster's user can write to."""
    folder = cluster.folder / request.node.name
    cluster.call("mkdir", folder)
    return folder


@pytest.fixture(scope="session")
def whole(cluster):
    """Breakout with seed 0, trained without SLURM and without a break."""
    suite = cluster.folder / "whole"
    # As a submitted run: what is done there keeps no checkpoint.
    cluster.repro(
        "train", "breakout", *tiny(), "--no-keep-checkpoint",
        "--out", suite, "--threads", 1, "--quiet",
    )  # fmt: skip
    return suite / "breakout" / "seed-0"
