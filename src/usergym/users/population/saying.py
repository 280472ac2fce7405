"""Puts a mind into words: a text for each state, and a comment that is composed of the states."""

from random import Random

from usergym.types import stable_hash
from usergym.users.population.mind import Mind, mind
from usergym.users.population.spec import Person, Post
from usergym.users.population.tables import values, wording

CASUAL, FORMAL = 0, 1


def truth(person: Person, post: Post) -> dict[str, str]:
    """What the person thinks and writes about the post, by level, in the order of `LEVELS`. States have 15 words at
    most, the comment (level `response`) has 10 to 40."""
    held = mind(person, post)
    return {**states(held, person, post), "response": comment(held, person, post)}


def states(held: Mind, person: Person, post: Post) -> dict[str, str]:
    """The six states as texts."""
    words, value, manner = wording(), values()[held.value], person.manner
    degree, feeling, ending = words.degree[held.degree], held.feeling, words.habit[manner.habit]
    goal = ending.goal[held.relation].format(name=post.thread[-1].author, concern=value.concern)
    last = f"{ending.ends} and an emoji" if manner.emoji else ending.ends
    return {
        "stance": f"{degree.stance} {post.topic}",
        "emotion": f"{words.intensity.names[held.intensity]} {feeling.noun} {_about(held, post)}",
        "belief": _belief(held, person),
        "value": value.value[held.attitude],
        "goal": f"{degree.aim} {post.topic} {goal}",
        "communication": f"{_tone(held, person)}; {manner.length} and {manner.register}; ends with {last}",
    }


def comment(held: Mind, person: Person, post: Post) -> str:
    """The states said: the stance and its reason, the emotion, then an end that follows the goal. What is free in the
    wording is drawn by the two ids, in the same order whatever the states are."""
    random = Random(stable_hash("population wording", person.id, post.id))
    link, frame, pick = (random.randrange(2) for _ in range(3))
    words, manner = wording(), person.manner
    register = FORMAL if manner.register == "formal" else CASUAL
    opinion = words.degree[held.degree].said[2 * (manner.frankness == "blunt") + register]
    sentences = [
        f"{opinion} {post.topic}{words.link[manner.register][link]}{_reason(held, register)}.",
        _felt(held, person, post, frame),
        _ending(held, person, post, pick),
    ]
    if manner.length == "long":
        sentences.insert(0, words.address[manner.frankness][held.relation].format(name=post.thread[-1].author))
    if manner.emoji:
        sentences.append(held.feeling.emoji)
    return " ".join(sentences)


def _about(held: Mind, post: Post) -> str:
    target = {"topic": post.topic, "maker": post.maker, "touched": post.touched}[held.feeling.target]
    return f"{held.feeling.about} {target}"


def _belief(held: Mind, person: Person) -> str:
    """Those who are at ease trust the world more than those who are not."""
    belief = values()[held.value].belief
    if held.attitude == "dismissed":
        return belief["dismissed"]
    return belief["bright" if person.temper in ("calm", "cheerful") else "dark"]


def _tone(held: Mind, person: Person) -> str:
    return wording().tone[person.manner.frankness][held.intensity]


def _reason(held: Mind, register: int) -> str:
    undecided = wording().undecided
    if not held.effect:
        return undecided.untouched[register]
    if not held.degree:
        return undecided.torn[register]
    return values()[held.value].reasons[held.attitude]["helps" if held.effect > 0 else "hurts"][register]


def _felt(held: Mind, person: Person, post: Post, frame: int) -> str:
    scale = wording().intensity
    degrees = scale.formal if person.manner.register == "formal" else scale.casual
    felt = f"{degrees[held.intensity]} {held.feeling.adjective}"
    if person.manner.length == "long":
        return scale.frames[frame].format(f"{felt} {_about(held, post)}")
    return f"{_capital(felt)}."


def _ending(held: Mind, person: Person, post: Post, pick: int) -> str:
    words, value = wording(), values()[held.value]
    pattern = words.habit[person.manner.habit].said[held.relation]
    said = (pattern if isinstance(pattern, str) else pattern[pick]).format(
        name=post.thread[-1].author,
        question=value.questions[pick],
        occupation=person.occupation,
        interest=person.interests[0],
        advice=words.advice[held.side][person.manner.register == "formal"],
        belief=_belief(held, person),
    )
    return _capital(said)


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
