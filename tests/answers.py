"""`python tests/answers.py OLD [NEW]`: the same requests to two revisions, and whether their answers are the same.

Each revision (NEW is by default the tree as it stands) is checked out in a folder of its own and served from there;
every answer is compared byte for byte. What cannot be the same is taken out first and said: times, random ids, and the
sums of files in the addresses of static files. Of a page, a run of white space counts as one space, and at the edge of
a block as none, as in a browser.
"""

import difflib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parent.parent

PATHS = (
    *("/", "/?recipe=reverse4&prompt=abcd&step=325", "/?prompt=mask&policy=unmasked&generate=1&gradient=share"),
    *("/?prompt=a&mask=double-shift&position=0&step=0", "/?prompt=not%20a%20word", "/?recipe=nope", "/?step=17"),
    *("/lesson", "/claims?lesson=1", "/claims?lesson=9", "/race", "/race/0123456789abcdef"),
    *("/ablation", "/ablation?setting=reverse4-w16", "/ablation?setting=reverse-lr0.0005", "/ablation?setting=nope"),
    *("/shift", "/shift?recipe=reverse4&prompt=abcd&cut=1", "/shift?prompt=abc&cut=-3", "/shift?prompt=%3C&cut=99"),
    *("/bugs", "/bugs?bug=double-shift&generate=1", "/bugs?bug=pad-is-eos", "/bugs?bug=packed-naive&prompt=abc"),
    *("/padding", "/padding?first=mask&second=a&policy=left-pad&row=1&layer=2", "/padding?first=ab&second=cd"),
    *("/turns", "/turns?recipe=dialogue&policy=last-turn-only", "/packing", "/packing?words=hello,ab,cat&row=1"),
    *("/packing?recipe=dialogue", "/dispatcher", "/dispatcher?prompt=What%20is%203%2B4%3F&step=100", "/reasoning"),
    *("/reasoning?prompt=1%2B2%2B3&generate=1", "/claims", "/nowhere", "/healthz", "/readyz"),
    *("/api/v1/openapi.json", "/api/v1/recipes", "/api/v1/policies", "/api/v1/gallery", "/api/v1/claims"),
    "/api/v1/analyze?recipe=reverse&prompt=hello&policy=prompt-masked&similarity=true",
    "/api/v1/analyze?recipe=reverse4&prompt=abcd&policy=double-shift&trained_with=unmasked&step=325&top_k=3",
    "/api/v1/analyze?recipe=dialogue&prompt=abc%20de%201&policy=last-turn-only",
    "/api/v1/analyze?recipe=reverse&prompt=hello&policy=nope",
    "/api/v1/mask?recipe=reverse&prompt=hello&prompt=ab&policy=left-pad",
    "/api/v1/mask?recipe=dialogue&prompt=abc%20de%201&policy=packed&row_tokens=20",
    *("/api/v1/padding", "/api/v1/padding?words=mask&words=a", "/api/v1/budget?recipe=dialogue", "/api/v1/packing"),
    *(
        "/api/v1/dispatcher",
        "/api/v1/dispatcher/mass?text=What%20is%203%2B4%3F",
        "/api/v1/dispatcher/rates",
        "/api/v1/dispatcher/factors",
    ),
    "/api/v1/reasoning",
    *("/api/v1/ablation", "/api/v1/ablation.csv", "/api/v1/ablation/findings"),
    *("/api/v1/ablation/charts/ratios.svg", "/api/v1/ablation/charts/exact-match.svg?setting=reverse4"),
)
BODIES = (
    ("/api/v1/analyze", {"recipe": "reverse", "prompt": "hello", "policy": "eos-masked", "trained_with": "unmasked"}),
    ("/api/v1/generate", {"recipe": "reverse", "prompt": "hello", "policy": "unmasked", "step": 1000}),
    ("/api/v1/generate", {"recipe": "reverse4", "prompt": "abcd", "policy": "prompt-masked", "stream": True}),
    ("/api/v1/continue", {"text": "What is 2+2?"}),
    ("/api/v1/mask", {"recipe": "reverse", "conversations": [[{"role": "assistant", "content": None}]]}),
    ("/api/v1/races", {"recipe": "nope"}),
)
COMMANDS = (
    *("analyze hello --policy unmasked", "generate hello --json", "mask hello", "claims", "gallery --check"),
    *("padding --check", "reasoning", "dispatcher", "limits", "mask hello --recipe nope", "--help", "train --help"),
)

NOT_THE_SAME = (
    (rb"\?v=[0-9a-f]{12}", b"?v="),
    (rb"\d+(\.\d+)? ?m?s\b", b"some time"),
    (rb"\d:\d\d:\d\d", b"some time"),
    (rb"127\.0\.0\.1:\d+", b"this server"),
)

BLOCK_EDGE = re.compile(
    rb"\s*(</?(?:article|aside|body|dd|details|div|dl|dt|fieldset|figure|footer|form|h[1-6]|head|header|li|link|main|meta|nav"
    rb"|ol|p|section|summary|table|tbody|td|th|thead|title|tr|ul)\b[^>]*>)\s*"
)


@contextmanager
def checked_out(revision: str | None) -> Iterator[Path]:
    """A folder with the revision's files, and the built htmx beside them."""
    if revision is None:
        yield ROOT
        return
    folder = Path(tempfile.mkdtemp()) / "tree"
    subprocess.run(["git", "worktree", "add", "--quiet", "--detach", str(folder), revision], cwd=ROOT, check=True)
    try:
        shutil.copytree(ROOT / "static" / "vendor", folder / "static" / "vendor", dirs_exist_ok=True)
        yield folder
    finally:
        subprocess.run(["git", "worktree", "remove", "--force", str(folder)], cwd=ROOT, check=True)


def answers_of(folder: Path) -> dict[str, bytes]:
    """Every request and command with what came of it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "app.cli", "serve", "--port", str(port)]
    server = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    answers = {}
    try:
        with httpx.Client(base_url=address, timeout=120) as client:
            wait_for(client, server)
            for path in PATHS:
                answers[f"GET {path}"] = told(client.get(path))
            for path, body in BODIES:
                answers[f"POST {path} {body}"] = told(client.post(path, json=body))
    finally:
        server.terminate()
        server.wait(timeout=20)
    for line in COMMANDS:
        words = [sys.executable, "-m", "app.cli", *line.split()]
        done = subprocess.run(words, cwd=folder, capture_output=True, timeout=600, check=False)
        answers[f"maskscope {line}"] = comparable(b"%d\n" % done.returncode + done.stdout + done.stderr, page=False)
    return answers


def wait_for(client: httpx.Client, server: "subprocess.Popen[bytes]") -> None:
    for _ in range(600):
        assert server.poll() is None, "the server has ended"
        try:
            if client.get("/readyz").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError("the server was not ready within a minute")


def told(response: httpx.Response) -> bytes:
    kind = response.headers.get("content-type", "")
    body = comparable(response.content, page=kind.startswith("text/html"))
    return f"{response.status_code} {kind}\n".encode() + body


def comparable(text: bytes, *, page: bool) -> bytes:
    for pattern, instead in NOT_THE_SAME:
        text = re.sub(pattern, instead, text)
    return BLOCK_EDGE.sub(rb"\n\1\n", re.sub(rb"\s+", b" ", text)) if page else text


def show_difference(old: bytes, new: bytes) -> None:
    lines = (text.decode(errors="replace").replace(",", ",\n").splitlines() for text in (old, new))
    for line in list(difflib.unified_diff(*lines, lineterm="", n=0))[2:12]:
        print(f"    {line[:200]}")


def main(revisions: list[str]) -> int:
    found = []
    for revision in (revisions[0], revisions[1] if len(revisions) > 1 else None):
        with checked_out(revision) as folder:
            found.append(answers_of(folder))
    old, new = found
    different = [request for request in old if old[request] != new[request]]
    for request in different:
        print(f"differs: {request}")
        show_difference(old[request], new[request])
    print(f"{len(old)} requests and commands, {len(old) - len(different)} the same, {len(different)} differ")
    return bool(different)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
