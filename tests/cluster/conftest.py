"""A throw-away SLURM for the tests."""

import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest
from slurm_cluster import Cluster, tiny

SCRIPT = Path(__file__).with_name("slurm_test_cluster.sh")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def cluster():
    # munge wants folders that everyone may enter, all the way down.
    folder = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))
    folder.chmod(0o755)
    environment = os.environ | {
        "SLURM_TEST_DIR": str(folder / "c"),
        "SLURM_TEST_CTLD_PORT": str(free_port()),
        "SLURM_TEST_D_PORT": str(free_port()),
        "SLURM_TEST_ANY_ADDR": "1",
        "SLURM_CONF": str(folder / "c" / "slurm.conf"),
        "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin",
        "OMP_NUM_THREADS": "1",
    }
    started = subprocess.run(
        [SCRIPT, "start"], env=environment, capture_output=True, text=True, check=False
    )
    if started.returncode:
        pytest.fail(f"SLURM did not start: {started.stderr}")
    yield Cluster(folder, environment)
    subprocess.run([SCRIPT, "stop"], env=environment, check=False)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def whole(cluster):
    """Breakout with seed 0, trained without SLURM and without a break."""
    suite = cluster.folder / "whole"
    cluster.repro("train", "breakout", *tiny(), "--out", suite, "--threads", 1, "--quiet")
    return suite / "breakout" / "seed-0"
