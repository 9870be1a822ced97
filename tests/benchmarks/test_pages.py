"""Each experiment is a folder with its page, and what the pages show and say is there."""

import importlib
import pathlib
import re
import shlex

import pytest

from benchmarks import cli

ROOT = pathlib.Path(cli.__file__).parent
EXPERIMENTS = sorted({folder for folder, _ in cli.BENCHMARKS.values()} - {"demo"})
SHOWN = re.compile(r"!\[[^\]]+\]\(([^)]+)\)")
LINKED = re.compile(r"(?<!!)\[[^\]]+\]\(([^)#:]+)\)")
COMMAND = re.compile(r"`python -m benchmarks (\w[^`]*)`")
PAGES = [ROOT.parent / "README.md", *(ROOT.parent / "docs").glob("*.md"), *ROOT.rglob("*.md")]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_is_a_folder_with_a_page(name):
    experiment = importlib.import_module(f"benchmarks.{name}")
    assert callable(experiment.run) and callable(experiment.add_arguments)
    page = (ROOT / name / "README.md").read_text(encoding="utf-8")
    named = {command.split()[0] for command in COMMAND.findall(page)}
    assert {command for command, (folder, _) in cli.BENCHMARKS.items() if folder == name} <= named
    shown = {ROOT / name / picture for picture in SHOWN.findall(page)}
    assert shown == set((ROOT / name).rglob("*.png"))
    assert all(path.parent.name == "figures" for path in shown)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT.parent)))
def test_what_a_page_names_is_there(page):
    text = page.read_text(encoding="utf-8")
    for picture in SHOWN.findall(text):
        assert (page.parent / picture).exists(), picture
    for target in LINKED.findall(text):
        assert "benchmarks" not in target or (page.parent / target).exists(), target
    for path in re.findall(r"benchmarks/\w[\w/.]*\.(?:md|py|png)", text):
        assert (ROOT.parent / path).exists(), path
    for command in COMMAND.findall(text):
        assert cli._parser().parse_args(shlex.split(command)).run


def test_figures_are_nowhere_else():
    assert {path.parents[1].name for path in ROOT.rglob("*.png")} <= set(EXPERIMENTS)
