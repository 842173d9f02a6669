"""Options of the target: what the vendor's compiler is asked for, and how numbers are held."""

from attrs import frozen

from snnc.extend.passes import option


@frozen
class Options:
    """What `snnc compile -t lynxi` takes."""

    batch: int = option(1, help="samples per call: 1, 2, 4, 7, 14 or 28")
    version: int | None = option(
        None, help="version of the vendor's compiler, 0 or 1; what the batch needs if not given"
    )
    profile: str = option(
        "f32",
        help="f32: float32, each sum rounded once; f16: every real number rounded to float16",
        choices=("f32", "f16"),
    )
    input: str = option(
        "float32",
        help="what the host sends; uint8 for spikes and images",
        choices=("float32", "float16", "uint8"),
    )
    mode: str = option(
        "auto", help="where states lie: chosen, on the chip, in DDR", choices=("auto", "glb", "ddr")
    )
