"""What `validate` found: one line per statistic, and a verdict."""

import dataclasses
import math

Z = 5.0  # standard errors: by chance, one check in two million is off by more


@dataclasses.dataclass(frozen=True)
class Check:
    """One statistic of one law, against its exact value."""

    law: str
    statistic: str
    where: str  # which coordinates it is about
    expected: float
    measured: float
    standard_error: float
    tolerance: float  # absolute; the bias of a finite step size that is forgiven

    @property
    def z(self) -> float:
        """The deviation in standard errors, all of it: the tolerance is not taken off."""
        return (self.measured - self.expected) / self.standard_error

    @property
    def excess(self) -> float:
        """The deviation beyond the tolerance, in standard errors; infinite if not a number."""
        if not math.isfinite(self.measured):
            return math.inf
        return (abs(self.measured - self.expected) - self.tolerance) / self.standard_error

    @property
    def passed(self) -> bool:
        """Whether the deviation is within tolerance and five standard errors."""
        return self.excess <= Z

    @property
    def verdict(self) -> str:
        """In a word."""
        if self.passed:
            return "ok"
        if not math.isfinite(self.measured):
            return "NOT FINITE"
        if self.statistic == "memory of the start":
            return "REMEMBERS"
        return "OFF"


@dataclasses.dataclass(frozen=True)
class ValidationReport:
    """The result of `validate`; true if all checks passed, and a table when printed."""

    temperature: float
    num_chains: int
    num_steps: int
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return not self.failures

    @property
    def failures(self) -> tuple[Check, ...]:
        """The checks that did not pass."""
        return tuple(check for check in self.checks if not check.passed)

    def __bool__(self) -> bool:
        """The same as `passed`, so that `assert validate(...)` says it all."""
        return self.passed

    def __str__(self) -> str:
        """A table with the worst check of each statistic."""
        verdict = "passed" if self.passed else "FAILED"
        lines = [
            f"{verdict}: {len(self.checks) - len(self.failures)} of {len(self.checks)} checks that "
            f"exp(-L / {self.temperature:g}) is left invariant, by {self.num_chains} chains of "
            f"{self.num_steps} steps"
        ]
        header = ("law", "statistic", "worst at", "expected", "measured", "std error", "z", "")
        rows = [header, *(_row(check) for check in _worst(self.checks))]
        widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
        for row in rows:
            cells = [
                cell.ljust(width) if i in (0, 1, 2, 7) else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            ]
            lines.append("  ".join(cells).rstrip())
        if any(check.verdict == "REMEMBERS" for check in self.failures):
            lines.append(
                "Chains remember where they started, so this test has little power: raise "
                "`num_steps` or `curvature`. What has stopped moving ends here too."
            )
        return "\n".join(lines)


def _worst(checks: tuple[Check, ...]) -> list[Check]:
    worst: dict[tuple[str, str], Check] = {}
    for check in checks:
        kind = (check.law, check.statistic)
        if kind not in worst or check.excess > worst[kind].excess:
            worst[kind] = check
    return list(worst.values())


def _row(check: Check) -> tuple[str, ...]:
    numbers = (check.expected, check.measured, check.standard_error)
    return (
        check.law,
        check.statistic,
        check.where,
        *(f"{number:.4f}" for number in numbers),
        f"{check.z:.1f}",
        check.verdict,
    )
