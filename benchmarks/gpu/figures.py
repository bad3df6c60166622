"""`benchmarks/all.py` in a few minutes; the figures of every part are kept before the next one begins."""

from __future__ import annotations

import subprocess
import sys
import time

from benchmarks.gpu.stage import ROOT, keep, read, stage_parser

END = 5.0  # s for the page of figures, after the last part


def main() -> int:
    options = stage_parser(__doc__).parse_args()
    figures = options.work / "figures" / f"{options.device}.json"
    figures.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, str(ROOT / "benchmarks" / "all.py"), "--device", options.device, "--out", str(figures)]
    command += ["--minutes", f"{max(options.limit - END, 1.0) / 60:.3f}"]
    if options.device == "cpu":  # a rehearsal: two parts prove that it runs
        command += ["--quick", "--only", "layer", "losses"]
    process = subprocess.Popen(command, cwd=ROOT)
    before = {}
    while True:
        code = process.poll()
        found = read(figures)
        if found != before:
            keep(options.target, found)
            before = found
        if code is not None:
            return code
        time.sleep(0.5)


if __name__ == "__main__":
    sys.exit(main())
