"""The README's Python code runs, pasted into an empty file from top to bottom."""

import pathlib
import re

import jax
import pytest

import thermo_optax as to

README = pathlib.Path(__file__).parent.parent / "README.md"


@pytest.mark.usefixtures("standard_promotion")
def test_the_code_runs(capsys):
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.DOTALL)
    assert blocks
    with jax.numpy_rank_promotion("allow"):
        exec(compile("\n".join(blocks), str(README), "exec"), {"__name__": "readme"})
    printed = capsys.readouterr().out
    measured = float(re.search(r"temperature \* N (\S+)", printed).group(1))
    assert 0.9 < measured < 1.1  # 4,500 correlated readings of 3 momenta: standard error 0.02


def test_what_it_names_exists():
    """Of the table of tasks, and of its pictures and links."""
    text = README.read_text()
    tasks = [line.split("|")[2] for line in text.splitlines() if line.startswith("| ")][2:]
    names = {name for cell in tasks for name in re.findall(r"`(\w+)`", cell)}
    assert len(names) > 20
    assert not [name for name in names if not hasattr(to, name)]
    links = re.findall(r"\]\(([^)#]+)\)", text)
    assert not [link for link in links if ":" not in link and not (README.parent / link).exists()]


def test_it_is_a_front_page():
    prose = re.sub(r"```.*?```", "", README.read_text(), flags=re.DOTALL)
    words = [line for line in prose.splitlines() if not line.startswith("|")]
    assert len(" ".join(words).split()) <= 1_000
