"""Who is talking: signed cookies, and a bounded number of things that are kept for them."""

import math
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from re import sub
from typing import Generic, Protocol, TypeVar

from itsdangerous import BadSignature, Signer
from starlette.requests import Request
from starlette.responses import Response

from usergym.serving.web import Refused

LIMIT = 10_000
TTL = 3600.0
GRACE = 60.0
"""Seconds for which a session that is done can still be asked."""


class Held(Protocol):
    @property
    def busy(self) -> bool:
        """Whether a request is at work on it: it is not idle then."""
        ...

    def close(self) -> None: ...


T = TypeVar("T", bound=Held)


class Sessions(Generic[T]):
    """What is kept for whoever brings a cookie of ours. The secret lives and dies with this object."""

    def __init__(
        self,
        name: str,
        limit: int = LIMIT,
        ttl: float = TTL,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.cookie = "usergym_" + sub(r"[^A-Za-z0-9]+", "_", name)
        self.limit = limit
        self.ttl = ttl
        self.clock = clock
        self._signer = Signer(secrets.token_bytes(32), salt=name)
        self._live: OrderedDict[str, tuple[T, float]] = OrderedDict()
        """In the order in which they were last used."""
        self._done: OrderedDict[str, tuple[T, float]] = OrderedDict()

    @property
    def count(self) -> int:
        return len(self._live) + len(self._done)

    def key_of(self, request: Request) -> str | None:
        """The key in the request's cookie, None where there is none of ours."""
        signed = request.cookies.get(self.cookie)
        if not signed:
            return None
        try:
            return self._signer.unsign(signed).decode()
        except (BadSignature, UnicodeError):
            return None

    def of(self, request: Request) -> T | None:
        """What is kept for the request; None for a cookie that is forged, expired or closed."""
        key = self.key_of(request)
        return None if key is None else self.get(key)

    def get(self, key: str) -> T | None:
        self.expire()
        if key in self._live:
            held, _ = self._live[key]
            self._live[key] = held, self.clock()
            self._live.move_to_end(key)
            return held
        return self._done[key][0] if key in self._done else None

    def open(self, make: Callable[[], T], response: Response) -> T:
        """Keeps what `make` gives, and sets its cookie. Refused with 503 where all places are taken by the living;
        nothing is made then."""
        self.room()
        held = make()
        key = secrets.token_urlsafe(16)
        self._live[key] = held, self.clock()
        signed = self._signer.sign(key).decode()
        response.set_cookie(self.cookie, signed, httponly=True, samesite="lax")
        return held

    def room(self) -> None:
        """Refused where there is no room for another."""
        self.expire()
        while self.count >= self.limit and self._done:
            self._done.popitem(last=False)[1][0].close()
        if self.count >= self.limit:
            _, used = next(iter(self._live.values()))
            wait = max(1, math.ceil(used + self.ttl - self.clock()))
            raise Refused(
                503,
                "full",
                f"all {self.limit} sessions are in use; close some with POST /close_session, or wait",
                headers={"Retry-After": str(wait)},
            )

    def finish(self, key: str | None) -> None:
        """It is over; it can be asked for a little while yet, and goes first when room is needed."""
        if key is not None and key in self._live:
            held, _ = self._live.pop(key)
            self._done[key] = held, self.clock()

    def close(self, key: str | None) -> bool:
        """Whether there was one."""
        for kept in (self._live, self._done):
            if key is not None and key in kept:
                kept.pop(key)[0].close()
                return True
        return False

    def close_all(self) -> None:
        for kept in (self._live, self._done):
            while kept:
                kept.popitem()[1][0].close()

    def expire(self) -> None:
        now = self.clock()
        for kept, age in ((self._live, self.ttl), (self._done, GRACE)):
            while kept:
                key, (held, used) = next(iter(kept.items()))
                if used + age > now:
                    break
                if held.busy:
                    kept[key] = held, now
                    kept.move_to_end(key)
                else:
                    del kept[key]
                    held.close()
