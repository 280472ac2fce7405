"""What stands before every app: a bound on bodies, a token where one is wanted, no web pages where none is, and the
last resort."""

import asyncio
import hmac
import ipaddress
import sys
import traceback
from functools import lru_cache
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from usergym.serving.web import BUG, Refused, refusal

BODY_LIMIT = 16 << 20


ENDING = Refused(503, "ending", "the server is shutting down; ask again once it is back")


ELSEWHERE = refusal(
    Refused(
        403,
        "origin",
        "this server answers programs of its own machine, and this is a web page's request or one for another name; "
        "ask for 127.0.0.1, or serve with a token",
    )
)


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@lru_cache(1024)
def is_ours(asked: bytes, origin: bytes, bound: str) -> bool:
    """Whether no web page of elsewhere is behind a request. One says so in `Origin`; one whose name was made to lead
    to this machine asks for that name in `Host`. Programs send no `Origin`."""
    here = _name(b"//" + asked) if asked else bound.lower()
    if here is None or not (is_loopback(here) or here == bound.lower()):
        return False
    if not origin:
        return True
    page = _name(origin)
    return page is not None and (is_loopback(page) or page == here)


def _name(url: bytes) -> str | None:
    try:
        return urlsplit(url.decode("ascii")).hostname
    except ValueError:
        return None


class _TooLarge(HTTPException):
    """What an app answers in its own form, and the guard where the app does not."""


class Guard:
    """Pure ASGI: nothing is buffered and no task is made."""

    def __init__(self, app: ASGIApp, *, token: str = "", body_limit: int = BODY_LIMIT, host: str = "127.0.0.1") -> None:
        """`host`: the address that it listens on."""
        self.app = app
        self.host = host
        self.authorization = f"Bearer {token}".encode() if token else b""
        self.body_limit = body_limit
        self.too_large = f"the body is larger than {body_limit} bytes; send less, or serve with a larger limit"
        self.large = refusal(Refused(413, "body", self.too_large))
        self.unknown = refusal(
            Refused(401, "token", "this server wants its token: send the header Authorization: Bearer TOKEN")
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        said = asked = origin = b""
        length = 0
        for name, value in scope["headers"]:
            if name == b"authorization":
                said = value
            elif name == b"host":
                asked = value
            elif name == b"origin":
                origin = value
            elif name == b"content-length" and value.isdigit():
                length = int(value[:20])
        if self.authorization and not self._may(scope, said):
            await self.unknown(scope, receive, send)
        elif not self.authorization and not is_ours(asked, origin, self.host):
            await ELSEWHERE(scope, receive, send)
        elif length > self.body_limit:
            await self.large(scope, receive, send)
        else:
            await self._answer(scope, receive, send)

    def _may(self, scope: Scope, said: bytes) -> bool:
        """Whether a server is alive may be asked by anybody."""
        open_to_all = scope["path"] == "/" and scope["method"] in ("GET", "HEAD")
        return open_to_all or hmac.compare_digest(said, self.authorization)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        received = 0
        begun = False

        async def bounded() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self.body_limit:
                raise _TooLarge(413, self.too_large)
            return message

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(scope, bounded, noted)
        except _TooLarge:
            if not begun:
                await self.large(scope, receive, send)
        except asyncio.CancelledError:
            # Only the end of the server cancels a request; whoever asked may ask again elsewhere.
            if not begun:
                await refusal(ENDING)(scope, receive, send)
        except Exception:
            # The last resort: a bug in one request must not take the others with it.
            traceback.print_exc(file=sys.stderr)
            if not begun:
                await refusal(BUG)(scope, receive, send)
