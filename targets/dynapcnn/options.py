"""Options of the target: which cores, what is reported, what the build promises to equal."""

from attrs import frozen

from snnc.extend.passes import option


@frozen
class Options:
    """What `snnc compile -t dynapcnn` takes."""

    map: tuple[str, ...] = option(
        (), help="LAYER:CORE for every layer, by number or name; found if not given"
    )
    strategy: str = option(
        "vendor",
        help="vendor: the map that sinabs finds; smallest: the smallest sufficient cores",
        choices=("vendor", "smallest"),
    )
    monitor: tuple[str, ...] = option(
        ("-1",), help="the layers that report events: -1 (the outputs), all, dvs, numbers or names"
    )
    sensor: bool = option(False, help="let the pixels of the chip send events to the input")
    pixels: bool = option(
        False, help="send the input through the pixel block, also where nothing needs it"
    )
    semantics: str = option(
        "timestep",
        help="what running the build means: timestep, as sinabs' simulation and as it is verified; "
        "event, one event after another as on the chip",
        choices=("timestep", "event"),
    )
    readout: bool = option(
        False, help="send the output layer to the readout block, its classes 4 features apart"
    )
    spread: bool = option(
        False,
        help="cut layers that fit no core along their output channels, and relay to many readers",
    )
    ann_to_snn: bool = option(
        False, help="turn a plain ReLU network into a spiking one, as sinabs' from_model does"
    )
    scale: str = option(
        "vendor",
        help="vendor: factors as sinabs; fine: 16-bit biases, no limit from unlimited bounds; "
        "data: fine, and each factor by --calibrate",
        choices=("vendor", "fine", "data"),
    )
    slow_clock: int = option(
        0, help="Hz of the clock that the host gives for leaks, 10 to 10000; 0: not stated"
    )
    leak_divider: int = option(
        0, help="let the chip make that clock: a tick per 2^N events of its pixels, N = 14 to 17"
    )
    decimate: tuple[str, ...] = option(
        (), help="LAYER:N, pass one spike of N: 2, 4, 8, 16, 32, 128, 256 or 512"
    )
    balance: tuple[str, ...] = option((), help="layers that drop events while they are busy")
    readout_mode: str = option(
        "off",
        help="what the readout block gives: off, threshold (class above it), class (one chosen), "
        "largest",
        choices=("off", "threshold", "class", "largest"),
    )
    readout_threshold: int = option(0, help="spikes that a class of the readout block must exceed")
    readout_average: int = option(
        1, help="ticks of the slow clock that the readout block averages over", choices=(1, 16, 32)
    )
    readout_class: int = option(0, help="the class that readout mode `class` gives, from 1 on")
    readout_pins: bool = option(False, help="report changes of the readout pins to the host")
    config_modifier: str = option(
        "", help="FILE.py:function, which takes the configuration and returns it changed"
    )
