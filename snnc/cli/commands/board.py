"""`snnc encode` and `snnc decode`: frames or events, to and from a board."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from snnc.cli.dynapcnn import events
from snnc.cli.parameters import Command, as_json, tick_length, ticks, to_file, values_out
from snnc.cli.printing import counted, show_json
from snnc.cli.session import Session, check_length
from snnc.diagnostics import fail

if TYPE_CHECKING:
    from snnc.driver import Build

EXAMPLE = """snnc encode build -i x.npz -o in.bin
snnc encode build -i x.npz --sample 3 -o in.npy --bursts
snnc encode build --read-back -o ask.bin
snnc encode speck -i x.npz --dt 500 -o in.npy"""

DECODE_EXAMPLE = """snnc decode build out.bin -o y.npz --ticks 16
snnc decode build out-0.bin out-1.bin -o y.npz --ticks 300
snnc decode build answers.bin -o v.npz --read-back
snnc decode speck out.npy -o y.npz --dt 500"""


def _board(session: Session, folder: str) -> tuple["Build", Any]:
    """Return a build and the module that talks to its board.

    Raises:
        SnncError: `no-frames` for a target without frames.
    """
    build = session.open(folder)
    if build.target.level != "paicore":
        raise fail(
            "no-frames",
            f"{folder} is for {build.manifest['target']}, which takes no frames",
            help="its files go to the vendor's own loader; see the README in the folder",
        )
    from snnc.targets.paicore.emulation import board

    return build, board


@click.command(cls=Command, name="encode", example=EXAMPLE)
@click.argument("folder", metavar="DIR")
@click.option("-i", "--inputs", metavar="X.npz", help="Inputs of the network, as for run.")
@click.option(
    "-o",
    "--output",
    metavar="IN.bin",
    required=True,
    callback=to_file,
    help="Where to write: .bin, .npy or .txt; events: .npy or .npz.",
)
@click.option("--sample", type=click.IntRange(min=0), metavar="N", help="Which sample to encode.")
@ticks
@click.option("--bursts", is_flag=True, help="A file per burst: IN-0.bin, IN-1.bin ...")
@click.option("--read-back", is_flag=True, help="Write requests for potentials instead.")
@tick_length
@as_json
@click.pass_obj
def encode(
    session: Session,
    folder: str,
    inputs: str | None,
    output: str,
    sample: int | None,
    ticks: int | None,
    bursts: bool,
    read_back: bool,
    dt: int,
    as_json: bool,
) -> None:
    """Turn inputs into the frames or events to send.

    For dynapcnn they are events of cores, as a structured array; bursts are none of it. For
    paicore they are frames:

    First come the words that make the cores forget, then for each burst its spikes and a sync word
    per chip that lets the chips run on. A burst is as long as the input buffers are deep. With
    --bursts each is a file, so that what comes back can be kept apart; without, one file holds all
    in order.
    """
    if (build := session.open(folder)).target.level == events.LEVEL:
        if bursts or read_back or inputs is None:
            raise click.UsageError(
                "give the inputs with -i X.npz; --bursts and --read-back are for frames"
            )
        trains = _spikes(session, build, inputs, sample, ticks)
        events.encode(build, trains, Path(output), dt, as_json)
        return
    build, board = _board(session, folder)
    if read_back:
        if inputs is not None:
            raise click.UsageError("--read-back asks for potentials; it takes no -i")
        parts = board.requests(Path(folder))
        _write(output, parts, False, "core", as_json)
        return
    if inputs is None:
        raise click.UsageError("give the inputs with -i X.npz, or --read-back")
    spikes = _spikes(session, build, inputs, sample, ticks)
    parts = board.encode_bursts(Path(folder), spikes, ticks)
    _write(output, parts, bursts, "burst", as_json)


def _spikes(
    session: Session, build: "Build", inputs: str, sample: int | None, ticks: int | None
) -> dict[str, Any]:
    """Return the trains of one sample that the chip takes; encoders run here.

    Random encoders draw by the number of a sample, so all samples are encoded and one is taken.
    """
    import numpy as np

    from snnc.driver.build import named
    from snnc.driver.host import Host

    module = build.module
    values = named(module, inputs)
    count = len(next(iter(values.values()))) if values else 1
    if count == 0:
        raise fail("one-sample", f"{inputs} holds no samples", help="give at least one sample")
    if sample is None and count != 1:
        raise fail(
            "one-sample",
            f"{inputs} holds {count} samples; a board runs one at a time",
            help=f"choose one with --sample 0 to --sample {count - 1}",
        )
    chosen = sample or 0
    if chosen >= count:
        raise fail(
            "one-sample",
            f"{inputs} holds {counted(count, 'sample')}, there is no sample {chosen}",
            help="samples are counted from 0",
        )
    engine = session.registry.get_engine("reference")
    taken = list(build.manifest["takes"])
    upto = {name: np.asarray(array)[: chosen + 1] for name, array in values.items()}
    trains, _ = Host(module, taken, engine).encode(upto, ticks)
    check_length(build.manifest, trains)
    return {name: array[chosen : chosen + 1] for name, array in trains.items()}


def _write(output: str, parts: list[Any], apart: bool, what: str, as_json: bool) -> None:
    """Write words into one file, or one per part, and say which."""
    import numpy as np

    from snnc.targets.paicore.artifact.files import write_words

    path = Path(output)
    none = np.zeros(0, dtype=np.uint64)
    if apart:
        names = [path.with_stem(f"{path.stem}-{n}") for n in range(len(parts))]
        pieces = parts
    else:
        names, pieces = [path], [np.concatenate([none, *parts])]
    for name, words in zip(names, pieces, strict=True):
        write_words(name, words)
    if as_json:
        rows = [{"file": str(n), "words": len(w)} for n, w in zip(names, pieces, strict=True)]
        show_json({f"{what}s": len(parts), "files": rows})
        return
    for name, words in zip(names, pieces, strict=True):
        inside = "" if apart else f", {counted(len(parts), what)} in order"
        click.echo(f"wrote {name}: {counted(len(words), 'word')}{inside}")


@click.command(cls=Command, name="decode", example=DECODE_EXAMPLE)
@click.argument("folder", metavar="DIR")
@click.argument("files", metavar="OUT.bin...", nargs=-1, required=True)
@values_out("the outputs or potentials")
@ticks
@click.option("--read-back", is_flag=True, help="The file holds answers to encode --read-back.")
@tick_length
@as_json
@click.pass_obj
def decode(
    session: Session,
    folder: str,
    files: tuple[str, ...],
    output: str,
    ticks: int | None,
    read_back: bool,
    dt: int,
    as_json: bool,
) -> None:
    """Turn received frames or events into outputs or potentials.

    For dynapcnn: events of monitored cores, from one file or several in order. For paicore: one
    file per burst, in order: slots repeat after a burst, so frames of two bursts can't be told
    apart once they are mixed. With --read-back, one file with the answers to all requests, in
    order; Y.npz then holds NAME.v for each layer.
    """
    from snnc.targets.paicore.artifact.files import read_words

    if (build := session.open(folder)).target.level == events.LEVEL:
        if read_back:
            raise click.UsageError("--read-back is for frames; events hold no potentials")
        sent = events.decode(build, files, dt, ticks)
        show_decoded(output, build.read_out(sent)[0], False, as_json)
        return
    build, board = _board(session, folder)
    words = [read_words(Path(name)) for name in files]
    if read_back:
        if len(words) != 1:
            raise click.UsageError("--read-back takes one file, the answers in order")
        answers = split_answers(words[0], board.requests(Path(folder)))
        arrays = {n: a[None] for n, a in board.potentials(Path(folder), answers).items()}
    else:
        stated = build.manifest.get("ticks") or build.module.attrs.get("ticks")
        count = ticks or (stated if isinstance(stated, int) else None)
        if count is None:
            raise click.UsageError("say how many ticks were run with --ticks N")
        arrays = build.read_out(board.decode(Path(folder), words, count))[0]
    show_decoded(output, arrays, read_back, as_json)


def show_decoded(output: str, arrays: dict[str, Any], read_back: bool, as_json: bool) -> None:
    """Write arrays by name, and print what they are."""
    from snnc.runtime.values import write_values

    write_values(Path(output), arrays)
    if as_json:
        show_json({"file": output, "values": {n: list(a.shape) for n, a in arrays.items()}})
        return
    for name, array in arrays.items():
        real = read_back or array.dtype.kind == "f"
        spikes = "" if real else f", {counted(int(array.sum(dtype='int64')), 'spike')}"
        click.echo(f"%{name}: {'x'.join(map(str, array.shape))}{spikes}")
    click.echo(f"wrote {output}")


def split_answers(words: Any, requests: list[Any]) -> list[list[Any]]:
    """Return the answers to the requests of each core, cut from one array in order.

    An answer is its header and the data asked for; boards may add one more word to each.

    Raises:
        SnncError: `read-answer` where the number of words fits neither.
    """
    import numpy as np

    from snnc.targets.paicore.chip.frames import PACKAGE, decode

    asked = np.concatenate([np.zeros(0, np.uint64), *requests])
    counts = decode(PACKAGE, asked[:, None], ("count",))["count"] + 1
    if len(words) == int(counts.sum()) + len(counts):
        counts = counts + 1
    if len(words) != int(counts.sum()):
        raise fail(
            "read-answer",
            f"{len(words)} words were read back, {counted(len(asked), 'request')} are answered "
            f"by {int(counts.sum())}",
            help="keep all answers, in the order of the requests that encode --read-back wrote",
        )
    each = np.split(words, np.cumsum(counts)[:-1])
    found, done = [], 0
    for core in requests:
        found.append(list(each[done : done + len(core)]))
        done += len(core)
    return found
