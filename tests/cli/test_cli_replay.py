"""What `saccade replay` cannot do is said in a line, before anything runs."""

import pytest

from saccade.cli import USAGE, main
from saccade.cli.session import fresh_folder
from saccade.errors import ConfigError


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-j", "0"], "--jobs 0"),
        (["-j", "-3"], "at least one job"),
        (["--seed", "-1"], "a seed of 0 or more"),
        (["--speed", "nan"], "--speed 'nan': expected max"),
        (["--speed", "inf"], "--speed 'inf': expected max"),
        (["--speed", "0"], "--speed '0': expected max"),
    ],
)
def test_numbers_that_cannot_be_are_refused(arguments, said, capsys):
    assert main(["replay", "drive.mcap", *arguments]) == USAGE
    assert said in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"cannot make --out .*file/run"):
        fresh_folder(tmp_path / "file" / "run")
    assert fresh_folder(tmp_path / "a" / "b").is_dir()
