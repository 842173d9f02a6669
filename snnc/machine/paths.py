"""Which instructions the machine code may use: found at run time, or forced by an option.

Paths are names for sets of features, from what every machine of the architecture has upwards. Only
speed depends on them. Processors other than x86 have one path: plain vectors, which LLVM makes of
them what they can.
"""

import os
import platform
from functools import cache

from attrs import frozen
from llvmlite import binding

from snnc.diagnostics import fail

X86 = ("x86_64", "amd64")
SSE4 = ("sse3", "ssse3", "sse4.1", "sse4.2", "popcnt")
AVX2 = (*SSE4, "avx", "avx2", "bmi", "bmi2", "f16c", "lzcnt")
AVX512 = (*AVX2, "avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl")
FEATURES = {
    "baseline": (),
    "avx2": AVX2,
    "avx512": AVX512,
    "vnni": (*AVX512, "avx512vnni"),
}


@frozen
class Path:
    """A name, the processor that code is scheduled for, and its features as LLVM writes them."""

    name: str
    cpu: str
    features: str

    @property
    def vnni(self) -> bool:
        """Whether there is a product of unsigned and signed bytes."""
        return self.name == "vnni"

    @property
    def halves(self) -> bool:
        """Whether there are conversions of float16."""
        return "+f16c" in self.features

    @property
    def wide(self) -> bool:
        """Whether there are vectors of 512 bits with masks."""
        return self.name in ("avx512", "vnni")


@cache
def available() -> tuple[str, ...]:
    """Return the paths that this machine can execute, the slowest first."""
    if platform.machine().lower() not in X86:
        return ("baseline",)
    has = binding.get_host_cpu_features()
    return tuple(
        name for name, needed in FEATURES.items() if all(has.get(feature) for feature in needed)
    )


def choose(name: str = "auto") -> Path:
    """Return a path by name; `auto` is what SNNC_CPU says, else the fastest.

    Raises:
        SnncError: `unknown-path` for a name that is none, or that this machine cannot execute.
    """
    if name == "auto":
        name = os.environ.get("SNNC_CPU") or "auto"
    if name != "auto" and name not in available():
        raise fail(
            "unknown-path",
            f"this machine has no path {name!r} for machine code",
            help=f"it can execute {', '.join(available())}; auto, and no SNNC_CPU, is the fastest",
        )
    chosen = available()[-1] if name == "auto" else name
    if platform.machine().lower() not in X86:
        return Path(chosen, "generic", "")
    return Path(chosen, "x86-64", ",".join(f"+{f}" for f in FEATURES[chosen]))
