"""Writes the pins of everything that all extras need, for the Python that runs it.

`make constraints` calls it once for each supported Python. It installs nothing.
"""

import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PYTHON = f"python-{sys.version_info[0]}.{sys.version_info[1]}"
# A torch wheel names the exact CUDA libraries it was built with; pinned here as well, they would
# stop jax from choosing its own.
LEFT_TO_TORCH = ("cuda-", "nvidia-", "triton")


def main() -> None:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    command = [*pip, "--dry-run", "--ignore-installed", "--report", "-", f"{ROOT}[dev]"]
    report = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    chosen = [package["metadata"] for package in report["install"] if not package["is_direct"]]
    # A local version ("2.13.0+cpu") exists on one platform only; "==2.13.0" accepts it there.
    versions = {row["name"].lower(): row["version"].partition("+")[0] for row in chosen}
    pins = [
        f"{name}=={version}"
        for name, version in sorted(versions.items())
        if not name.startswith(LEFT_TO_TORCH)
    ]
    file = ROOT / "constraints" / f"{PYTHON}.txt"
    lines = ["# Made by `make constraints`: the releases that the tests were run with.", *pins]
    file.write_text("\n".join(lines) + "\n")
    print(f"{file.relative_to(ROOT)}: {len(pins)} pins, jax {versions['jax']}")


if __name__ == "__main__":
    main()
