"""How many examples a law gets: few in the quick step, `SNNC_EXAMPLES` (300) in the slow one."""

import os


def examples(quick: int) -> int:
    """Return the number of examples for a law that draws `quick` in the quick step."""
    return max(quick, int(os.environ.get("SNNC_EXAMPLES", "0")))
