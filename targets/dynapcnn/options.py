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
        ("-1",), help="layers that report events: -1 (the outputs), all, dvs, numbers or names"
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
