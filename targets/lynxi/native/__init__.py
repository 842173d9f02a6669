"""The emulator as machine code: layer by layer over all ticks, element by element in registers.

It needs llvmlite. Without it, and for what has no code here, the same numbers come from numpy.
"""
