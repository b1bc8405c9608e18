"""`repro` called in this process, with commands of SLURM made of some lines of bash."""

import stat

from repro import cli


def executable(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/bash\n" + text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def use(capsys, *words):
    """One call of the command line in this process: exit code, output, errors."""
    try:
        code = cli.main(list(map(str, words)))
    except SystemExit as end:
        code = int(end.code or 0)
    said = capsys.readouterr()
    return code, said.out, said.err
