"""One SDPO step of 4 rows of 512 tokens: time and peak memory of ours beside the published forms.

    python benchmarks/sdpo.py                  # SmolLM2-135M, 256 tokens of context and 256 of reply; about ten minutes
    python benchmarks/sdpo.py --lora --split 128/384 --repeats 1
    python benchmarks/sdpo.py --quick          # 2 million weights and the same vocabulary of 49,152; a minute
    python benchmarks/sdpo.py --toy            # what each choice does in expectation, see docs/sdpo_signal.md

A step is everything between the reactions and the optimizer: scoring, loss, gradients. The reaction and its frame add
64 tokens to the teacher's context. All forms train the same model on the same rows and, but for the divergence, have
the same gradient (its norm is printed).

online   the published online step: log p(y|x) and log p(y|x,o) without gradients, then the loss forward
offline  the published offline step: student's and teacher's full-vocabulary logits of all positions at once
full     the same with the reverse KL divergence over the whole vocabulary at the reply's positions
ours     row after row, their gradients added up: only the reply's positions go through the head, in chunks; the student
         is run once and compared with the teacher there; what both contexts begin with is read once
ours full  likewise, the divergence in chunks

Every form has a process of its own, which first does a step of one row. Forms take turns, and the least time of each
counts: other programs may share the machine, so seconds are of the processor that the step had (one thread).
"""

import argparse
import json
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

ROWS, REACTION = 4, 64
FORMS = ("online", "offline", "full", "ours", "ours full")


class Step:
    """The rows and the model that all forms share."""

    def __init__(self, model: Any, context: int, reply: int) -> None:
        draws = random.Random(0)

        def ids(count: int) -> list[int]:
            return [draws.randrange(1000, 40_000) for _ in range(count)]

        self.model = model
        self.contexts = [ids(context) for _ in range(ROWS)]
        self.replies = [ids(reply) for _ in range(ROWS)]
        # The frame of the assistant's turn stands behind the reaction.
        self.hindsight = [each[:-5] + ids(REACTION) + each[-5:] for each in self.contexts]

    def logits(self, contexts: Sequence[Sequence[int]], rows: int, keep: int = 0) -> Any:
        """(rows, reply, V), cut out of the logits of all positions unless `keep`."""
        import torch

        ids = torch.tensor([[*before, *reply] for before, reply in zip(contexts, self.replies, strict=True)][:rows])
        logits = self.model(
            input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False, logits_to_keep=keep
        ).logits
        return logits[:, -len(self.replies[0]) - 1 : -1]

    def said(self, logits: Any) -> Any:
        import torch

        ids = torch.tensor(self.replies[: len(logits)])
        return logits.float().log_softmax(-1).gather(-1, ids[..., None])[..., 0]

    def online(self, rows: int) -> None:
        import torch

        from usergym.training.sdpo import sdpo_loss

        with torch.no_grad():
            old = self.said(self.logits(self.contexts, rows))
            teacher = self.said(self.logits(self.hindsight, rows))
        policy = self.said(self.logits(self.contexts, rows, keep=len(self.replies[0]) + 1))
        sdpo_loss(policy, old, teacher, torch.ones_like(policy)).backward()

    def offline(self, rows: int) -> None:
        import torch

        from usergym.training.sdpo import sdpo_loss

        with torch.no_grad():
            teacher_logits = self.logits(self.hindsight, rows)
        logits = self.logits(self.contexts, rows)
        policy, teacher = self.said(logits), self.said(teacher_logits)
        sdpo_loss(policy, policy.detach(), teacher, torch.ones_like(policy)).backward()

    def full(self, rows: int) -> None:
        import torch

        with torch.no_grad():
            teacher = self.logits(self.hindsight, rows).float().log_softmax(-1)
        student = self.logits(self.contexts, rows).float().log_softmax(-1)
        (student.exp() * (student - teacher)).sum(-1).mean().backward()

    def ours(self, rows: int) -> None:
        import torch

        from usergym.training.logprobs import chunked_logprobs
        from usergym.training.sdpo import sdpo_loss

        for weight, ids, student, teacher in self.read_once(rows):
            policy = chunked_logprobs(student, weight, ids)[None]
            with torch.no_grad():
                other = chunked_logprobs(teacher, weight, ids)[None]
            (sdpo_loss(policy, policy.detach(), other, torch.ones_like(policy)) / rows).backward()

    def ours_full(self, rows: int) -> None:
        from usergym.training.divergence import chunked_divergence

        for weight, _, student, teacher in self.read_once(rows):
            (chunked_divergence(student, weight, teacher, weight).mean() / rows).backward()

    def read_once(self, rows: int) -> Iterator[tuple[Any, Any, Any, Any]]:
        import torch

        from usergym.training.beginnings import student_and_teacher
        from usergym.training.heads import halves

        found = halves(self.model)
        assert found is not None
        for row in range(rows):
            reply = self.replies[row]
            student, teacher = student_and_teacher(found, self.contexts[row], self.hindsight[row], reply)
            yield found.weight, torch.tensor(reply), student, teacher


def model_of(quick: bool, lora: bool) -> Any:
    if quick:
        from transformers import LlamaConfig, LlamaForCausalLM

        sizes: dict[str, Any] = {"hidden_size": 192, "intermediate_size": 512, "num_hidden_layers": 4}
        config = LlamaConfig(vocab_size=49_152, num_attention_heads=6, tie_word_embeddings=True, **sizes)
        model: Any = LlamaForCausalLM(config)
    else:
        from usergym.training import checkpoints

        model, _ = checkpoints.load("local/smollm2")
    if lora:
        import peft

        model = peft.get_peft_model(model, peft.LoraConfig(r=16, lora_alpha=32, target_modules="all-linear"))
    return model.train()


def child(form: str, context: int, reply: int, quick: bool, lora: bool) -> dict[str, float]:
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = model_of(quick, lora)
    step = Step(model, context, reply)
    run: Callable[[int], None] = getattr(step, form.replace(" ", "_"))
    run(1)
    model.zero_grad()
    started, cpu = time.perf_counter(), time.process_time()
    run(ROWS)
    wall, cpu = time.perf_counter() - started, time.process_time() - cpu
    norm = torch.nn.utils.get_total_norm([each.grad for each in model.parameters() if each.grad is not None])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"wall": wall, "cpu": cpu, "peak": peak, "norm": float(norm)}


def measure(form: str, options: argparse.Namespace) -> dict[str, float]:
    command = [sys.executable, __file__, "--form", form, "--split", options.split]
    command += ["--quick"] * options.quick + ["--lora"] * options.lora
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def compare(options: argparse.Namespace) -> None:
    runs: dict[str, list[dict[str, float]]] = {form: [] for form in options.forms}
    for _ in range(options.repeats):
        for form in options.forms:
            runs[form].append(measure(form, options))
    name = "2 M weights" if options.quick else "SmolLM2-135M"
    trained = "LoRA r 16" if options.lora else "all weights"
    context, reply = options.split.split("/")
    title = f"one step of {ROWS} x {int(context) + int(reply)} tokens ({options.split}), {name}, {trained}"
    table = Table(title=title)
    beside = [form for form in options.forms if not form.startswith("ours")]
    heads = ("form", "s", "wall s", "MiB", "gradient norm")
    for head in (*heads, *(f"time / memory of {form}" for form in beside)):
        table.add_column(head, justify="left" if head == "form" else "right")
    best = {form: {key: min(run[key] for run in made) for key in made[0]} for form, made in runs.items()}
    for form, figures in best.items():
        ratios = [
            f"{figures['cpu'] / best[other]['cpu']:.2f} / {figures['peak'] / best[other]['peak']:.2f}"
            if form.startswith("ours")
            else ""
            for other in beside
        ]
        numbers = [f"{figures[key]:.{digits}f}" for key, digits in (("cpu", 1), ("wall", 1), ("peak", 0), ("norm", 4))]
        table.add_row(form, *numbers, *ratios)
    Console(width=150).print(table)


def toy() -> None:
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from benchmarks.sdpo_toy import ROWS as CHOICES
    from benchmarks.sdpo_toy import TOYS

    table = Table(title="d objective / d theta; positive makes reply 1 likelier")
    table.add_column("choice")
    for name in TOYS:
        table.add_column(name, justify="right")
    for name, of in CHOICES.items():
        table.add_row(name, *(f"{round(of(each), 6) + 0.0:+.4f}" for each in TOYS.values()))
    Console(width=180).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tiny model with the same vocabulary")
    parser.add_argument("--toy", action="store_true", help="the choices in a case that can be counted out")
    parser.add_argument("--lora", action="store_true", help="train an adapter of rank 16 on all linear layers")
    parser.add_argument("--split", default="256/256", help="tokens of context and of reply")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--forms", nargs="+", choices=FORMS, default=list(FORMS))
    parser.add_argument("--form", choices=FORMS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.toy:
        toy()
    elif options.form:
        context, reply = map(int, options.split.split("/"))
        print(json.dumps(child(options.form, context, reply, options.quick, options.lora)))
    else:
        compare(options)


if __name__ == "__main__":
    main()
