"""Damaged and hostile inputs: an error for users or a right result, nothing is run, memory and time stay bounded.

Other seeds, and more of them: ``HANDSSS_FUZZ_SEED=5 HANDSSS_FUZZ_TIMES=10 make test-slow``, or one kind by
``python -m tests.fuzz.run pictures --seed 5 --count 100000 --seconds 600``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.run import TARGETS, target_of

ROOT = Path(__file__).parents[2]
SEED = int(os.environ.get("HANDSSS_FUZZ_SEED", "0"))
TIMES = float(os.environ.get("HANDSSS_FUZZ_TIMES", "1"))

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="measures memory by Linux's /proc"),
]


@pytest.mark.parametrize("name", TARGETS)
def test_no_input_does_harm(name: str) -> None:
    if name == "onnx":
        pytest.importorskip("onnx")
    count = round(TIMES * target_of(name).count)
    command = [sys.executable, "-m", "tests.fuzz.run", name, "--seed", str(SEED), "--count", str(count)]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.stdout, f"it crashed at {done.stderr[-3000:]}"
    result = json.loads(done.stdout)
    assert result["inputs"] == count
    assert not result["faults"], json.dumps(result["faults"], indent=1)[:8000]
