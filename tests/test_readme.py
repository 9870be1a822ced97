"""The README's Python code runs, pasted into an empty file from top to bottom."""

import pathlib
import re

import jax
import pytest

README = pathlib.Path(__file__).parent.parent / "README.md"


@pytest.mark.usefixtures("standard_promotion")
def test_the_code_runs(capsys):
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.DOTALL)
    assert len(blocks) >= 4
    with jax.numpy_rank_promotion("allow"):
        exec(compile("\n".join(blocks), str(README), "exec"), {"__name__": "readme"})
    printed = capsys.readouterr().out
    measured = float(re.search(r"temperature \* N (\S+)", printed).group(1))
    assert 0.9 < measured < 1.1  # 4,500 correlated readings of 3 momenta: standard error 0.02
