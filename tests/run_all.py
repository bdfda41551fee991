"""Run every test on two cores: ``python tests/run_all.py``, what ``make test`` calls.

Tests keep one core busy. Those of ``tests/e2e`` build whole workspaces and share nothing with the
others, so that they run in a process of their own; what that prints is shown when the others have
ended.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent


def main() -> int:
    """Run both halves; the exit code is that of the first one that failed, else 0."""
    pytest = [sys.executable, "-m", "pytest", "--durations=15"]
    with tempfile.TemporaryFile() as printed:
        whole = subprocess.Popen(
            [*pytest, str(HERE / "e2e")], cwd=HERE.parent, stdout=printed, stderr=subprocess.STDOUT
        )
        parts = subprocess.run(
            [*pytest, f"--ignore={HERE / 'e2e'}", str(HERE)], cwd=HERE.parent, check=False
        )
        status = whole.wait()
        printed.seek(0)
        sys.stdout.write(printed.read().decode("utf-8", "replace"))
    return parts.returncode or status


if __name__ == "__main__":
    sys.exit(main())
