"""Options of the target: files and formats, chips, and how cores are filled."""

from attrs import frozen

from snnc.diagnostics import fail
from snnc.extend.passes import option
from snnc.targets.paicore.chip.core import Coordinate
from snnc.targets.paicore.limits import LIMITS


@frozen
class Options:
    """What `snnc compile -t paicore` takes."""

    format: tuple[str, ...] = option(
        ("bin",), help="formats of the configuration files", choices=("bin", "npy", "txt")
    )
    split: str = option(
        "none", help="one file, one per chip or one per core", choices=("none", "chip", "core")
    )
    chip: tuple[int, ...] = option(
        LIMITS.target_chip, help="target chips: X,Y of each, one after another"
    )
    output_chip: tuple[int, ...] = option(
        LIMITS.output_chip, help="X,Y of the chip that receives the outputs"
    )
    group: str = option(
        "both",
        help="fill cores for latency, for fewest cores, or both",
        choices=("latency", "cores", "both"),
    )
    multicast: str = option(
        "masks",
        help="cut layers into tiles by any masks of destinations, into blocks of cores with copies "
        "of what two of them read, or not at all",
        choices=("masks", "contiguous", "none"),
    )
    partition: str = option(
        "auto",
        help="tiles for layers with few synapses: by orders of their neurons, by hypergraphs too "
        "(mtkahypar, if it is installed), or none",
        choices=("auto", "hypergraph", "off"),
    )
    core_params: bool = option(True, help="write core_params.json")
    neuron_places: bool = option(True, help="write neuron_phy_loc.json, to read potentials back")
    clock_enables: bool = option(
        False, help="say in graph_info.json which clusters of cores need their clock (clk_en_L2)"
    )

    @property
    def chips(self) -> tuple[Coordinate, ...]:
        """The target chips.

        Raises:
            SnncError: `chip-option` for anything but pairs on the grid, each once.
        """
        return _pairs("chip", self.chip)

    @property
    def receiver(self) -> Coordinate:
        """The output chip.

        Raises:
            SnncError: `chip-option`.
        """
        pairs = _pairs("output-chip", self.output_chip)
        if len(pairs) != 1:
            raise _bad("output-chip", self.output_chip, f"{len(pairs)} chips, one is wanted")
        if pairs[0] in self.chips:
            raise _bad("output-chip", self.output_chip, "it is one of the target chips")
        return pairs[0]


def _pairs(name: str, numbers: tuple[int, ...]) -> tuple[Coordinate, ...]:
    pairs = tuple(zip(numbers[::2], numbers[1::2], strict=False))
    if not numbers or len(numbers) % 2:
        raise _bad(name, numbers, f"{len(numbers)} numbers are no pairs X,Y")
    if any(not 0 <= n < LIMITS.side for n in numbers):
        raise _bad(name, numbers, f"a coordinate is 0 to {LIMITS.side - 1}")
    if len(set(pairs)) != len(pairs):
        raise _bad(name, numbers, "a chip is named twice")
    return pairs


def _bad(name: str, numbers: tuple[int, ...], reason: str) -> Exception:
    text = ",".join(map(str, numbers))
    return fail("chip-option", f"--{name} {text}: {reason}", help=f"write --{name} X,Y")
