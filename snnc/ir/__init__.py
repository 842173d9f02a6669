"""The IR: values, types, ops, weights, levels, text, verifier, rewriting. The door to the layer."""

from snnc.ir.build import Builder
from snnc.ir.graph import Graph, Module, Op, Operand, Value, Weight
from snnc.ir.levels import int as _int  # noqa: F401  registers the level
from snnc.ir.levels import snn as _snn  # noqa: F401  registers the level
from snnc.ir.opset import Symbol, Word, level, levels, lookup
from snnc.ir.types import Element, Type, parse_type, train
from snnc.ir.weights import Tensor, tensor

__all__ = [
    "Builder",
    "Element",
    "Graph",
    "Module",
    "Op",
    "Operand",
    "Symbol",
    "Tensor",
    "Type",
    "Value",
    "Weight",
    "Word",
    "level",
    "levels",
    "lookup",
    "parse_type",
    "tensor",
    "train",
]
