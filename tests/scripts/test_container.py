"""The recipes for containers: complete, alike, as documented; built where there is a tool."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "scripts" / "container"
DOCKER = (FOLDER / "Dockerfile").read_text()
APPTAINER = (FOLDER / "repro.def").read_text()
BUILD_SECONDS = 3_600


def section(name):
    """The lines of a section of the Apptainer recipe, without comments."""
    text = re.search(rf"^%{name}\n(.*?)(?=^%|\Z)", APPTAINER, re.MULTILINE | re.DOTALL)[1]
    lines = [line.strip() for line in text.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def instructions(name):
    return re.findall(rf"^{name} (.*)$", DOCKER, re.MULTILINE)


def copied():
    """What each recipe copies, by the name it has afterwards."""
    docker = {}
    for line in instructions("COPY"):
        *sources, target = line.split()
        for source in sources:
            docker[source] = target if target != "./" else f"./{source}"
    apptainer = dict(line.split() for line in section("files"))
    return docker, apptainer


def test_every_file_is_there_and_lands_under_its_own_name():
    docker, apptainer = copied()
    assert set(docker) == set(apptainer)
    for source in docker:
        assert (ROOT / source).exists(), source
    assert all(target == f"./{source}" for source, target in docker.items())
    (place,) = set(apptainer.values())
    assert instructions("WORKDIR")[0] == place.rstrip("/")


def test_both_recipes_do_the_same():
    post = section("post")
    assert post[0] == f"cd {instructions('WORKDIR')[0]}"
    assert post[1:] == instructions("RUN")
    assert re.findall(r"^From: (.*)$", APPTAINER, re.MULTILINE) == instructions("FROM")
    assert section("environment") == [f"export {line}" for line in instructions("ENV")]
    assert section("runscript") == ['exec repro "$@"']
    assert instructions("ENTRYPOINT") == ['["repro"]']


def test_the_commands_are_those_of_the_documentation():
    install = "pip install -e ."
    assert f"`{install}`" in (ROOT / "README.md").read_text()
    assert [line.replace("--no-cache-dir ", "") for line in section("post")][-1] == install
    guide = (ROOT / "docs" / "cluster.md").read_text()
    for recipe in (DOCKER, APPTAINER):
        for command in re.findall(r"^#   (.*)$", recipe, re.MULTILINE):
            assert f"\n{command}" in guide, command
    assert re.search(r'container = "(.*?)"', APPTAINER)[1] in guide


def test_the_python_is_one_that_the_project_takes():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (minor,) = re.findall(r"python:3\.(\d+)-slim", instructions("FROM")[0])
    least, below = re.findall(r"3\.(\d+)", project["requires-python"])
    assert int(least) <= int(minor) < int(below)


def test_what_is_copied_is_enough(tmp_path):
    """The command line, and a job's body, with nothing but these files of ours."""
    docker, _ = copied()
    for source in docker:
        if (ROOT / source).is_dir():
            skip = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / source, tmp_path / source, ignore=skip)
        else:
            shutil.copy(ROOT / source, tmp_path)
    project = tomllib.loads((tmp_path / "pyproject.toml").read_text())["project"]
    assert all(
        (tmp_path / name).exists() for name in [project["readme"], *project["license-files"]]
    )
    (tmp_path / "sub").mkdir()
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "import repro, wrappers, paper_tables\nfrom repro import cli\n"
        f"assert all(one.__file__.startswith({str(tmp_path)!r}) "
        "for one in (repro, wrappers, paper_tables))\n"
        "assert cli.main(['games']) == 0\n"
        "sys.exit(cli.main(['submit', 'pong', '--container', 'x', '--out', 'suite']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path / "sub", capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "PYTHON=(x python3)\n" in done.stdout


def tool(*probe):
    """Skip, saying why, where a tool is missing or does not work."""
    if shutil.which(probe[0]) is None:
        pytest.skip(f"{probe[0]} is not installed here: its recipe is not built")
    done = subprocess.run(probe, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        pytest.skip(f"`{' '.join(probe)}` fails here, so its recipe is not built: {said}")


def build_and_ask(build, ask):
    subprocess.run(build, cwd=ROOT, check=True, timeout=BUILD_SECONDS)
    done = subprocess.run(ask, capture_output=True, text=True, check=True, timeout=BUILD_SECONDS)
    assert "pong" in done.stdout


@pytest.mark.slow
def test_docker_builds_it():
    tool("docker", "info", "--format", "{{json .ServerVersion}}")
    image = "atari-repro-test"
    try:
        build = ["docker", "build", "-t", image, "-f", "scripts/container/Dockerfile", "."]
        build_and_ask(build, ["docker", "run", "--rm", image, "games"])
        python = ["docker", "run", "--rm", "--entrypoint", "python3", image, "-m", "repro.job"]
        help_ = subprocess.run([*python, "--help"], capture_output=True, text=True, check=True)
        assert "SUITE" in help_.stdout
    finally:
        subprocess.run(["docker", "image", "rm", "-f", image], capture_output=True, check=False)


@pytest.mark.slow
def test_apptainer_builds_it(tmp_path):
    tool("apptainer", "--version")
    image = tmp_path / "dqn.sif"
    build = ["apptainer", "build", str(image), "scripts/container/repro.def"]
    build_and_ask(build, ["apptainer", "run", str(image), "games"])
    python = ["apptainer", "exec", str(image), "python3", "-m", "repro.job", "--help"]
    assert "SUITE" in subprocess.run(python, capture_output=True, text=True, check=True).stdout
