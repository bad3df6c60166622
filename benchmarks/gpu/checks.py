"""The tests of tests/cuda, on the device; every outcome is on the disk before the next test begins."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.gpu.stage import ROOT, keep, stage_parser


class Recorder:
    """A plugin of pytest that keeps outcomes in a stage's file."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.cases: list[dict[str, Any]] = []

    def pytest_runtest_logreport(self, report: Any) -> None:
        """A test, its preparation or its end."""
        if report.when != "call" and report.outcome == "passed":
            return
        case = {"test": report.nodeid, "outcome": report.outcome, "seconds": round(report.duration, 3)}
        if report.outcome == "failed":
            case["message"] = report.longreprtext[-1500:]
        elif report.outcome == "skipped":
            case["message"] = str(report.longrepr[-1] if isinstance(report.longrepr, tuple) else report.longrepr)[:300]
        case |= dict(report.user_properties)
        self.cases.append(case)
        self.keep()

    def keep(self) -> None:
        """Write what there is."""
        counts = {name: sum(case["outcome"] == name for case in self.cases) for name in ("passed", "failed", "skipped")}
        keep(self.target, counts | {"cases": self.cases})


def main() -> int:
    options = stage_parser(__doc__).parse_args()
    os.environ["HANDSSS_TEST_DEVICE"] = options.device
    import pytest

    recorder = Recorder(options.target)
    recorder.keep()
    words = ["-q", "-rA", "-p", "no:cacheprovider", "-p", "no:xdist", f"--basetemp={options.work / 'pytest'}"]
    files = [str(ROOT / "tests" / "cuda")]
    if options.device == "cuda":  # in Triton's interpreter these have a test of their own, test_in_the_interpreter
        files.append(str(ROOT / "tests" / "rendering" / "test_triton.py"))
    begin = time.monotonic()
    code = int(pytest.main([*words, *files], plugins=[recorder]))
    print(f"{time.monotonic() - begin:.0f} s")
    if code == 0 and not any(case["outcome"] == "passed" for case in recorder.cases):
        print("no test ran", file=sys.stderr)
        return 1
    return code


if __name__ == "__main__":
    sys.exit(main())
