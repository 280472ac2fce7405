"""A rule of four numbers: read without being run, worked out exactly, brought into one form for all ways
to write it, and drawn at random."""

import ast
import operator
from collections import Counter
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import lru_cache
from random import Random

NAMES = ("a", "b", "c", "d")
LONGEST = 200
"""Characters of a rule."""
MOST_BITS = 1024
"""Of a number on the way to the result."""

_OPERATORS: Mapping[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


class Undefined(ValueError):
    """The rule gives no number for these."""


class Formula:
    """`+ - * / **`, brackets, whole numbers and each of a, b, c, d. ValueError for anything else."""

    def __init__(self, text: str) -> None:
        if len(text) > LONGEST:
            raise ValueError(f"a rule of {len(text)} characters; at most {LONGEST}")
        try:
            self.tree = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise ValueError(f"{text!r} is no formula: {error}") from None
        found = set(_names(self.tree))
        if missing := set(NAMES) - found:
            raise ValueError(f"{text!r} does not use {', '.join(sorted(missing))}")
        self.text = text

    def __call__(self, *numbers: int) -> Fraction:
        """Undefined where it gives no number, or one that is too large."""
        return _value(self.tree, dict(zip(NAMES, map(Fraction, numbers), strict=True)))

    @property
    def canonical(self) -> str:
        """The same for `(a - b) * c / d` and `c / d * (a - b)`: order, brackets, signs and squares of products do not
        count."""
        sign, factors = _product(self.tree)
        return ("-" if sign < 0 else "") + _written(factors)


@lru_cache(maxsize=4096)
def formula(text: str) -> Formula:
    return Formula(text)


def _names(node: ast.expr) -> list[str]:
    match node:
        case ast.Name(id=name) if name in NAMES:
            return [name]
        case ast.Constant(value=int() as value) if type(value) is int:
            return []
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return _names(operand)
        case ast.BinOp(left=left, op=kind, right=right) if isinstance(kind, ast.Pow) or type(kind) in _OPERATORS:
            return _names(left) + _names(right)
    raise ValueError(f"{ast.unparse(node)!r} may not stand in a rule: it has + - * / **, whole numbers and a, b, c, d")


def _value(node: ast.expr, numbers: Mapping[str, Fraction]) -> Fraction:
    match node:
        case ast.Name(id=name):
            return numbers[name]
        case ast.Constant(value=int() as value):
            return Fraction(value)
        case ast.UnaryOp(operand=operand):
            return -_value(operand, numbers)
        case ast.BinOp(left=left, op=kind, right=right):
            one, other = _value(left, numbers), _value(right, numbers)
            if isinstance(kind, ast.Pow):
                return _power(one, other)
            if isinstance(kind, ast.Div) and not other:
                raise Undefined("it divides by zero")
            return _OPERATORS[type(kind)](one, other)
    raise AssertionError(node)


def _power(base: Fraction, exponent: Fraction) -> Fraction:
    if exponent.denominator != 1:
        raise Undefined("an exponent is not a whole number")
    if not base and exponent < 0:
        raise Undefined("it divides by zero")
    if abs(base) not in (0, 1) and abs(exponent) * _bits(base) > MOST_BITS:
        raise Undefined("the number is too large")
    return Fraction(base ** int(exponent)) if abs(base) != 1 else base ** int(exponent % 2)


def _bits(number: Fraction) -> int:
    return max(number.numerator.bit_length(), number.denominator.bit_length())


Factors = Counter[str]
"""How often each factor stands in a product; below the fraction line it counts negative."""


def _product(node: ast.expr) -> tuple[int, Factors]:
    match node:
        case ast.UnaryOp(operand=operand):
            sign, factors = _product(operand)
            return -sign, factors
        case ast.BinOp(left=left, op=ast.Mult() | ast.Div() as kind, right=right):
            (one, factors), (other, more) = _product(left), _product(right)
            joined = Factors(factors)
            joined.update(more) if isinstance(kind, ast.Mult) else joined.subtract(more)
            return one * other, joined
        case ast.BinOp(left=left, op=ast.Pow(), right=ast.Constant(value=int() as times)):
            sign, factors = _product(left)
            return sign if times % 2 else 1, Factors({factor: count * times for factor, count in factors.items()})
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return 1, Factors({f"[{_text(left)}]^[{_text(right)}]": 1})
        case ast.BinOp():
            terms = sorted(_terms(node, 1), key=lambda term: term[::-1])
            first = terms[0][0]
            written = "".join(("+" if sign == first else "-") + text for sign, text in terms)
            return first, Factors({f"({written})": 1})
    return 1, Factors({ast.unparse(node): 1})


def _terms(node: ast.expr, sign: int) -> list[tuple[int, str]]:
    match node:
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() as kind, right=right):
            return _terms(left, sign) + _terms(right, sign if isinstance(kind, ast.Add) else -sign)
        case ast.UnaryOp(operand=operand):
            return _terms(operand, -sign)
    own, factors = _product(node)
    return [(sign * own, _written(factors))]


def _text(node: ast.expr) -> str:
    sign, factors = _product(node)
    return ("-" if sign < 0 else "") + _written(factors)


def _written(factors: Factors) -> str:
    parts = sorted((factor, count) for factor, count in factors.items() if count)
    return "*".join(factor if count == 1 else f"{factor}^{count}" for factor, count in parts) or "1"


def drawn_rule(random: Random) -> str:
    """A rule of a, b, c and d, each once, some parts squared."""
    parts = list(NAMES)
    random.shuffle(parts)
    parts = [f"{part} ** 2" if random.random() < 0.15 else part for part in parts]
    while len(parts) > 1:
        place = random.randrange(len(parts) - 1)
        joined = f"({parts[place]} {random.choice('++--**/')} {parts[place + 1]})"
        if len(parts) > 2 and random.random() < 0.08:
            joined += " ** 2"
        parts[place : place + 2] = [joined]
    return parts[0][1:-1]


def drawn_case(rule: str, random: Random) -> tuple[int, ...] | None:
    """Numbers for which the rule gives a whole number that nobody guesses from looking at them."""
    for _ in range(40):
        numbers = tuple(random.randint(1, 10) for _ in NAMES)
        try:
            value = formula(rule)(*numbers)
        except Undefined:
            continue
        if value.denominator == 1 and 1 < abs(value) < 10_000 and value not in numbers:
            return numbers
    return None
