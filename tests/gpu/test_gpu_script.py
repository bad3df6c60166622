"""`make gpu`: stages that are cut, weights in parts, packages that travel, and a rehearsal of everything on the CPU."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from benchmarks.gpu import stage, summary, weights, wheels
from benchmarks.gpu.__main__ import STAGES, limits

ROOT = Path(__file__).parents[2]
# Let into every Python that is started: connections to anywhere but this machine are written down, and fail.
BLOCKED = """
import os, socket
_connect = socket.socket.connect
def connect(self, address):
    if self.family == socket.AF_UNIX or (isinstance(address, tuple) and str(address[0]) in ("127.0.0.1", "::1")):
        return _connect(self, address)
    with open(os.environ["CONNECTIONS"], "a") as stream:
        stream.write(f"{address}\\n")
    raise OSError("no network here")
def getaddrinfo(host, *rest, **more):
    if host in (None, "localhost", "127.0.0.1", "::1", socket.gethostname()):
        return _getaddrinfo(host, *rest, **more)
    with open(os.environ["CONNECTIONS"], "a") as stream:
        stream.write(f"{host}\\n")
    raise socket.gaierror("no network here")
_getaddrinfo, socket.getaddrinfo, socket.socket.connect = socket.getaddrinfo, getaddrinfo, connect
"""


def test_weights_in_parts(tmp_path: Path) -> None:
    content = os.urandom(100_000)
    (tmp_path / "w.safetensors").write_bytes(content)
    folder = tmp_path / "out"
    folder.mkdir()
    made = weights.split(tmp_path / "w.safetensors", folder, part=30_000)
    assert [path.name for path in made] == [
        "weights.part0",
        "weights.part1",
        "weights.part2",
        "weights.part3",
        "weights.json",
    ]
    assert b"".join(path.read_bytes() for path in made[:-1]) == content  # as `cat` joins them
    assert weights.join(folder, tmp_path / "again") == 100_000 and (tmp_path / "again").read_bytes() == content
    made[2].write_bytes(b"x" * 30_000)
    with pytest.raises(ValueError, match=r"weights.part2 is not what was written"):
        weights.join(folder, tmp_path / "broken")
    made[2].unlink()
    with pytest.raises(ValueError, match=r"weights.part2 is missing"):
        weights.join(folder, tmp_path / "broken")
    assert not (tmp_path / "broken").exists()
    assert weights.PART <= 15 << 20


def test_what_a_machine_lacks_travels() -> None:
    """All that handsss and its tests need is either on a machine with PyTorch for CUDA, or among the wheels."""
    carried = {wheels.canonical(name) for name in wheels.CARRIED}
    needed = wheels.closure(["handsss", "pytest"]) - {"handsss"}
    # A build of torch for CUDA names its libraries, which came with it.
    needed = {name for name in needed if not name.startswith(("nvidia-", "cuda-"))}
    assert needed <= wheels.THERE | carried, sorted(needed - wheels.THERE - carried)
    assert not wheels.THERE & carried
    assert carried <= set(wheels.versions())
    assert {"pydantic-core", "trimesh", "ai-edge-litert", "pytest"} <= carried


def wheel(folder: Path, name: str, version: str, needs: str = "") -> Path:
    """A package of one module that holds its version."""
    path = folder / f"{name}-{version}-py3-none-any.whl"
    about = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n" + (
        f"Requires-Dist: {needs}\n" if needs else ""
    )
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(f"{name}/__init__.py", f"__version__ = {version!r}\n")
        file.writestr(f"{name}-{version}.dist-info/METADATA", about)
        file.writestr(
            f"{name}-{version}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr(f"{name}-{version}.dist-info/RECORD", "")
    return path


def test_only_what_is_missing_is_put_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "wheels"
    folder.mkdir()
    wheel(folder, "absent_thing", "1.0", "numpy_like>=2")
    wheel(folder, "numpy", "99.0")  # there already: stays
    wheel(folder, "numpy_like", "2.0")  # there, but too old for what is put in place
    there = tmp_path / "there"
    for part, text in (("numpy_like", "__version__ = '1.0'\n"), ("numpy_like-1.0.dist-info", "")):
        (there / part).mkdir(parents=True)
        (there / part / ("METADATA" if "info" in part else "__init__.py")).write_text(text)
    (there / "numpy_like-1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: numpy_like\nVersion: 1.0\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(there))
    done = wheels.install(folder, tmp_path / "packages", sys.executable)
    assert done == ["absent_thing-1.0-py3-none-any.whl", "numpy_like-2.0-py3-none-any.whl"]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path / "packages"), str(there)]))
    names = ("absent_thing", "numpy_like", "numpy")
    code = f"import {', '.join(names)}; print({', '.join(f'{name}.__version__' for name in names)})"
    words = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert words == ["1.0", "2.0", importlib.metadata.version("numpy")]
    assert wheels.install(folder, tmp_path / "more", sys.executable) == []
    assert wheels.install(tmp_path / "no folder", tmp_path / "more", sys.executable) == []


def run_stage(folder: Path, code: str, limit: float) -> dict[str, object]:
    command = [sys.executable, "-c", code, str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    return stage.run("s", command, folder / "s.json", folder / "s.log", limit=limit, environment=environment)


def test_a_stage_is_cut_with_all_that_it_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "GRACE", 1.0)
    code = (
        "import signal, subprocess, sys, time, pathlib\n"
        "from benchmarks.gpu.stage import keep\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"  # does not want to end
        "other = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "(folder / 'pid').write_text(str(other.pid))\n"
        "keep(folder / 's.json', {'figure': 3})\n"
        "print('so far')\n"
        "time.sleep(60)\n"
    )
    begin = time.monotonic()
    found = run_stage(tmp_path, code, 4.0)
    assert time.monotonic() - begin < 10
    assert found["status"] == "cut" and found["result"] == {"figure": 3} and found["log"] == ["so far"]
    assert json.loads((tmp_path / "s.json").read_text()) == found
    status = Path("/proc", (tmp_path / "pid").read_text(), "status")
    time.sleep(0.2)
    assert not status.exists() or "zombie" in status.read_text()


def test_stages_that_fail_say_why(tmp_path: Path) -> None:
    found = run_stage(tmp_path, "print('before'); raise SystemExit('what went wrong')", 30.0)
    assert found["status"] == "failed" and found["log"] == ["before", "what went wrong"]
    assert run_stage(tmp_path, "pass", 30.0)["status"] == "passed"
    text, passed = summary.table(tmp_path, ["s", "facts"])
    assert not passed and "missing" in text


def test_time_is_shared_out_and_files_stay_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sum(limits(list(STAGES), 590.0).values()) == pytest.approx(590)
    assert limits(["facts", "tests"], 320.0) == pytest.approx({"facts": 100, "tests": 220})
    assert summary.problems(tmp_path) == []
    monkeypatch.setattr(summary, "MOST_BYTES", 100)
    (tmp_path / "a b.json").write_text("x" * 200)
    for number in range(8):
        (tmp_path / f"{number}").write_text("")
    assert len(summary.problems(tmp_path)) == 3


@pytest.mark.slow
def test_a_rehearsal_leaves_every_result_and_opens_no_network(tmp_path: Path) -> None:
    out, blocker = tmp_path / "gpu-output", tmp_path / "blocker"
    blocker.mkdir()
    (blocker / "sitecustomize.py").write_text(BLOCKED)
    connections = tmp_path / "connections"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    environment |= {"PYTHONPATH": str(blocker), "CONNECTIONS": str(connections), "OMP_NUM_THREADS": "1"}
    begin = time.monotonic()
    done = subprocess.run(
        ["make", "gpu", "DEVICE=cpu", f"PYTHON={sys.executable}", f"OUT={out}"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert time.monotonic() - begin < 600
    assert not connections.exists(), connections.read_text()
    assert {path.name for path in out.iterdir()} == {
        *(f"{name}.json" for name in STAGES),
        *("training.png", "weights.json", "weights.part0"),
    }
    found = {name: json.loads((out / f"{name}.json").read_text()) for name in STAGES}
    for name, content in found.items():
        assert (content["stage"], content["status"]) == (name, "passed")
        assert 0 < content["seconds"] < content["limit_s"]
        assert re.search(rf"^{name} +passed +\d+ s", done.stdout, re.MULTILINE)
    facts, tests, figures, training = (content["result"] for content in found.values())
    assert facts["rates"]["copy_bytes_a_second"] > 1e8 and facts["system"]["cores"] > 0
    assert facts["renderer"]["first_s"] > 0 and facts["modules"]["torch"]
    assert tests["passed"] > 25 and tests["failed"] == 0 and len(tests["cases"]) >= tests["passed"]
    assert figures["layer"]["rows"][0]["median_ms"] > 0 and figures["layer"]["short"]
    assert training["curve"]["steps_made"] > 3 and "aligned" in training["evaluation"]
    assert training["pictures"] == {"evaluation": 2}
    for path in out.iterdir():
        assert path.stat().st_size <= 16 << 20
    weights.join(out, tmp_path / "ours.safetensors")
    info = [sys.executable, "-m", "handsss", "info", "weights", str(tmp_path / "ours.safetensors")]
    told = subprocess.run(
        info, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert told.returncode == 0 and "efficientnet-lite0" in told.stdout
