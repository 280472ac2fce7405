"""The four steps of NeMo Gym's rollout guide with our commands, in processes of their own, on real sockets.

    python benchmarks/ng_guide.py                                     # 20 rows of our own, a mock policy
    python benchmarks/ng_guide.py --policy local/smollm2 --limit 5    # a real small model, in the servers' process
    python benchmarks/ng_guide.py --rows ROWS.jsonl --tables FOLDER   # the peer's own rows and tables

Prints what the commands print, and how long each took; `first answer` is from the start of `ng_run` to the first answer
of its head server.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

CONFIGS = (
    "responses_api_models/openai_model/configs/openai_model.yaml",
    "resources_servers/workplace_assistant/configs/workplace_assistant.yaml",
)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def ng(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "usergym.cli.ng", name, *arguments]


@contextmanager
def running(command: list[str], folder: Path, log: str) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / log).open("wb") as out, subprocess.Popen(command, cwd=folder, stdout=out, stderr=out) as process:
        try:
            yield process
        finally:
            process.terminate()


def first_answer(port: int, started: float, process: subprocess.Popen[bytes]) -> float:
    while process.poll() is None:
        try:
            with urlopen(f"http://127.0.0.1:{port}/", timeout=1):
                return time.perf_counter() - started
        except OSError:
            time.sleep(0.005)
    raise SystemExit(f"ng_run ended with {process.returncode}")


def step(title: str, command: list[str], folder: Path) -> None:
    started = time.perf_counter()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env={**os.environ, "COLUMNS": "110"})
    print(f"\n== {title} ({time.perf_counter() - started:.2f} s, exit {done.returncode})")
    print((done.stdout + done.stderr).strip())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--policy", default="mock")
    parser.add_argument("--rows", type=Path)
    parser.add_argument("--tables", type=Path)
    parser.add_argument("--limit", type=int, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        usergym = [sys.executable, "-m", "usergym"]
        rows = options.rows.resolve() if options.rows else folder / "rows.jsonl"
        if not options.rows:
            step(
                "rows",
                [*usergym, "generate", "workplace", "--n-samples", str(options.limit), "--output", str(rows)],
                folder,
            )
        head, model = free_port(), free_port()
        policy = [f"+policy_model_name={options.policy}"]
        if options.policy == "mock":
            policy += [f"+policy_base_url=http://127.0.0.1:{model}/v1", "+policy_api_key=EMPTY"]
        tables = [f"+workplace_tables={options.tables.resolve()}"] if options.tables else []
        where = f"+head_server.port={head}"
        run = ng("run", f"+config_paths=[{','.join(CONFIGS)}]", *policy, *tables, where)
        mock = [*usergym, "mock-llm", "--port", str(model)]
        with running(mock, folder, "mock.log"):
            time.sleep(1)
            started = time.perf_counter()
            with running(run, folder, "servers.log") as servers:
                seconds = first_answer(head, started, servers)
                print(f"\n== ng_run: first answer after {seconds:.2f} s")
                step("ng_status", ng("status", where), folder)
                collect = ng(
                    "collect_rollouts",
                    "+agent_name=workplace_assistant_simple_agent",
                    f"+input_jsonl_fpath={rows}",
                    "+output_jsonl_fpath=rollouts.jsonl",
                    f"+limit={options.limit}",
                    where,
                )
                step("ng_collect_rollouts", collect, folder)
                step("ng_viewer", ng("viewer", "rollouts.jsonl"), folder)
            print(f"\n== servers\n{(folder / 'servers.log').read_text().strip()}")
        rewards = [json.loads(line)["reward"] for line in (folder / "rollouts.jsonl").read_text().splitlines()]
        print(f"\n{len(rewards)} rollouts, mean reward {sum(rewards) / max(1, len(rewards)):.3f}")


if __name__ == "__main__":
    main()
