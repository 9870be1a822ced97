"""Training steps over many devices: the smallest one, and how programs are read."""

import json
import subprocess
import sys

import pytest

from benchmarks.scale import programs, tables
from benchmarks.scale.collectives import Collective, by_kind, collectives_of
from benchmarks.scale.transformer import SIZES

PROGRAM = """HloModule jit_step

%sum (a: f32[], b: f32[]) -> f32[] {
  %a = f32[] parameter(0)
  ROOT %add = f32[] add(%a, %a)
}

%body (p: (s32[], f32[8,4])) -> (s32[], f32[8,4]) {
  %gathered = f32[8,4]{1,0} all-gather(%x), dimensions={0}
}

%once (p: f32[]) -> f32[] {
  %moved = bf16[2]{0} collective-permute(%y), source_target_pairs={{0,1}}
}

ENTRY %main (x: f32[2,4]) -> f32[2,4] {
  %loop = (s32[], f32[8,4]{1,0}) while(%t), condition=%c, body=%body, \
backend_config={"known_trip_count":{"n":"5"}}
  %other = f32[] while(%t), condition=%c, body=%once
  %both = (f32[3]{0}, f32[]) all-reduce(%a, %b), to_apply=%sum
}
""".replace("\\\n", "")


def test_collectives_of_loops_count_as_often_as_they_run():
    found = collectives_of(PROGRAM)
    assert found == [
        Collective("all-gather", 128, 5),
        Collective("all-reduce", 16, 1),
        Collective("collective-permute", 4, 1),
    ]
    assert by_kind([*found, Collective("all-reduce", 4, 2)])["all-reduce"] == (3, 24)


def test_sizes_are_those_of_their_names():
    counts = [programs.count(SIZES[name]) for name in ("10M", "100M", "1B", "7B")]
    for count, wanted in zip(counts, (1e7, 1e8, 1e9, 7e9), strict=True):
        assert count == pytest.approx(wanted, rel=0.15)
    assert counts[-1] > 2**32


@pytest.fixture(scope="module")
def builds():
    """Of the smallest size; a process of its own knows of no other number of devices."""
    names = [programs.SGD, "langevin"]
    command = [sys.executable, "-m", "benchmarks.scale.builds", "tiny", "1", *names]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])["builds"]


def test_a_sampler_adds_no_collective_and_only_its_state(builds):
    build, sgd = builds["langevin"], builds[programs.SGD]
    assert tables.beyond(build, sgd) == "none"
    assert build["arguments"] == pytest.approx(build["declared"], rel=0.01)
    assert build["reused"] == pytest.approx(build["outputs"], rel=0.01)
    assert tables.extra_memory(build, sgd) < 0.01
    assert build["state"] == pytest.approx(build["parameters"], abs=64)  # the momentum


def test_what_a_step_sends_beyond_another_is_told():
    sgd = {"collectives": [Collective("all-reduce", 262_400, 1)]}
    parts = [Collective("all-reduce", 262_144, 1), Collective("all-reduce", 260, 1)]
    assert tables.beyond({"collectives": parts}, sgd) == "+1 all-reduce, +4 B"
    assert tables.beyond(sgd, sgd) == "none"
