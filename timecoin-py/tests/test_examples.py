"""What the documentation shows runs, and prints what it should."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_the_payment_story_is_told_as_in_the_other_languages(script, tmp_path):
    story = (ROOT / "examples/python/pay.py").read_text()
    done = script(story, str(tmp_path / "data"))
    assert (done.stderr, done.returncode) == ("", 0)
    assert done.stdout == (ROOT / "examples/expected.txt").read_text()


def test_the_network_story_is_told_as_in_the_other_languages(script):
    done = script((ROOT / "examples/python/network.py").read_text())
    assert (done.stderr, done.returncode) == ("", 0)
    assert done.stdout == (ROOT / "examples/expected-network.txt").read_text()


def test_the_story_of_processes_is_told_as_in_the_other_languages(script, tmp_path):
    story = (ROOT / "examples/python/processes.py").read_text()
    done = script(story, str(tmp_path / "data"), timeout=300)
    assert (done.stderr, done.returncode) == ("", 0)
    assert done.stdout == (ROOT / "examples/expected-processes.txt").read_text()


@pytest.mark.parametrize("readme", ["README.md", "timecoin-py/README.md"])
def test_the_readme_runs(script, readme):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / readme).read_text(), re.DOTALL)
    assert blocks
    for block in blocks:
        done = script(block)
        assert (done.stderr, done.returncode) == ("", 0)
