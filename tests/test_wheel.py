"""The built wheel: an environment that has it and its dependencies serves from any folder, without the repository."""

import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parent.parent


def run(*command: object, cwd: Path) -> str:
    done = subprocess.run([*map(str, command)], cwd=cwd, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_an_installed_wheel_serves_from_any_folder(tmp_path: Path) -> None:
    elsewhere, venv = tmp_path / "elsewhere", tmp_path / "venv"
    elsewhere.mkdir()
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", tmp_path, ROOT, cwd=elsewhere)
    run(sys.executable, "-m", "venv", "--without-pip", venv, cwd=elsewhere)
    python = venv / "bin" / "python"
    (wheel,) = tmp_path.glob("maskscope-*.whl")
    run(
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "install",
        "--quiet",
        "--no-deps",
        "--no-compile",
        wheel,
        cwd=elsewhere,
    )
    # This environment's dependencies, not its Maskscope: a .pth file's folders are searched, their .pth files are not.
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=elsewhere).strip())
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    where = run(python, "-c", "import app, model; print(app.__file__, model.__file__)", cwd=elsewhere).split()
    assert all(Path(path).is_relative_to(venv) for path in where), where
    command = [str(venv / "bin" / "maskscope"), "serve", "--port", "0"]
    with subprocess.Popen(command, cwd=elsewhere, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr
            address = next(found[1] for line in server.stderr if (found := re.search(r"running on (http://\S+)", line)))
            page = httpx.get(f"{address}/", timeout=60)
            assert page.status_code == 200
            files = re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text)
            assert {"app.css", "htmx.min.js"} <= {file.partition("?")[0].rpartition("/")[2] for file in files}
            assert all(httpx.get(address + file, timeout=60).status_code == 200 for file in files)
        finally:
            server.terminate()
