"""`repro submit --run`: several arrays, answers that do not come, two submissions at once."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import executable, use

from repro.cluster import slurm


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """A folder that is all of PATH: a machine may have the real sbatch."""
    folder = tmp_path / "tools"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    for name in [name for name in os.environ if name.startswith(("SQUEUE", "SBATCH", "SLURM"))]:
        monkeypatch.delenv(name)
    return folder


def record(suite, number):
    return json.loads((suite / "jobs" / str(number) / "submission.json").read_text())


def begin(*words):
    """`repro` in a process of its own."""
    command = [sys.executable, "-m", "repro.cli", *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(path, process):
    while not path.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)


# --- more runs than an array may have ------------------------------------------------------


# As SLURM: the number after the last index must not be above MaxArraySize.
REFUSES_LONG_ARRAYS = """
while read -r line; do [[ $line == "#SBATCH --array=0-"* ]] && last=${line##*-}; done <"$2"
[ "$last" -lt 3 ] || { echo "sbatch: error: Invalid job array specification" >&2; exit 1; }
echo $((70 + last))
"""


def test_more_jobs_than_an_array_may_have_are_several_arrays(tmp_path, capsys, tools):
    executable(tools / "sbatch", REFUSES_LONG_ARRAYS)
    suite = tmp_path / "suite"
    words = ["submit", "pong", "breakout", "--seeds", "0-3", "--games-per-job", 2]
    words += ["--out", suite, "--run"]
    code, _, err = use(capsys, *words)
    assert (code, err) == (
        1,
        "repro: sbatch failed: sbatch: error: Invalid job array specification\n",
    )
    code, out, err = use(capsys, *words, "--max-array", 3)
    assert code == 0
    jobs = suite / "jobs"
    assert out.splitlines() == [
        f"6 runs submitted as job 72; {jobs}/2/submit.sh",
        f"2 runs submitted as job 70; {jobs}/3/submit.sh",
    ]
    pairs = [[["pong", seed], ["breakout", seed]] for seed in range(4)]
    assert [record(suite, number)["elements"] for number in (2, 3)] == [pairs[:3], pairs[3:]]
    lines = err.splitlines()
    assert lines[0] == "2 arrays of at most 3 jobs"
    assert lines[1] == "array 2, element 0: pong seed 0"
    assert lines[-1] == "array 3, element 0: breakout seed 3"
    # The second was lost: only it is submitted again.
    waiting = "".join(f"echo 'PENDING|{n}|None|{jobs}/2/submit.sh'\n" for n in range(3))
    executable(tools / "squeue", waiting)
    assert use(capsys, *words)[0] == 0
    assert record(suite, 4)["elements"] == pairs[3:]


def test_all_games_with_21_seeds_fit_into_slurms_default(tmp_path, capsys, tools):
    """1,029 runs; MaxArraySize is 1,001."""
    code, out, _ = use(capsys, "submit", "all", "--seeds", "0-20", "--out", tmp_path)
    assert code == 0
    arrays = [line for line in out.splitlines() if line.startswith("#SBATCH --array")]
    assert arrays == ["#SBATCH --array=0-999", "#SBATCH --array=0-28"]
    assert out.count("#!/bin/bash\n") == 2


# --- answers that do not come --------------------------------------------------------------


NO_ANSWERS = {
    "timeout": "echo 'sbatch: error: Batch job submission failed: Socket timed out on "
    "send/recv operation' >&2; exit 1",
    "zero bytes": "echo 'sbatch: error: Batch job submission failed: Zero Bytes were transmitted "
    "or received' >&2; exit 1",
    "silence": "exec /bin/sleep 30",
    "killed": "kill -KILL $$",
    "no number": "echo hello",
}


@pytest.mark.parametrize("sbatch", NO_ANSWERS)
def test_what_may_have_been_accepted_is_not_submitted_again(
    tmp_path, capsys, tools, monkeypatch, sbatch
):
    monkeypatch.setattr(slurm, "_QUERY_SECONDS", 1)
    suite = tmp_path / "suite"
    script = suite / "jobs" / "1" / "submit.sh"
    executable(tools / "sbatch", NO_ANSWERS[sbatch])
    executable(tools / "squeue", f"echo 'PENDING|0|Priority|{script}'")
    words = ["submit", "pong", "--out", suite, "--run"]
    code, out, err = use(capsys, *words)
    assert (code, out) == (1, "")
    assert err.endswith(f"; {script} is in the queue all the same, and counts as submitted\n")
    assert len(err.splitlines()) == 1
    assert script.exists()
    assert (record(suite, 1)["job"], record(suite, 1)["elements"]) == (None, [[["pong", 0]]])
    executable(tools / "sbatch", "echo 8")
    code, out, _ = use(capsys, *words)
    assert (code, out) == (0, f"nothing to submit to {suite}: 1 run: 1 queued\n")


BANNERS = {
    "before": ("echo '*** Welcome to north ***'; echo 'quota: 12 of 100'; echo 4711", "4711", ""),
    "after": ("echo '4711;north'; echo; echo 'Budget left: 1200 h'", "4711", "north"),
    "both, indented": ("echo '== 2026 =='; printf '  4711 \\r\\n'; echo 'see 99.log'", "4711", ""),
    "a sentence": ("echo hi; echo 'Submitted batch job 4711'; echo bye", "4711", ""),
    "on a cluster": ("echo 'Submitted batch job 4711 on cluster north'", "4711", "north"),
    "in colours": ("printf '\\033[32mok\\033[0m\\n4711\\n'", "4711", ""),
}


@pytest.mark.parametrize("banner", BANNERS)
def test_an_sbatch_that_says_more_than_the_jobs_number(tmp_path, capsys, tools, banner):
    sbatch, job, cluster = BANNERS[banner]
    executable(tools / "sbatch", sbatch)
    suite = tmp_path / "suite"
    code, out, _ = use(capsys, "submit", "pong", "--out", suite, "--run")
    assert (code, out) == (0, f"1 runs submitted as job {job}; {suite}/jobs/1/submit.sh\n")
    assert (record(suite, 1)["job"], record(suite, 1)["cluster"]) == (job, cluster)


@pytest.mark.parametrize(
    ("squeue", "needle"),
    [
        ("true", "/jobs/1/submit.sh is not in the queue so far;"),
        ("echo 'no controller' >&2; exit 1", "is not known (squeue failed: no controller);"),
        (None, "/jobs/1/submit.sh was accepted is not known;"),
    ],
)
def test_a_job_may_still_come_after_squeue_was_asked(tmp_path, capsys, tools, squeue, needle):
    suite = tmp_path / "suite"
    executable(tools / "sbatch", NO_ANSWERS["timeout"])
    if squeue:
        executable(tools / "squeue", squeue)
    words = ["submit", "pong", "--out", suite, "--run"]
    code, out, err = use(capsys, *words)
    assert (code, out) == (1, "")
    assert f"{needle} its runs count as queued for 5 minutes, then as missing\n" in err
    assert len(err.splitlines()) == 1
    executable(tools / "squeue", "true")
    executable(tools / "sbatch", "echo 8")
    assert use(capsys, *words)[1] == f"nothing to submit to {suite}: 1 run: 1 queued\n"
    file = suite / "jobs" / "1" / "submission.json"
    os.utime(file, (time.time() - 310,) * 2)
    if squeue:  # it came late
        executable(tools / "squeue", f"echo 'RUNNING|0|None|{suite}/jobs/1/submit.sh'")
        assert use(capsys, *words)[1] == f"nothing to submit to {suite}: 1 run: 1 running\n"
    else:  # it never came
        assert use(capsys, *words)[1] == f"1 runs submitted as job 8; {suite}/jobs/2/submit.sh\n"


def test_ctrl_c_while_sbatch_is_at_work(tmp_path, capsys, tools):
    suite = tmp_path / "suite"
    called = tmp_path / "called"
    script = suite / "jobs" / "1" / "submit.sh"
    executable(tools / "sbatch", f">{called}; exec /bin/sleep 30")
    executable(tools / "squeue", f"[ -e {called} ] && echo 'PENDING|0|None|{script}'")
    words = ["submit", "pong", "--out", suite, "--run"]
    process = begin(*words)
    wait_for(called, process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (130, "")
    assert err.splitlines() == [
        f"repro: {script} is in the queue all the same, and counts as submitted",
        "repro: interrupted",
    ]
    assert use(capsys, *words)[1] == f"nothing to submit to {suite}: 1 run: 1 queued\n"


def test_a_refused_submissions_number_is_not_used_again(tmp_path, capsys, tools):
    suite = tmp_path / "suite"
    executable(tools / "sbatch", "echo 'sbatch: error: invalid account' >&2; exit 1")
    words = ["submit", "pong", "--out", suite, "--run"]
    assert use(capsys, *words)[0] == 1
    assert not list((suite / "jobs" / "1").iterdir())
    executable(tools / "sbatch", "echo 9")
    code, out, _ = use(capsys, *words)
    assert (code, out) == (0, f"1 runs submitted as job 9; {suite}/jobs/2/submit.sh\n")


# --- what a user's environment says ----------------------------------------------------------


def test_squeue_is_asked_for_all_whatever_the_environment_says(
    tmp_path, capsys, tools, monkeypatch
):
    """A squeue that, as the real one, shows no job in another state than SQUEUE_STATES."""
    suite = tmp_path / "suite"
    waiting = f"echo 'PENDING|0|None|{suite}/jobs/1/submit.sh'"
    executable(tools / "sbatch", "echo 5")
    executable(
        tools / "squeue",
        f'[ "$SQUEUE_STATES$SQUEUE_USERS$SQUEUE_PARTITION$SLURM_CLUSTERS" ] || {waiting}',
    )
    words = ["submit", "pong", "--out", suite, "--run"]
    assert use(capsys, *words)[0] == 0
    for name in ("SQUEUE_STATES", "SQUEUE_USERS", "SQUEUE_PARTITION", "SLURM_CLUSTERS"):
        monkeypatch.setenv(name, "RUNNING")
        assert use(capsys, *words)[1] == f"nothing to submit to {suite}: 1 run: 1 queued\n"
        monkeypatch.delenv(name)
    (run,) = json.loads(use(capsys, "status", suite, "--json")[1])
    assert (run["state"], run["note"]) == ("queued", "")  # "None" is squeue's word for no reason


def test_sbatch_keeps_a_users_defaults_but_not_another_name(tmp_path, capsys, tools, monkeypatch):
    seen = tmp_path / "seen"
    executable(tools / "sbatch", f"export -p >{seen}; echo 5")
    for name in ("ACCOUNT", "PARTITION", "JOB_NAME", "WAIT", "ARRAY_INX"):
        monkeypatch.setenv(f"SBATCH_{name}", "x")
    assert use(capsys, "submit", "pong", "--out", tmp_path / "s", "--run")[0] == 0
    names = {line.split("=")[0] for line in seen.read_text().splitlines() if "SBATCH" in line}
    assert names == {"declare -x SBATCH_ACCOUNT", "declare -x SBATCH_PARTITION"}


def test_a_job_on_another_cluster_is_found_there(tmp_path, capsys, tools):
    suite = tmp_path / "suite"
    executable(tools / "sbatch", "echo '5;north'")
    waiting = f"echo 'CLUSTER: north'; echo 'PENDING|0|None|{suite}/jobs/1/submit.sh'"
    executable(tools / "squeue", f'[[ "$@" != *--clusters=north* ]] || {{ {waiting}; }}')
    words = ["submit", "pong", "--out", suite, "--run"]
    assert use(capsys, *words)[0] == 0
    assert (record(suite, 1)["job"], record(suite, 1)["cluster"]) == ("5", "north")
    assert use(capsys, *words)[1] == f"nothing to submit to {suite}: 1 run: 1 queued\n"


# --- two at once -----------------------------------------------------------------------------


def test_two_submissions_at_once_submit_once(tmp_path, capsys, tools):
    suite = tmp_path / "suite"
    called, go_on = tmp_path / "called", tmp_path / "go-on"
    waits = f"echo x >>{called}; while [ ! -e {go_on} ]; do /bin/sleep 0.05; done; echo 3"
    executable(tools / "sbatch", waits)
    executable(tools / "squeue", f"echo 'PENDING|0|None|{suite}/jobs/1/submit.sh'")
    words = ["submit", "pong", "--out", suite, "--run"]
    first = begin(*words)
    wait_for(called, first)
    code, out, err = use(capsys, *words)
    assert (code, out) == (1, "")
    assert err.startswith(
        f"repro: another submission to {suite} is at work: process {first.pid} on "
        f"{os.uname().nodename} since "
    )
    assert len(err.splitlines()) == 1
    go_on.touch()
    assert first.communicate(timeout=20)[0].startswith("1 runs submitted as job 3;")
    code, out, _ = use(capsys, *words)
    assert (code, out) == (0, f"nothing to submit to {suite}: 1 run: 1 queued\n")
    assert called.read_text() == "x\n"


# --- paths ------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def latin(tmp_path_factory):
    """Variables of an environment whose locale is not of UTF-8."""
    folder = tmp_path_factory.mktemp("locale")
    words = ["localedef", "-i", "en_US", "-f", "ISO-8859-1", folder / "en_US.ISO-8859-1"]
    made = shutil.which("localedef") and subprocess.run(words, capture_output=True, check=False)
    if not made or made.returncode:
        pytest.skip("no localedef that makes ISO-8859-1 (Debian: apt-get install locales)")
    return {"LOCPATH": str(folder), "LC_ALL": "en_US.ISO-8859-1"}


@pytest.mark.parametrize(
    "name", ["résultats".encode(), "résultats".encode("latin-1"), "łódź".encode()]
)
def test_paths_keep_their_bytes_in_any_locale(tmp_path, tools, latin, name):
    """Written as UTF-8 or not; in the script, between us and SLURM, and from a site file."""
    suite = os.fsencode(tmp_path) + b"/" + name
    environment = {"PATH": f"{tools}:/usr/bin:/bin", **latin}
    executable(tools / "sbatch", 'printf "%s" "$2" >"$0.said"; echo 5')
    executable(tools / "squeue", 'printf "PENDING|0|None|%s\\n" "$(cat "${0%squeue}sbatch.said")"')
    site = tmp_path / "site.toml"
    site.write_text('setup = "source /data/łódź/activate"\n', encoding="utf-8")
    words = [b"submit", b"pong", b"--site", os.fsencode(site), b"--out", suite]

    def submit(*more):
        command = [sys.executable, "-m", "repro.cli", *words, *more]
        done = subprocess.run(command, env=environment, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    printed = submit()
    said = submit("--run")
    script = suite + b"/jobs/1/submit.sh"
    shown = re.sub(rb"[\x80-\x9f]", b"?", script)  # what such a terminal would obey
    assert said == b"1 runs submitted as job 5; " + shown + b"\n"
    assert (tools / "sbatch.said").read_bytes() == script
    assert Path(os.fsdecode(script)).read_bytes() == printed
    for line in (
        b"#SBATCH --output='%s/jobs/1/%%a.log'\n", b"SUITE='%s'\n",
        b"SCRIPT='%s/jobs/1/submit.sh'\n",
    ):  # fmt: skip
        assert line % suite in printed
    assert "source /data/łódź/activate\n".encode() in printed
    # The same path is found in the queue.
    assert submit("--run").startswith(b"nothing to submit to ")


@pytest.mark.parametrize("words", [["submit", "pong", "--run"], ["submit", "pong"], ["status"]])
def test_what_a_stream_cannot_show_has_a_backslash(tmp_path, tools, words):
    suite = tmp_path / "łódź"
    (suite / "pong" / "seed-0").mkdir(parents=True)
    (suite / "pong" / "seed-0" / "config.json").write_text("{}")
    executable(tools / "sbatch", "echo 5")
    words = [*words, *([] if words == ["status"] else ["--out"]), suite]
    done = subprocess.run(
        [sys.executable, "-m", "repro.cli", *words], capture_output=True, check=False,
        env={"PATH": f"{tools}:/usr/bin:/bin", "PYTHONIOENCODING": "ascii", "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    if "--run" in words:
        assert done.stdout.endswith(b"\\u0142\\xf3d\\u017a/jobs/1/submit.sh\n")
    elif "submit" in words:  # a script has to have the path
        assert "/łódź/jobs/1/submit.sh'\n".encode() in done.stdout
