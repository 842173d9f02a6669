"""Both emulators as machine code: one function each for all networks, which reads tables of cores.

It needs llvmlite. Without it the same numbers come from numpy and Python.
"""
