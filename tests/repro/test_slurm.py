"""`repro submit`: the script, the list of runs, site files, wrong use. Without SLURM."""

import dataclasses
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import executable, use

from repro import config, games, records
from repro.cluster import site, slurm, submit
from repro.config import ConfigError, flags
from repro.replay import ReplayMemory
from repro.storage.run import Run
from repro.system import machine

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "golden" / "submit.sh"
BODY = ROOT / "repro" / "cluster" / "body.sh"
TEMPLATE = ROOT / "scripts" / "sbatch_template.sh"


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """A folder that is all of PATH: a machine may have the real sbatch."""
    folder = tmp_path / "tools"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


RUNS = (("pong", 0), ("breakout", 0), ("pong", 1))
RUN_BYTES = machine.training_memory_bytes(ReplayMemory.bytes_needed(10**6, (84, 84), "u1"))
TRAIN = ("--preset", "nature", "--device", "cuda", "--threads", "4")


def script(where, python="python", runs=RUNS, suite=Path("/data/nature")):
    """The script of some runs."""
    elements = slurm.elements(runs, where.games_per_job)
    job = slurm.Job(suite / "jobs" / "1", "dqn-nature", 200_000_000, elements)
    return slurm.script(job, where, TRAIN, RUN_BYTES, python)


def gpu_site(**changes):
    values = {
        "partition": "gpu", "account": "lab", "time": "1-00:00:00", "gres": "gpu:1", "cpus": 8,
        "games_per_job": 2, "throttle": 20, "modules": "cuda gcc",
        "setup": "source /data/env/bin/activate", "extra": ("--qos=long",),
    }  # fmt: skip
    return site.Site(**values | changes)


def options(text):
    """The #SBATCH options of a script, by name."""
    lines = re.findall(r"^#SBATCH (--[\w-]+)(?:=(.*))?$", text, re.MULTILINE)
    return dict(lines)


# --- the script --------------------------------------------------------------------------


def test_the_script_is_the_golden_one_and_the_body():
    made = script(gpu_site(), "/data/env/bin/python")
    assert made == GOLDEN.read_text() + "\n" + BODY.read_text()


def test_the_script_is_bash(tmp_path):
    made = tmp_path / "submit.sh"
    made.write_text(script(gpu_site(), "/data/env/bin/python"))
    done = subprocess.run(["bash", "-n", made], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_is_not_asked_for_is_not_in_the_script():
    text = script(site.Site(), "python")
    assert not {"--partition", "--account", "--gres", "--qos"} & set(options(text))
    assert "module" not in text


def test_the_template_is_the_same_script():
    """Its end is a copy of repro/cluster/body.sh: whoever changes that puts it there, too."""
    template, made = TEMPLATE.read_text(), GOLDEN.read_text()
    assert template.endswith("\n" + BODY.read_text())
    mine, theirs = options(template), options(made)
    must = {"--array", "--time", "--cpus-per-task", "--mem", "--signal", "--requeue"}
    must |= {"--open-mode", "--output", "--nodes", "--ntasks"}
    assert must <= set(mine) <= set(theirs)
    for name in ("--signal", "--requeue", "--open-mode", "--nodes", "--ntasks"):
        assert mine[name] == theirs[name]
    variable = re.compile(r"^([A-Z_]+)=", re.MULTILINE)
    assert set(variable.findall(template)) == set(variable.findall(made))
    memory = script(site.Site(), "python")
    assert mine["--mem"] == options(memory)["--mem"]


@pytest.mark.parametrize("per_job", [1, 2, 3, 7])
def test_every_run_is_in_one_element(per_job):
    runs = [(game, seed) for seed in range(5) for game in "abcd"]
    parts = slurm.elements(runs, per_job)
    assert [run for part in parts for run in part] == runs
    assert all(len(part) == per_job for part in parts[:-1])
    text = script(site.Site(games_per_job=per_job), runs=runs)
    assert options(text)["--array"] == f"0-{len(parts) - 1}"


def test_memory_holds_the_replays_of_all_runs_of_a_job():
    one = RUN_BYTES
    for count in (1, 4):
        text = script(site.Site(games_per_job=count), "python")
        found = int(options(text)["--mem"].removesuffix("M")) * 2**20
        assert 1.1 * count * one < found < 1.2 * count * one
    assert 7.7e9 < one < 7.9e9
    text = script(site.Site(memory_gb=16), "python")
    assert options(text)["--mem"] == "15259M"


def test_paths_with_spaces_and_percent_signs_are_quoted():
    suite = Path("/data/my 50% suite")
    text = script(site.Site(), suite=suite)
    assert options(text)["--output"] == "'/data/my 50%% suite/jobs/1/%a.log'"
    assert "SUITE='/data/my 50% suite'\n" in text


def test_a_container_brings_its_own_python():
    text = script(site.Site(container="apptainer exec --nv dqn.sif"), "/my/python")
    assert "PYTHON=(apptainer exec --nv dqn.sif python3)\n" in text


# --- the script at work, with a training that is no training --------------------------------


def run_script(tmp_path, training, signal=None, scontrol="", **environment):
    """Run a made script with `python -m repro.job` replaced by some lines of bash."""
    tools = tmp_path / "tools"
    python = executable(tools / "python", f"suite=$7 game=$8 seed=$9\n{training}")
    calls = tmp_path / "calls"
    executable(
        tools / "scontrol",
        f'echo "$@" >>{calls}\n{scontrol or "[ $1 = show ] && echo JobState=RUNNING; true"}',
    )
    executable(tools / "sbatch", f'echo sbatch "$@" >>{calls}')
    file = executable(
        tmp_path / "script.sh", script(site.Site(games_per_job=2), str(python), suite=tmp_path)
    )
    variables = {"PATH": f"{tools}:/usr/bin:/bin", "SLURM_ARRAY_JOB_ID": "7"} | environment
    process = subprocess.Popen(
        ["bash", file], env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if signal:
        while len(list(tmp_path.glob("started-*"))) < 2:
            assert process.poll() is None
        process.send_signal(signal)
    said, _ = process.communicate(timeout=30)
    return process.returncode, said, calls.read_text() if calls.exists() else ""


DONE = "mkdir -p $suite/$game/seed-$seed; touch $suite/$game/seed-$seed/done.json"
WAITS = (
    "trap 'echo $game got USR1 >>$suite/got; exit 138' USR1\n"
    "trap 'echo $game got TERM >>$suite/got; exit 143' TERM\n"
    "touch $suite/started-$game\nwhile true; do sleep 0.05; done"
)


def test_an_element_runs_its_runs_and_no_others(tmp_path):
    code, said, calls = run_script(tmp_path, f"echo $game $seed; {DONE}")
    assert (code, sorted(said.split("\n"))) == (0, ["", "breakout 0", "pong 0"])
    code, said, calls = run_script(tmp_path, f"echo $game $seed; {DONE}", SLURM_ARRAY_TASK_ID="1")
    assert (code, said, calls) == (0, "pong 1\n", "")


def test_finished_and_given_up_runs_start_nothing(tmp_path):
    for place in ("pong/seed-0/done.json", "breakout/seed-0/failure.json"):
        (tmp_path / place).parent.mkdir(parents=True)
        (tmp_path / place).touch()
    assert run_script(tmp_path, "echo started") == (0, "", "")


@pytest.mark.parametrize("number", [10, 15])
def test_a_signal_reaches_every_run_and_the_job_goes_back(tmp_path, number):
    code, said, calls = run_script(tmp_path, WAITS, number)
    assert code == 0
    name = {10: "USR1", 15: "TERM"}[number]
    got = (tmp_path / "got").read_text().splitlines()
    assert sorted(got) == [f"breakout got {name}", f"pong got {name}"]
    assert calls == "show job 7_0\nrequeue 7_0\n"
    assert "goes back into the queue" in said


def test_a_job_that_was_cancelled_does_not_come_back(tmp_path):
    ending = "[ $1 = show ] && echo JobState=COMPLETING; true"
    code, said, calls = run_script(tmp_path, WAITS, 15, ending)
    assert (code, calls) == (1, "show job 7_0\n")
    assert "goes back" not in said


def test_where_a_requeue_is_refused_a_job_is_left_to_go_on(tmp_path):
    refuses = "[ $1 = show ] && echo JobState=RUNNING"
    _, _, calls = run_script(tmp_path, WAITS, 10, refuses)
    left = f"sbatch --dependency=afterany:7_0 --array=0 {tmp_path}/jobs/1/submit.sh"
    assert calls.splitlines()[-1] == left


def test_a_controller_that_restarts_is_asked_again(tmp_path):
    restarting = (
        "[ $1 = show ] || exit 0\n"
        f"[ -e {tmp_path}/asked ] || {{ touch {tmp_path}/asked; exit 1; }}\n"
        "echo JobState=RUNNING"
    )
    code, said, calls = run_script(tmp_path, WAITS, 10, restarting)
    assert code == 0
    assert calls == "show job 7_0\nshow job 7_0\nrequeue 7_0\n"
    assert "goes back into the queue" in said


def test_work_left_behind_is_said_and_is_no_success(tmp_path):
    refuses = "[ $1 = show ] && echo JobState=RUNNING"
    code, said, _ = run_script(tmp_path, WAITS, 15, refuses)
    assert code == 1
    assert "7_0 ends, unfinished: pong 0; breakout 0;" in said


def test_a_signal_as_all_runs_end_changes_nothing(tmp_path):
    training = (
        f"trap '{DONE}; exit 0' USR1; touch $suite/started-$game; while :; do sleep 0.05; done"
    )
    assert run_script(tmp_path, training, 10) == (0, "", "")


def test_a_job_whose_runs_never_start_ends_with_the_names(tmp_path):
    code, said, calls = run_script(tmp_path, "exit 127")
    assert (code, calls) == (1, "")
    assert "7_0 ended without a result: pong 0; breakout 0;" in said


def test_a_run_that_was_given_up_fails_its_job(tmp_path):
    fails = "mkdir -p $suite/$game/seed-0; touch $suite/$game/seed-0/failure.json; exit 1"
    code, _, calls = run_script(tmp_path, fails)
    assert (code, calls) == (1, "")


# --- what is asked for -----------------------------------------------------------------------


def test_seeds():
    assert flags.seeds("3") == [3]
    assert flags.seeds("0-4") == [0, 1, 2, 3, 4]


def test_games_by_name_by_file_and_all(tmp_path):
    listed = tmp_path / "games.txt"
    listed.write_text("# the first\nPong\n\nspace_invaders  # and this\n")
    nature = config.preset("nature")
    assert submit.read_games([str(listed), "pong"], nature) == ["pong", "space_invaders"]
    assert len(submit.read_games(["all"], nature)) == 49
    assert submit.read_games(["CartPole-v1"], config.preset("cartpole")) == ["CartPole-v1"]


def test_a_list_of_a_million_lines_is_read_or_refused(tmp_path, monkeypatch):
    listed, looked_up = tmp_path / "games.txt", []
    known = games.find
    monkeypatch.setattr(games, "find", lambda name: looked_up.append(name) or known(name))
    listed.write_text("Pong\npong\n" * 500_000)
    nature = config.preset("nature")
    assert submit.read_games([str(listed)] * 10_000, nature) == ["pong"]
    assert looked_up == ["Pong", "pong"]
    listed.write_text("".join(f"Env{number}-v1\n" for number in range(1_000_000)))
    with pytest.raises(ConfigError, match="1,000,000 environments; at most 1,000"):
        submit.read_games([str(listed)], config.preset("cartpole"))


def test_changedthat_were_written_are_read_back():
    default = config.preset("nature")
    chosen = dataclasses.replace(
        default,
        protocol=dataclasses.replace(
            default.protocol, minimal_actions=False, luminance_weights=(0.1, 0.2, 0.7)
        ),
        agent=dataclasses.replace(default.agent, network="linear", learning_rate=1e-5),
        training=dataclasses.replace(default.training, frames=1_000),
    )
    words = flags.write_settings(default, chosen)
    parser = flags.OneLineParser()
    flags.add_settings(parser, default)
    assert flags.read_settings(parser.parse_args(words), default) == chosen
    assert flags.write_settings(default, default) == []


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 5_400), ("90:30", 5_430), ("24:00:00", 86_400), ("2-12", 216_000),
        ("1-00:30", 88_200), ("1-00:00:01", 86_401),
    ],
)  # fmt: skip
def test_time_limits_as_sbatch_takes_them(text, seconds):
    assert site.Site(time=text).time_seconds == seconds


@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["plain", "marked"])  # as editors leave it
def test_a_site_file_and_a_flag_before_it(tmp_path, capsys, mark):
    file = tmp_path / "site.toml"
    text = 'partition = "gpu"\ncpus = 4\nmemory_gb = 20\nextra = ["--qos=long"]\n'
    file.write_text(mark + text, "utf-8")
    words = ["submit", "pong", "--site", file, "--cpus", 2, "--out", tmp_path / "s"]
    code, out, _ = use(capsys, *words)
    found = options(out)
    assert code == 0
    assert (found["--partition"], found["--qos"]) == ("gpu", "long")
    assert found["--cpus-per-task"] == "2"
    assert "--threads 2" in out


@pytest.mark.parametrize("key", ["partition", "account", "gres", "extra"])
@pytest.mark.parametrize(
    "value",
    [
        "gpu\n#SBATCH --wrap=x", "gpu\r#SBATCH --wrap=x", "gpu\u2028x", "gpu --wrap=x",
        "gpu\t--wrap=x", "gpu\u00a0--wrap=x", "gpu' --wrap=x", 'gpu" --wrap=x', "gpu\\",
        " --wrap=x", "gpu -x",
    ],
)  # fmt: skip
def test_a_value_that_would_say_more_than_its_key_is_refused(tmp_path, capsys, key, value):
    file = tmp_path / "site.toml"
    text = json.dumps("--qos=" + value)
    file.write_text(f"{key} = [{text}]\n" if key == "extra" else f"{key} = {json.dumps(value)}\n")
    code, out, err = use(capsys, "submit", "pong", "--site", file, "--out", tmp_path / "s")
    assert (code, out) == (2, "")
    assert err.startswith(f"repro: {file}: {key} ")
    assert len(err.splitlines()) == 1


def test_values_as_clusters_have_them_are_one_option_each():
    """Asked of the shell, which takes words apart as sbatch does."""
    where = site.Site(
        partition="gpu,gpu-long", account="lab.42@site", gres="gpu:a100:2,tmp:3G",
        extra=("--qos=long", "-C a100", '--comment="two words"', "--exclusive"),
    )  # fmt: skip
    text = script(where, "python")
    lines = [line for line in text.splitlines() if line.startswith("#SBATCH ")]
    count = "set -- {}; for one; do case $one in -*) n=$((n+1)); esac; done; echo $n"
    for line in lines:
        command = count.format(line.removeprefix("#SBATCH "))
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
        assert done.stdout == "1\n", line
    assert options(text)["--partition"] == "gpu,gpu-long"


def test_without_run_nothing_is_written_and_the_runs_are_listed(tmp_path, capsys, tools):
    suite = tmp_path / "suite"
    words = ["submit", "pong", "Breakout", "--seeds", "0-1", "--out", suite, "--frames", "1e6"]
    code, out, err = use(capsys, *words)
    assert code == 0
    assert not suite.exists()
    assert out.startswith("#!/bin/bash\n")
    assert (
        "TRAIN=(--preset nature --device cpu --threads 1 --frames 1000000 --no-keep-checkpoint)\n"
        in out
    )
    assert err.splitlines() == [
        "element 0: pong seed 0", "element 1: breakout seed 0", "element 2: pong seed 1",
        "element 3: breakout seed 1",
    ]  # fmt: skip


def test_what_is_done_or_of_another_configuration(tmp_path, capsys, tools):
    run = tmp_path / "pong" / "seed-0"
    run.mkdir(parents=True)
    identity = Run("pong", 0, "nature", config.preset("nature")).identity()
    records.write_json(run / "config.json", {"schema": 1, **identity})
    words = ["submit", "pong", "breakout", "--out", tmp_path]
    # A start that came to nothing is no run; `repro train` begins it anew, and so may a job.
    code, out, _ = use(capsys, *words, "--frames", 1_000_000)
    assert code == 0
    assert "'pong 0'" in out
    (run / "learning.csv").touch()
    for changed, difference in (
        (("--frames", 1_000_000), "training.frames is 200000000 there, 1000000 here"),
        (("--preset", "nature-text"), "preset is 'nature' there, 'nature-text' here"),
    ):
        code, _, err = use(capsys, *words, *changed)
        assert code == 0
        assert difference in err.splitlines()[0]
        code, _, err = use(capsys, "submit", "pong", "--out", tmp_path, *changed)
        assert code == 2
        assert difference in err
        assert len(err.splitlines()) == 1
    records.write_json(run / "done.json", {"mean_return": 1.0, "frames": 200_000_000})
    code, out, err = use(capsys, *words)
    assert code == 0
    assert "'breakout 0'" in out
    assert "'pong 0'" not in out
    assert "left out: 1 run: 1 done" in err
    code, out, _ = use(capsys, "submit", "pong", "--out", tmp_path)
    assert (code, out) == (0, f"nothing to submit to {tmp_path}: 1 run: 1 done\n")


# --- GPUs and memory -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ["--gres", "gpu:1"], ["--gres", "tmp:3G,gpu:a100:2"], ["--gres", "gres:gpu"],
        ["--extra=--gres=gpu"], ["--extra=--gres gpu:2"], ["--extra=--gpus=1"],
        ["--extra=--gpus 1"], ["--extra=--gpus=a100:10"], ["--extra=--gpus-per-node=2"],
        ["--extra=--gpus-per-task=v100:1"], ["--extra=--gpus-per-socket=1"], ["--extra=-G1"],
        ["--extra=-G 1"], ["--extra=--tres-per-task=cpu:4,gres/gpu:1"],
        ["--extra=--qos=long", "--extra=-Ga100:1"],
    ],
)  # fmt: skip
def test_a_gpu_is_used_however_it_is_asked_for(tmp_path, capsys, words):
    suite = tmp_path / "s"
    code, out, err = use(capsys, "submit", "pong", "--out", suite, *words)
    assert (code, err) == (0, "element 0: pong seed 0\n")
    assert "TRAIN=(--preset nature --device cuda --threads 1 --no-keep-checkpoint)\n" in out
    code, out, err = use(capsys, "submit", "pong", "--out", suite, "--device", "cpu", *words)
    assert "--device cpu" in out
    assert re.search(r"^each job gets a GPU \(.*\) that --device cpu does not use$", err, re.M)


@pytest.mark.parametrize(
    "words",
    [
        [], ["--gres", "tmp:3G"], ["--gres", "gpu:0"], ["--gres", "none"], ["--gres", "gpu:a100:0"],
        ["--extra=--gpus=0"], ["--extra=-G0"], ["--extra=-G a100:0"], ["--partition", "gpu"],
        ["--extra=--comment=gpu:1"], ["--extra=--cpus-per-gpu=4"], ["--extra=--gpu-bind=closest"],
    ],
)  # fmt: skip
def test_what_asks_for_no_gpu_trains_on_the_processor(tmp_path, capsys, words):
    code, out, err = use(capsys, "submit", "pong", "--out", tmp_path / "s", *words)
    assert (code, err) == (0, "element 0: pong seed 0\n")
    assert "--device cpu" in out


def test_a_gpu_that_the_users_environment_asks_sbatch_for(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("SBATCH_GPUS_PER_NODE", "1")
    _, out, err = use(capsys, "submit", "pong", "--out", tmp_path / "s")
    assert "--device cuda" in out
    _, _, err = use(capsys, "submit", "pong", "--out", tmp_path / "s", "--device", "cpu")
    assert "each job gets a GPU (--gpus-per-node=1) that --device cpu does not use\n" in err
    for name, nothing in (("GPUS_PER_NODE", "0"), ("GPUS_PER_NODE", ""), ("GRES", 'tmp:"1')):
        monkeypatch.delenv("SBATCH_GPUS_PER_NODE", raising=False)
        monkeypatch.setenv(f"SBATCH_{name}", nothing)
        assert "--device cpu" in use(capsys, "submit", "pong", "--out", tmp_path / "s")[1]


# As the sbatch of a site that wants memory per processor core, and of any other.
REFUSES_MEMORY = """
grep -q '^#SBATCH --mem=' "$2" && { echo "memory by node is not supported" >&2; exit 1; }
[ "$(grep -c '^#SBATCH --mem-per' "$2")" -le 1 ] || { echo "mutually exclusive" >&2; exit 1; }
echo 4242
"""


@pytest.mark.parametrize(
    ("words", "memory"),
    [
        (["--memory-option", "none"], []),
        (["--memory-option", "mem-per-cpu"], ["--mem-per-cpu=8513M"]),
        (["--memory-option", "mem-per-cpu", "--cpus", 4], ["--mem-per-cpu=2129M"]),
        (["--memory-option", "mem-per-cpu", "--memory-gb", 8.388608], ["--mem-per-cpu=8000M"]),
        (["--extra=--mem-per-cpu=4G"], ["--mem-per-cpu=4G"]),
        (["--extra=--mem-per-gpu=4G", "--extra=--gpus=1"], ["--mem-per-gpu=4G"]),
    ],
)
def test_memory_as_a_site_wants_to_be_asked(tmp_path, capsys, tools, words, memory):
    executable(tools / "sbatch", f"export PATH=/usr/bin:/bin\n{REFUSES_MEMORY}")
    suite = tmp_path / "s"
    code, _, err = use(capsys, "submit", "pong", "--out", suite, "--run")
    assert (code, err) == (1, "repro: sbatch failed: memory by node is not supported\n")
    code, out, err = use(capsys, "submit", "pong", "--out", suite, "--run", *words)
    assert code == 0, err
    assert out.startswith("1 runs submitted as job 4242; ")
    text = (suite / "jobs" / "2" / "submit.sh").read_text()
    assert re.findall(r"^#SBATCH (--mem.*)", text, re.MULTILINE) == memory


def test_binding_of_memory_is_no_amount():
    where = site.Site(extra=("--mem-bind=local",))
    assert {"--mem", "--mem-bind"} <= set(options(script(where)))


# --- sbatch --------------------------------------------------------------------------------


def test_sbatch_gets_the_script_and_its_answer_is_kept(tmp_path, capsys, tools):
    executable(tools / "sbatch", f'echo "$@" >{tmp_path}/called; echo "4711;cluster"')
    executable(tools / "squeue", "true")
    suite = tmp_path / "suite"
    given_up = suite / "pong" / "seed-1" / "failure.json"
    given_up.parent.mkdir(parents=True)
    given_up.write_text("{}")
    words = ["submit", "pong", "--seeds", "0", "1", "--out", suite, "--run"]
    code, out, err = use(capsys, *words)
    assert code == 0, err
    script = suite / "jobs" / "1" / "submit.sh"
    assert out == f"2 runs submitted as job 4711; {script}\n"
    assert (tmp_path / "called").read_text() == f"--parsable {script}\n"
    assert f"SCRIPT={script}\n" in script.read_text()
    record = json.loads((script.parent / "submission.json").read_text())
    assert record["job"] == "4711"
    assert record["elements"] == [[["pong", 0]], [["pong", 1]]]
    assert record["command"] == "repro " + " ".join(map(str, words))
    assert not given_up.exists()
    # Now both are planned, and squeue, which knows of none, makes them missing.
    code, out, err = use(capsys, *words)
    assert code == 0
    assert (suite / "jobs" / "2" / "submit.sh").exists()


def test_what_squeue_knows_of_is_not_submitted_again(tmp_path, capsys, tools):
    executable(tools / "sbatch", "echo 1")
    suite = tmp_path / "suite"
    words = ["submit", "pong", "--seeds", "0-2", "--out", suite, "--run"]
    assert use(capsys, *words)[0] == 0
    script = suite / "jobs" / "1" / "submit.sh"
    executable(
        tools / "squeue",
        f"echo 'PENDING|0|Priority|{script}'\necho 'RUNNING|2|None|{script}'\n"
        "echo 'RUNNING|1|None|/another/suite/submit.sh'\necho 'RUNNING|N/A|None|(null)'\n",
    )
    code, _, err = use(capsys, *words)
    assert code == 0
    record = json.loads((suite / "jobs" / "2" / "submission.json").read_text())
    assert record["elements"] == [[["pong", 1]]]
    assert "left out: 2 runs: 1 running, 1 queued" in err


def test_odd_characters_in_what_squeue_says_do_no_harm(tmp_path, capsys, tools):
    executable(tools / "sbatch", "echo 1")
    suite = tmp_path / "a|b"
    words = ["submit", "pong", "--seeds", "0-1", "--out", suite, "--run"]
    assert use(capsys, *words)[0] == 0
    script = suite / "jobs" / "1" / "submit.sh"
    executable(
        tools / "squeue",
        f"printf '%b' 'PENDING|0|held|by \\033[31m|{script}\\n' 'RUNNING|1|\\xff\\r|{script}\\n' "
        f"'\\n|||\\n' 'RUNNING|0' '|\\u2028{script}\\n'",
    )
    assert use(capsys, *words)[:2] == (
        0,
        f"nothing to submit to {suite}: 2 runs: 1 running, 1 queued\n",
    )
    code, out, err = use(capsys, "status", suite, "--json")
    assert (code, err) == (0, "")
    assert [run["note"] for run in json.loads(out)] == ["held|by ?[31m", ""]
    executable(tools / "squeue", "printf 'no\\033[2Jcontroller\\u2028here' >&2; exit 1")
    code, _, err = use(capsys, *words)
    assert (code, err) == (1, "repro: squeue failed: no?[2Jcontroller?here\n")


@pytest.mark.parametrize("name", ["a\0b", "a\udcffb", "a\nb"])
def test_a_submission_whose_name_no_command_could_be_given_is_damaged(
    tmp_path, capsys, tools, name
):
    executable(tools / "squeue", "true")
    record = {"name": name, "job": "1", "frames": 1, "elements": [[["pong", 0]]]}
    file = tmp_path / "jobs" / "1" / "submission.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(record))
    code, out, err = use(capsys, "status", tmp_path)
    assert (code, out) == (2, "")
    assert err == f"repro: {file} is damaged; mend or remove it\n"


@pytest.mark.parametrize(
    ("sbatch", "needle"),
    [
        (None, "there is no sbatch here"),
        ("echo 'sbatch: error: invalid account' >&2; exit 1", "sbatch: error: invalid account"),
    ],
)
def test_a_submission_that_is_refused_leaves_no_record(tmp_path, capsys, tools, sbatch, needle):
    if sbatch:
        executable(tools / "sbatch", sbatch)
    failure = tmp_path / "s" / "pong" / "seed-0" / "failure.json"
    failure.parent.mkdir(parents=True)
    failure.write_text("{}\n")
    code, out, err = use(capsys, "submit", "pong", "--out", tmp_path / "s", "--run")
    assert (code, out) == (1, "")
    assert needle in err
    assert len(err.splitlines()) == 1
    assert [path.name for path in (tmp_path / "s" / "jobs").rglob("*")] == [".lock", "1"]
    assert failure.read_text() == "{}\n"


def test_a_queue_that_cannot_be_asked_stops_a_submission(tmp_path, capsys, tools):
    executable(tools / "sbatch", "echo 1")
    words = ["submit", "pong", "--out", tmp_path / "s"]
    assert use(capsys, *words, "--run")[0] == 0
    executable(tools / "squeue", "echo 'slurm_load_jobs error: no controller' >&2; exit 1")
    code, out, err = use(capsys, *words, "--run")
    assert (code, out) == (1, "")
    assert "no controller" in err
    code, out, err = use(capsys, *words)
    assert code == 0
    assert "what is queued is not known" in err


# --- wrong use -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "needle"),
    [
        (["pongg"], "did you mean 'pong'"),
        (["{tmp}/empty"], "names no game"),
        (["pong", "--seeds", "-1"], "zero or more"),
        (["pong", "--seeds", "4-1"], "no range of seeds"),
        (["pong", "--seeds", "x"], "not a number"),
        (["pong", "--time", "tomorrow"], "time 'tomorrow' is not a limit"),
        (["pong", "--time", "0"], "no time at all"),
        (["pong", "--time", "1:2:3:4"], "is not a limit"),
        (["pong", "--time", "1", "--signal-seconds", "90"], "half the time limit"),
        (["pong", "--games-per-job", "0"], "at least 1"),
        (["pong", "--memory-gb", "-1"], "at least 0"),
        (["pong", "--memory-gb", "nan"], "memory_gb must be at least 0"),
        (["pong", "--memory-gb", "inf"], "memory_gb must be at least 0"),
        (["pong", "--memory-gb", "1e300"], "memory_gb must be at least 0"),
        (["pong", "--site", "{tmp}/nan.toml"], "memory_gb must be at least 0"),
        (["pong", "--memory-option", "mem-per-node"], "must be one of mem, mem-per-cpu, none"),
        (["pong", "--max-array", "0"], "max_array must be at least 1"),
        (["pong", "--time", "9" * 5_000], "is not a limit"),
        (["pong", "--setup", "a\0b"], "setup must be one line of printable"),
        (["{tmp}/latin"], "latin: 'utf-8' codec can't decode"),
        (["all", "--preset", "cartpole"], "`all` are the Atari games"),
        (
            ["../../evil", "--preset", "cartpole"],
            "'../../evil' cannot be the name of",
        ),
        (["..", "--preset", "cartpole"], "'..' cannot be the name of a run's folder"),
        (["{tmp}/escape", "--preset", "cartpole"], "'a/../b' cannot be the name of a run's folder"),
        (["pong", "--out", "{tmp}/a\\b"], "has a backslash or a control character"),
        (["pong", "--out", "{tmp}/a\nb"], "has a backslash or a control character"),
        (["pong", "--out", "{tmp}/a\x1bb"], "has a backslash or a control character"),
        (["pong", "--out", "{tmp}/a\udcffb"], "has a backslash or a control character"),
        (["pong", "--extra=qos"], "not an option of sbatch"),
        (["pong", "--account", "a\nb"], "one line"),
        (["pong", "--partition", "gpu --wrap=x"], "partition 'gpu --wrap=x' must be one word"),
        (["pong", "--extra=--qos=long --wrap=x"], "each needs a text of its own"),
        (["pong", "--site", "{tmp}/none.toml"], "cannot read the site file"),
        (["pong", "--site", "{tmp}/broken.toml"], "cannot read the site file"),
        (["pong", "--site", "{tmp}/unknown.toml"], "unknown key 'partion'; there are: partition,"),
        (["pong", "--site", "{tmp}/type.toml"], "cpus must be a whole number, got 'four'"),
        (["pong", "--site", "{tmp}/list.toml"], "extra must be a list of texts"),
        (["pong", "--minibatch", "0"], "minibatch must be in [1, inf)"),
        (["pong", "--preset", "nature2016"], "no preset named"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(words, needle, tmp_path, capsys):
    (tmp_path / "empty").write_text("\n# nothing\n")
    (tmp_path / "latin").write_bytes(b"pong\n\xe9\n")
    (tmp_path / "escape").write_text("a/../b\n")
    (tmp_path / "nan.toml").write_text("memory_gb = nan\n")
    (tmp_path / "broken.toml").write_text("cpus = \n")
    (tmp_path / "unknown.toml").write_text('partion = "gpu"\n')
    (tmp_path / "type.toml").write_text('cpus = "four"\n')
    (tmp_path / "list.toml").write_text('extra = "--qos=long"\n')
    code, out, err = use(
        capsys, "submit", *(word.replace("{tmp}", str(tmp_path)) for word in words)
    )
    assert code == 2
    assert needle in err
    assert len(err.splitlines()) == 1
    assert out == ""


@pytest.mark.parametrize("words", [["submit", "all", "--seeds", "0-4"], ["status"]])
def test_the_commands_load_nothing_heavy(words, tmp_path):
    code = (
        "import sys\nfrom repro import cli\n"
        f"cli.main({[*words, *(['--out'] if words[0] == 'submit' else []), str(tmp_path)]!r})\n"
        "print({'torch', 'ale_py', 'gymnasium', 'pandas'} & set(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=os.environ
    )
    assert done.stderr.splitlines()[-1] == "set()"


def test_a_wrong_site_value_is_refused_by_name():
    with pytest.raises(ConfigError, match="attempts must be at least 1"):
        site.Site(attempts=0)


def test_one_run_of_another_configuration_blocks_no_other(tmp_path, capsys):
    suite = tmp_path / "suite"
    other = Run("pong", 0, "nature", config.preset("machado2018"))
    with other.directory(suite / "pong" / "seed-0") as place:
        (place.path / "learning.csv").write_text("step\n1\n")
    code, out, err = use(capsys, "submit", "pong", "breakout", "--seeds", "0-1", "--out", suite)
    assert code == 0, err
    assert "left out: " in err
    assert "pong/seed-0 belongs to another configuration" in err
    runs = [line.split(": ")[1].split(" (")[0] for line in err.splitlines() if "element" in line]
    assert sorted(runs) == ["breakout seed 0", "breakout seed 1", "pong seed 1"]
    code, out, err = use(capsys, "submit", "pong", "--out", suite)
    assert (code, out) == (2, "")
    assert "belongs to another configuration" in err
