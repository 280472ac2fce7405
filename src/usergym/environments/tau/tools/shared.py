"""Tools that both domains have: arithmetic, a note to oneself, the way to a person."""

import ast
import operator
from collections.abc import Callable
from typing import Any

Desk = Any

_CHARACTERS = frozenset("0123456789+-*/(). ")
_LARGEST_POWER = 100_000
"""Bits of a power. Beyond it the published tool runs for minutes, to say that the number is too large."""

_OPERATORS: dict[type, Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}


def calculate(desk: Desk, expression: str) -> str:
    if not all(character in _CHARACTERS for character in expression):
        return "Error: invalid characters in expression"
    try:
        parsed = ast.parse(expression.lstrip(" "), "<string>", "eval")
        return str(round(float(_value(parsed.body)), 2))
    except (SyntaxError, ValueError, TypeError, ArithmeticError, RecursionError, MemoryError) as error:
        return f"Error: {error}"


def _value(node: Any) -> Any:
    match node:
        case ast.Constant():
            return node.value
        case ast.BinOp(op=ast.Pow()):
            return _power(_value(node.left), _value(node.right))
        case ast.BinOp():
            return _OPERATORS[type(node.op)](_value(node.left), _value(node.right))
        case ast.UnaryOp():
            return _OPERATORS[type(node.op)](_value(node.operand))
        case ast.Call():
            raise TypeError(f"'{type(_value(node.func)).__name__}' object is not callable")
    return ()


def _power(base: Any, exponent: Any) -> Any:
    if isinstance(base, int) and isinstance(exponent, int) and base.bit_length() * exponent > _LARGEST_POWER:
        raise OverflowError("int too large to convert to float")
    return operator.pow(base, exponent)


def think(desk: Desk, thought: str) -> str:
    return ""


def transfer_to_human_agents(desk: Desk, summary: str) -> str:
    return "Transfer successful"


TOOLS: dict[str, Callable[..., str]] = {
    function.__name__: function for function in (calculate, think, transfer_to_human_agents)
}
