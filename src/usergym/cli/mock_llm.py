"""`usergym mock-llm`: an OpenAI-compatible endpoint that costs nothing and fails on demand."""

from typing import Annotated

from cyclopts import Parameter

from usergym.cli.errors import told_in_one_line
from usergym.serving.mock_llm import MockOptions, run


@told_in_one_line
def mock_llm(*, options: Annotated[MockOptions, Parameter(name="*")] = MockOptions()) -> None:
    """Serve a mock OpenAI-compatible endpoint, for tests, benchmarks and dry runs.

    Answers /v1/chat/completions, /v1/responses and /v1/messages, with the latency and the failures it is told. It
    counts what it was asked at /stats. Prints its URL; Ctrl-C ends it.

    Examples:

        usergym mock-llm --port 8000
        usergym mock-llm --latency 0.2 --rate-limit 0.05 --drop-rate 0.01
    """
    try:
        run(options, announce=lambda url: print(f"serving {url} (Ctrl-C ends it)", flush=True))
    except OSError as error:
        raise OSError(
            f"cannot listen on {options.host}:{options.port}: {error.strerror}; give another --port"
        ) from error
