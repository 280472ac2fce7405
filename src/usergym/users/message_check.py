"""What a user's message must carry and must not give away, checked before it enters a conversation."""

import re
from collections.abc import Collection

from usergym.users.agenda import Step
from usergym.users.phrases import CALENDAR_KINDS, Constraint, read_constraint

_PLAIN = str.maketrans(
    {"’": "'", "‘": "'", "“": '"', "”": '"', "‑": "-", "–": "-", "—": "-", "\u202f": " ", "\xa0": " "}
)
_WEEKDAY = re.compile(
    r"(?i:\b(?:(?:mon|tues|wednes|thurs|fri|satur|sun)days?|weekends?)\b)|\b(?:Mon|Tues?|Weds?|Thurs?|Thu|Fri)\b"
)
_CLOCK = re.compile(
    r"(?<![\d:.])(?P<hour>\d{1,2})(?:[:.](?P<minute>[0-5]\d))? ?(?P<half>[ap])\.? ?m\b"
    r"|(?<![\d:])(?P<hour24>[01]?\d|2[0-3]):(?P<minute24>[0-5]\d)(?![\d:])"
    r"|(?<![\d:])(?P<sharp>\d{1,2}) ?o'clock\b"
    r"|\b(?P<word>noon|midday|midnight)\b",
    re.IGNORECASE,
)
_SPOKEN_CLOCK = re.compile(
    r"\b(?:half past|quarter (?:to|past|after)|(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve) "
    r"(?:o'clock|[ap]\.?m\b|thirty\b|fifteen\b|forty-five\b))",
    re.IGNORECASE,
)
_BARE_START = re.compile(
    r"\b(?:between|from|within) (\d{1,2})(?::([0-5]\d))?(?= ?(?:and|to|-|until) ?\d)", re.IGNORECASE
)
_DAYTIME = re.compile(r"(?<!good )\b(?:morning|afternoon|evening|tonight|tomorrow)\b", re.IGNORECASE)
_MINUTES = re.compile(r"(?<![\d.:])(\d{1,4})[ -]?(?:minutes?|mins?)\b", re.IGNORECASE)
_EVENT_ID = re.compile(
    r"\b(?:event ?(?:id|number|no\.?)?|id)[ :#=-]{0,4}(?:is )?(\d{1,9})(?!\d)(?! ?-?min)", re.IGNORECASE
)
_ASSISTANT = re.compile(
    r"(?:sure|certainly|of course|absolutely|okay|ok|done|great|got it|no problem)[,!.]? (?:thing[,!.]? )?"
    r"(?:i've|i have|i'll|i will|i can|i'd be (?:happy|glad)|let me|here(?:'s| is| are)|your|the event)\b"
    r"|(?:i've|i have) (?:added|scheduled|updated|booked|moved|created|set|placed) "
    r"[^.!?]{0,60}\b(?:calendar|schedule|event|you|your)\b"
    r"|as an? (?:ai|assistant|language model|calendar assistant)\b|i(?:'m| am) an? (?:ai|assistant|virtual)\b"
    r"|how (?:can|may) i (?:help|assist)|is there anything else"
    r"|here(?:'s| is| are) (?:your|the|a) (?:\w{1,20} )?(?:calendar|schedule|event|message)"
    r"|(?:i'd be |i'm )?happy to help|your \w{1,20} has been (?:added|scheduled|booked)|(?:user )?message:",
    re.IGNORECASE,
)
_WRAPPER = re.compile(r'user_message"?|^\s*[\[{`]|```', re.IGNORECASE)
_REQUEST = re.compile(
    r"\b(?:please|could you|can you|would you|will you|may i ask|add (?:it|this|that|an?|the|my) |event id)\b"
    r"|(?:^|[.!;] )(?:add|put|schedule|reschedule|book|slot|move|shift|cancel|block|pencil|set up|plan) "
    r"|\b(?:need|want|like|love) (?:you )?to (?:add|schedule|reschedule|book|slot|cancel|set up|pencil)\b"
    r"|\b(?:let's|let us) (?:add|schedule|reschedule|book|slot|move|cancel|set up|pencil)\b"
    r"|\b(?:need|want|like|put|get) [^.!?]{1,60} (?:on|to|onto|in) (?:my|the|our) (?:calendar|schedule)\b",
    re.IGNORECASE,
)
_UPPER = re.compile(
    r"\b(?:before|by|latest|later|until|till|end(?:s|ed|ing)?|finish\w{0,5}|done|over|wrap\w{0,5}|past|prior|earlier)\b"
)
_LOWER = re.compile(r"\b(?:after|later|earlier|before|until|till|from|onwards?|past|since)\b")
_OPEN_END = re.compile(r"^,? ?(?:or|and) (?:later|after|onwards?)\b|^ ?onwards?\b")
_OPEN_START = re.compile(r"^,? ?(?:or|and) (?:earlier|sooner|before)\b|^,? ?(?:at the )?latest\b")
_AFTER_WORDS = re.compile(r"(?:after|from|since|earlier than) $")
_BEFORE_WORDS = re.compile(r"(?:before|by|later than|until|till|latest|past) $")
_NOT = re.compile(
    r"\b(?:no|not|never|cannot|nothing|don't|can't|won't|mustn't|shouldn't|isn't|wait|waits|hold off|\w{1,8}n't)\b"
)


def check(message: str, step: Step, hidden: Collection[str] = (), instructions: Collection[str] = ()) -> str | None:
    """Why `message` may not be said as `step`, in words for its writer; None when it may.

    `hidden` are texts that must not be given away, `instructions` lines of the prompt that must not
    be repeated. The kinds of the calendar have rules of their own; every other kind brings the lists
    `must_include` and `must_not_include` in its params. Linear in the message's length.
    """
    text = " ".join(message.translate(_PLAIN).split())
    lowered = text.lower()
    if not text:
        return "the message is empty"
    if _WRAPPER.search(text):
        return "the message still holds JSON or a code fence; write only what the user says"
    if _ASSISTANT.match(text):
        return (
            f"it opens as an assistant would ({text[:40]!r}); the user speaks, and has not done anything to a calendar"
        )
    for line in instructions:
        if len(line) >= 25 and " ".join(line.translate(_PLAIN).split()).lower() in lowered:
            return f"it repeats its instructions ({line.strip()[:40]!r})"
    for secret in hidden:
        if secret and secret.lower() in lowered:
            return "it gives away something that the user must keep to itself"
    if step.kind in CALENDAR_KINDS:
        return _calendar(text, step)
    return _listed(lowered, step)


def _listed(lowered: str, step: Step) -> str | None:
    for field, wanted in (("must_include", True), ("must_not_include", False)):
        texts = step.params.get(field, ())
        for part in (texts,) if isinstance(texts, str) else texts:
            part = str(part)
            if (part.translate(_PLAIN).lower() in lowered) != wanted:
                return f"it must mention {part!r}" if wanted else f"it must not mention {part!r}"
    return None


def _calendar(text: str, step: Step) -> str | None:
    name = str(step.params.get("event_name", ""))
    rest = _without(text, name)
    if day := _WEEKDAY.search(rest):
        return f"it names a weekday ({day[0]!r})"
    if step.kind == "continue_conversation":
        return _small_talk(rest)
    if reason := _carries_id(rest, step.params["event_id"]):
        return reason
    if step.kind == "add_constraint":
        return _carries_constraint(rest, read_constraint(str(step.params["constraint"])))
    if len(rest) == len(text):
        return f"it must name the event as it is called: {name!r}"
    return _carries_duration(rest, int(step.params["duration"])) or _no_time(rest)


def _small_talk(text: str) -> str | None:
    if "?" in text:
        return "it asks a question; make statements only"
    if _REQUEST.search(text):
        return "it asks for something to be scheduled or done; make statements only"
    time = _CLOCK.search(text) or _SPOKEN_CLOCK.search(text)
    return f"it names a clock time ({time[0]!r})" if time else None


def _carries_id(text: str, event_id: object) -> str | None:
    found = {int(match[1]) for match in _EVENT_ID.finditer(text)}
    wanted = f"(event id: {event_id})"
    if str(event_id) not in map(str, found):
        return f"it must carry the event id, as in {wanted}"
    return f"it mentions another event id than {event_id}" if len(found) > 1 else None


def _carries_duration(text: str, minutes: int) -> str | None:
    found = {int(match[1]) for match in _MINUTES.finditer(text)}
    if minutes not in found:
        return f"it must give the duration in minutes: {minutes} minutes"
    return f"it mentions another duration than {minutes} minutes" if len(found) > 1 else None


def _no_time(text: str) -> str | None:
    time = _CLOCK.search(text) or _SPOKEN_CLOCK.search(text) or _DAYTIME.search(text)
    return f"it tells when the event is to be ({time[0]!r}); give the duration only" if time else None


def _times(text: str) -> list[tuple[set[int], int, int]]:
    """Every clock time of a text: the minutes it may mean, its start and its end. Without am or pm an
    hour up to twelve may be of either half of the day."""
    found = []
    for match in _CLOCK.finditer(text):
        if match["word"]:
            means = {0 if match["word"].lower() == "midnight" else 720}
        elif match["half"]:
            half = 720 if match["half"].lower() == "p" else 0
            means = {int(match["hour"]) % 12 * 60 + int(match["minute"] or 0) + half}
        else:
            means = _either_half(int(match["hour24"] or match["sharp"]), int(match["minute24"] or 0))
        found.append((means, match.start(), match.end()))
    starts = {start for _, start, _ in found}
    for match in _BARE_START.finditer(text):
        if match.start(1) not in starts:
            found.append((_either_half(int(match[1]), int(match[2] or 0)), match.start(1), match.end()))
    return found


def _either_half(hour: int, minute: int) -> set[int]:
    return {hour * 60 + minute} | (
        {hour % 12 * 60 + minute, hour % 12 * 60 + minute + 720} if 1 <= hour <= 12 else set()
    )


def _carries_constraint(text: str, constraint: Constraint) -> str | None:
    wanted = f"that {constraint.meaning()}"
    found = _times(text)
    if any(all(time not in means for means, _, _ in found) for time in constraint.times):
        return f"it must say {wanted}"
    for means, start, end in found:
        if not means & set(constraint.times):
            return f"it names another clock time ({text[start:end]!r}); it must say {wanted} and no other time"
    lowered = text.lower()
    if len(constraint.times) == 1 and not _same_side(lowered, constraint, found):
        return f"it says something else about the time; it must say {wanted}"
    return None


def _same_side(lowered: str, constraint: Constraint, found: list[tuple[set[int], int, int]]) -> bool:
    """Whether the words around the time point the way the constraint does."""
    bounds = set()
    for _, start, end in found:
        lead, follow = lowered[max(0, start - 40) : start], lowered[end : end + 20].lstrip(".")
        negated = _NOT.search(lead) is not None
        lower = bool(_AFTER_WORDS.search(lead)) or (negated and lead.endswith(("before ", "until ", "till ")))
        upper = bool(_BEFORE_WORDS.search(lead)) and not lower
        if lead.endswith("earlier than ") and not negated:
            lower, upper = False, True
        if lead.endswith(("past ", "after ", "later than ")):
            lower, upper = not negated, negated
        bounds |= {"after"} if lower or _OPEN_END.search(follow) else set()
        bounds |= {"before"} if (upper and not _OPEN_END.search(follow)) or _OPEN_START.search(follow) else set()
    if constraint.kind == "at":
        return not bounds
    other = {"before": "after", "after": "before"}[constraint.kind]
    cue = _UPPER if constraint.kind == "before" else _LOWER
    return other not in bounds and cue.search(lowered) is not None


def _without(text: str, name: str) -> str:
    """`text` without the event's name, whose own words are no leak; unchanged when it is not there."""
    plain = " ".join(name.translate(_PLAIN).split())
    return re.sub(re.escape(plain), " ", text, flags=re.IGNORECASE) if plain else text
