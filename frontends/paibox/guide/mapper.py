"""The mapper of the guide: build, compile and export, by snnc's own compiler for PAICORE."""

import json
import re
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from snnc.diagnostics import fail, nearest
from snnc.frontends.paibox.guide import public
from snnc.frontends.paibox.guide.calls import here, strict
from snnc.frontends.paibox.guide.networks import Network
from snnc.frontends.paibox.numbers import integer
from snnc.frontends.paibox.translate import translate
from snnc.ir.graph import Module, Op
from snnc.ir.rewrite import Rebuild, rebuild

GOALS = {"latency": "latency", "core": "cores", "both": "both"}
FORMATS = ("bin", "npy", "txt")
_SIDE = 31


class Coord(NamedTuple):
    """A place on the grid of chips or cores."""

    x: int
    y: int

    def __repr__(self) -> str:
        return f"Coord({self.x}, {self.y})"


def coordinate(given: Any, what: str) -> Coord:
    """Return a coordinate given as a pair of integers 0..31."""
    if not isinstance(given, (tuple, list)) or len(given) != 2:
        raise fail("paibox-number", f"{what} = {given!r} is no pair", here(), help="write (x, y)")
    return Coord(*(integer(n, what, 0, _SIDE, here()) for n in given))


class Settings:
    """The backend's settings; a name that it does not have is refused."""

    _NAMES = ("local_chip_addr", "test_chip_addr", "output_dir", "build_directory", "cflag")

    def __init__(self) -> None:
        self.restore()

    def restore(self) -> None:
        """Go back to the defaults."""
        self.local_chip_addr, self.test_chip_addr = Coord(0, 0), Coord(1, 0)
        self.output_dir = Path()
        self.cflag: dict[str, Any] = {}

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self._NAMES:
            raise fail(
                "unknown-keyword",
                f"BACKEND_CONFIG has no setting {name!r}",
                here(),
                help=nearest(name, self._NAMES),
            )
        if name.endswith("_addr"):
            value = coordinate(value, name)
        name = "output_dir" if name == "build_directory" else name
        object.__setattr__(self, name, Path(value) if name == "output_dir" else value)

    @property
    def build_directory(self) -> Path:
        """Another name of `output_dir`."""
        return self.output_dir


BACKEND_CONFIG = Settings()
"""The one set of settings of a process."""


def set_cflag(**flags: Any) -> None:
    """Set compile flags; `enable_wp_opt` and `grouping_optim_target` are defaults of `compile`."""
    BACKEND_CONFIG.cflag = {**BACKEND_CONFIG.cflag, **flags}


class Mapper:
    """Compiles networks for PAICORE chips and writes what a board loads."""

    def __init__(self) -> None:
        self.clear()

    @strict
    def clear(self) -> None:
        """Forget networks and results."""
        self._network: Network | None = None
        self._module: Module | None = None
        self._options: dict[str, Any] = {}
        self._narrow = True
        self._builds: dict[str, Any] = {}

    def build(self, *networks: Any) -> None:
        """Take one or more networks; they are not changed.

        Raises:
            SnncError: `paibox-end` for anything else, and what the front end refuses.
        """
        self.clear()
        for given in networks:
            if not isinstance(given, Network):
                raise fail(
                    "paibox-end", f"{given!r} is no network", here(), help="give a pb.Network"
                )
        if not networks:
            raise fail("paibox-end", "there is no network to build", here(), help="give one")
        self._network = networks[0] if len(networks) == 1 else Network(*networks)
        self._module = translate(self._network.paibox_network())

    @strict
    def compile(
        self,
        weight_bit_optimization: bool | None = None,
        grouping_optim_target: str | None = None,
    ) -> dict[str, Any]:
        """Return what is known of the placed network: cores, latency, output formats.

        Args:
            weight_bit_optimization: store weights in as few bits as they need.
            grouping_optim_target: `latency`, `core` or `both`.

        Raises:
            SnncError: `paibox-order` before `build`, `unknown-keyword`, what the target refuses.
        """
        flags = BACKEND_CONFIG.cflag
        goal = grouping_optim_target or flags.get("grouping_optim_target", "both")
        if goal not in GOALS:
            raise fail(
                "unknown-keyword",
                f"grouping_optim_target = {goal!r} is no goal",
                here(),
                help=nearest(str(goal), list(GOALS)),
            )
        narrow = flags.get("enable_wp_opt", True)
        if weight_bit_optimization is not None:
            narrow = weight_bit_optimization
        self._options, self._builds = {"group": GOALS[goal]}, {}
        self._narrow = bool(narrow)
        return _read(self._compiled(), "graph_info.json")

    @strict
    def export(
        self,
        write_to_file: bool = True,
        fp: Any = None,
        format: str = "bin",
        split_by_coordinate: bool = False,
        local_chip_addr: Any = None,
        export_core_params: bool = False,
    ) -> dict[str, Any]:
        """Write the build folder and return the settings of every used core, by chip and core.

        Args:
            write_to_file: whether to write at all.
            fp: the folder; by default one named like the network in `BACKEND_CONFIG.output_dir`.
            format: of the frames: `bin`, `npy` or `txt`.
            split_by_coordinate: one file of frames per core.
            local_chip_addr: the chip; by default `BACKEND_CONFIG.local_chip_addr`.
            export_core_params: also write core_params.json.

        Raises:
            SnncError: `paibox-order` before `compile`, `unknown-keyword`, `output-not-ours`.
        """
        if format not in FORMATS:
            raise fail(
                "unknown-keyword",
                f"format = {format!r} is none",
                here(),
                help=nearest(str(format), FORMATS),
            )
        if not self._builds:
            raise fail(
                "paibox-order", "nothing is compiled yet", here(), help="call compile() first"
            )
        chip = None if local_chip_addr is None else coordinate(local_chip_addr, "local_chip_addr")
        found = _read(self._compiled(chip), "core_params.json")
        if write_to_file:
            assert self._module is not None
            own = re.sub(r"\W", "_", self._module.name)
            folder = BACKEND_CONFIG.output_dir / own if fp is None else Path(fp)
            files = {"format": [format], "split": "core" if split_by_coordinate else "none"}
            self._compiled(chip, core_params=export_core_params, **files).save(folder)
        return found

    def _compiled(self, chip: Coord | None = None, **files: Any) -> Any:
        """Return the build with these options, made once."""
        if self._module is None:
            raise fail(
                "paibox-order", "there is no network yet", here(), help="call build(network) first"
            )
        options = {
            **self._options,
            **files,
            "chip": list(chip or BACKEND_CONFIG.local_chip_addr),
            "output_chip": list(BACKEND_CONFIG.test_chip_addr),
        }
        key = json.dumps(options, sort_keys=True)
        if key not in self._builds:
            module = self._module if self._narrow else rebuild(self._module, _widened)
            self._builds[key] = public.compile(module, **options)
        return self._builds[key]


def _widened(op: Op, build: Rebuild) -> Any:
    """Ask for weights of eight bits, whatever they are."""
    return build.copy(op, place={**(op["place"] or {}), "bits": 8}) if op.kind == "neuron" else None


def _read(build: Any, name: str) -> dict[str, Any]:
    """Return a JSON file of a build."""
    with tempfile.TemporaryDirectory() as folder:
        saved = build.save(Path(folder) / "build")
        found: dict[str, Any] = json.loads((saved / name).read_text())
    return found
