"""Step 1: generate conversations with a model-driven user. The documented flags and defaults; `usergym generate
calendar` does the same with more of them."""

import argparse
from pathlib import Path

from usergym.cli.generate import generate
from usergym.cli.options import ModelOptions

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
parser.add_argument("--n-samples", type=int, default=2000, help="conversations to generate")
parser.add_argument("--offset", type=int, default=0, help="index of the first persona")
parser.add_argument("--n-workers", type=int, default=100, help="conversations in flight")
parser.add_argument(
    "--output", type=Path, default=Path("./data/train.json"), help="*.json is one list, *.jsonl streams"
)
parser.add_argument("--model", default="openai/gpt-oss-120b", help="the model that plays the user")
parser.add_argument("--endpoint", choices=("vllm", "nims", "openai"), default="vllm", help="where the model is served")
parser.add_argument("--min-time", type=int, default=600, help="earliest event time, minutes from midnight")
parser.add_argument("--max-time", type=int, default=960, help="latest event end, minutes from midnight")
parser.add_argument("--n-events", type=int, default=7, help="events per conversation")
parser.add_argument("--ds-name", default="nvidia/Nemotron-Personas-USA", help="persona dataset, or a file of one")

if __name__ == "__main__":
    options = parser.parse_args()
    generate(
        "calendar",
        n_samples=options.n_samples,
        n_workers=options.n_workers,
        n_events=options.n_events,
        min_time=options.min_time,
        max_time=options.max_time,
        model=options.model,
        personas=options.ds_name,
        offset=options.offset,
        output=options.output,
        models=ModelOptions(endpoint=options.endpoint, temperature=0.6, top_p=0.95, max_tokens=8192),
    )
