"""Jobs side by side: all are done, cores are shared out, and Ctrl-C loses nothing."""

import os

import pytest

from benchmarks.engine import workers

SEVERAL = 2


def cores_of(job):
    return sorted(os.sched_getaffinity(0)), os.getpid()


def failing(job):
    raise RuntimeError(f"job {job} failed")


def go_on():
    """There was no Ctrl-C."""


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system shares out no cores")
def test_all_jobs_are_done_each_on_cores_of_its_own():
    done = dict(workers.results(cores_of, range(6), SEVERAL, go_on))
    assert set(done) == set(range(6))
    cores = {process: own for own, process in done.values()}
    assert os.getpid() not in cores
    every = sorted(os.sched_getaffinity(0))
    assert all(own in [every[:1], every[1:2], every[::2], every[1::2]] for own in cores.values())
    # A short job may be done before the second process is there.
    assert len(cores) < SEVERAL or [*cores.values()][0] != [*cores.values()][1]


@pytest.mark.parametrize("count", [1, SEVERAL])
def test_after_an_interruption_nothing_is_begun_and_what_runs_is_kept(count):
    done = []

    def check():
        if done:
            raise KeyboardInterrupt

    def collect():
        for job, _ in workers.results(str, range(9), count, check):
            done.append(job)

    with pytest.raises(KeyboardInterrupt):
        collect()
    assert sorted(done) == list(range(count))


@pytest.mark.parametrize("count", [1, SEVERAL])
def test_an_error_of_a_job_is_raised(count):
    with pytest.raises(RuntimeError, match="job 0 failed"):
        list(workers.results(failing, [0], count, go_on))


def test_how_many_there_are(monkeypatch):
    monkeypatch.setattr(workers, "_cores", lambda: list(range(16)))
    assert workers.number(None) == workers.MOST
    assert workers.number(7) == 7
    monkeypatch.setattr(workers.jax, "default_backend", lambda: "gpu")
    assert workers.number(None) == 1
