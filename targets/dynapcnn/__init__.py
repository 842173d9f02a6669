"""DYNAP-CNN and Speck: lowering, placement, configurations of the vendor and their emulator."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen

from snnc.diagnostics import Diagnostics
from snnc.extend.engine import Engine, Program
from snnc.extend.target import Emitted
from snnc.ir.graph import Module
from snnc.targets.dynapcnn.options import Options

if TYPE_CHECKING:
    from snnc.targets.dynapcnn.limits import Chip

_PASSES = {
    "ann-to-snn": "spiking:AnnToSnn",
    "legalise": "legalise:Legalise",
    "discretize": "discretize:Discretize",
    "spread": "spread:Spread",
    "place": "place:Place",
}


@frozen
class Dynapcnn:
    """The target: convolutional integrate-and-fire networks on DYNAP-CNN and Speck chips.

    Exact in the time-stepped semantics of sinabs' discretized networks.
    """

    name: str = "dynapcnn"
    level: str = "dynapcnn"
    doc: str = "DYNAP-CNN, Speck: 9 event-driven convolution cores, 8-bit weights, JSON"
    Options: type[Any] = Options
    reads_out: tuple[str, ...] = ("reshape", "slice", "concat", "add", "sum_pool2d", "avg_pool2d")

    def variants(self) -> tuple[str, ...]:
        """Return the devices by their names in sinabs."""
        from snnc.targets.dynapcnn.limits import DEVICES

        return DEVICES

    def hardware(self, variant: str, options: Any) -> Mapping[str, Any]:
        """Return names, memories and limits of a device, and what the user chose, as plain data."""
        from snnc.targets.dynapcnn.limits import DEVICES, LIMITS, chip

        name = variant or DEVICES[0]
        device = chip(name)
        return {
            "device": name,
            "vendor_device": device.device,
            "vendor_module": device.module,
            "cores": [
                {"kernel": k, "neuron": n, "bias": b}
                for k, n, b in zip(device.kernel, device.neuron, device.bias, strict=True)
            ],
            "devices": {one: _vendor_names(chip(one)) for one in DEVICES},
            "max_kernel": LIMITS.max_kernel,
            "strides": list(LIMITS.strides),
            "max_padding": LIMITS.max_padding,
            "pools": list(LIMITS.pools),
            "max_input": LIMITS.max_input,
            "max_output": LIMITS.max_output,
            "max_features": LIMITS.max_features,
            "destinations": LIMITS.destinations,
            "weight_bits": LIMITS.weight_bits,
            "membrane_bits": LIMITS.state_bits,
            "map": list(options.map),
            "monitor": list(options.monitor),
            "readout": options.readout,
            "sensor": options.sensor,
            "pixels": options.pixels or options.sensor,
        }

    def passes(self) -> Mapping[str, str]:
        """Return the target's own passes."""
        return {name: f"snnc.targets.dynapcnn.{where}" for name, where in _PASSES.items()}

    def code(self, options: Any) -> str:
        """Return the function of the user that changes the configuration, empty for none."""
        return str(options.config_modifier)

    def pipeline(self, options: Any) -> str:
        """Return the passes from level `snn` down to a configuration."""
        scale, strategy = options.scale, options.strategy
        spread = "spread," if options.spread else ""
        lowered = f"discretize{{scale={scale}}},{spread}place{{strategy={strategy}}}"
        converted = "ann-to-snn," if options.ann_to_snn else ""
        return f"clean,fold-norm,fold-pool,{converted}legalise,{lowered}"

    def emit(self, module: Module, folder: Path, options: Any) -> Emitted:
        """Write `config.json` and `layout.json`; see `emit.emit`."""
        from snnc.targets.dynapcnn.emit import emit

        return emit(module, folder, options)

    def load(self, folder: Path) -> Module:
        """Return the placed module of a build; see `load.load`."""
        from snnc.targets.dynapcnn.load import load

        return load(folder)

    def check(self, module: Module) -> Diagnostics:
        """Judge a placed module by the rules of the chip; see `check.check`."""
        from snnc.targets.dynapcnn.check import check

        return check(module)

    def emulate(self, folder: Path) -> Program:
        """Return a program that runs a configuration in time steps; see `timestep.Timestep`."""
        from snnc.targets.dynapcnn.emulation.timestep import Timestep

        return Timestep(folder)

    def emulate_on(self, folder: Path, engine: Engine) -> Program:
        """Return a program that runs a configuration in time steps, natively on that engine.

        On every other engine numpy runs it.
        """
        from snnc.targets.dynapcnn.emulation.timestep import Timestep

        return Timestep(folder, machine_code=engine.name == "native")

    def emulators(self) -> Mapping[str, Callable[[Path], Program]]:
        """Return both semantics; see `timestep` and `eventwise`."""
        from snnc.targets.dynapcnn.emulation.eventwise import Eventwise
        from snnc.targets.dynapcnn.emulation.timestep import Timestep

        return {"timestep": Timestep, "event": Eventwise}

    def encode(self, folder: Path, inputs: Mapping[str, Any], ticks: int | None = None) -> Any:
        """Return the events to send for one sample, in ticks of a millisecond; see `stream`."""
        from snnc.targets.dynapcnn.artifact.layout import read_files
        from snnc.targets.dynapcnn.emulation.stream import encode_sample
        from snnc.targets.dynapcnn.recordings.events import TICK

        return encode_sample(read_files(folder), inputs, ticks, TICK)

    def decode(self, folder: Path, frames: Any, ticks: int) -> Mapping[str, Any]:
        """Return the outputs that events of monitored cores say; see `stream.decode`."""
        from snnc.targets.dynapcnn.artifact.layout import read_files
        from snnc.targets.dynapcnn.emulation.stream import decode
        from snnc.targets.dynapcnn.recordings.events import TICK

        return decode(read_files(folder), frames, ticks, TICK)

    def config(self, folder: Path) -> Any:
        """Return the configuration tree of a build, by the vendor's attribute names."""
        from snnc.targets.dynapcnn.artifact.layout import read_config

        return read_config(folder)


def _vendor_names(device: "Chip") -> dict[str, Any]:
    """Return what the vendor calls a device, and its memories core by core."""
    return {
        "vendor_device": device.device,
        "vendor_module": device.module,
        "cores": device.cores,
        "kernel": list(device.kernel),
        "neuron": list(device.neuron),
        "bias": list(device.bias),
    }
