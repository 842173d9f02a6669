"""What commands have in common: defaults from settings, names of the registry, options."""

from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any

import click

from snnc.cli.session import Session
from snnc.diagnostics import nearest
from snnc.extend.options import declared

DEFAULT_TARGET = "paicore"

EVERY = "all"
"""What stands for all variants of a target."""

F = Callable[..., Any]


class Command(click.Command):
    """A command that takes defaults from the settings file and shows an example at its end.

    `example` is one or more lines of a shell.
    """

    def __init__(self, *args: Any, example: str = "", **extra: Any) -> None:
        super().__init__(*args, **extra)
        self.example = example

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        if self.example:
            with formatter.section("Examples" if "\n" in self.example else "Example"):
                for line in self.example.splitlines():
                    formatter.write(f"  {line}\n")

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse, with defaults from the settings file; its unknown keys are refused."""
        session = ctx.find_object(Session)
        if session is not None:
            check_settings(session)
            ctx.default_map = self._defaults(ctx, session)
        self._refuse_repeats(ctx, args)
        return super().parse_args(ctx, args)

    def _refuse_repeats(self, ctx: click.Context, args: list[str]) -> None:
        """Refuse a second value of an option that takes one; click would drop the first."""
        if ctx.resilient_parsing:
            return
        _, _, given = self.make_parser(ctx).parse_args(args=list(args))
        for number, option in enumerate(given):
            if isinstance(option, click.Option) and _one(option) and option in given[:number]:
                hint = option.get_error_hint(ctx)
                raise click.UsageError(f"{hint} is given twice, and takes one value", ctx)

    def _defaults(self, ctx: click.Context, session: Session) -> dict[str, Any]:
        name = _path(ctx)
        params = {p.name or "": p for p in self.get_params(ctx)}
        strict, found = self.strict_keys(session, name), {}
        for key, value in session.settings.of(name).items():
            if key in params:
                found[key] = _listed(params[key], value)
            elif key in strict:
                known = [option.replace("_", "-") for option in params if option != "help"]
                raise session.settings.refuse(key, f"snnc {name} has no option", known)
        return found

    def strict_keys(self, session: Session, name: str) -> set[str]:
        """Return the settings that this command must know: those that stand in its own table."""
        return {key.replace("-", "_") for key in session.settings.tables.get(name, {})}


def _one(option: click.Option) -> bool:
    """Whether a second mention of an option would say something else than the first."""
    return not option.multiple and (not option.is_flag or bool(option.secondary_opts))


def _path(ctx: click.Context) -> str:
    """Return a command as it is called, `bench compile` for one of a group."""
    return ctx.command_path.partition(" ")[2]


def check_settings(session: Session) -> None:
    """Refuse a key outside of the tables that is an option of nothing, whatever the command.

    Raises:
        SnncError: `unknown-setting`.
    """
    if not session.settings.common:
        return
    from snnc.cli.commands.check import command as checking
    from snnc.cli.commands.compile import command as compiling
    from snnc.diagnostics import SnncError

    known = {p.name or "" for command in (compiling, checking) for p in command.params}
    known -= {"network", "output"}
    for name in session.registry.names("targets"):
        try:
            known |= {o.name for o in declared(session.registry.get_target(name).Options)}
        except SnncError:
            return  # What a target's package lacks, a command that needs the target tells.
    for key in session.settings.common:
        if key.replace("-", "_") not in known:
            spelled = sorted(name.replace("_", "-") for name in known)
            raise session.settings.refuse(
                key, "neither compile nor a target has an option", spelled
            )


def _listed(param: click.Parameter, value: Any) -> Any:
    return [value] if getattr(param, "multiple", False) and not isinstance(value, list) else value


def each_variant(session: Session, named: Iterable[str]) -> tuple[str, ...]:
    """Return targets with `NAME:all` as each of the variants; what follows in braces stays."""
    found: list[str] = []
    for text in named:
        target, brace, options = text.partition("{")
        name, _, variant = target.strip().partition(":")
        known = name in session.registry.names("targets")
        variants = session.registry.get_target(name).variants() if known else ()
        every = variants if variant == EVERY else ()
        found += [f"{name}:{v}{brace}{options}" for v in every] or [text]
    return tuple(found)


class Named(click.ParamType):  # type: ignore[type-arg]
    """A name of the registry: `targets` (`name:variant` too), `engines`, `passes`.

    With `every`, `name:all` means all variants of a target.
    """

    def __init__(self, kind: str, *extra: str, every: bool = False) -> None:
        self.kind, self.extra, self.every = kind, extra, every
        self.name = kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name; a wrong one is a usage error with a suggestion."""
        session = ctx.find_object(Session) if ctx else None
        text = str(value)
        if session is None or text in self.extra:
            return text
        name, _, variant = text.partition(":") if self.kind == "targets" else (text, "", "")
        known = [*session.registry.names(self.kind), *self.extra]
        if name not in known:
            self.fail(f"there is no {name!r}; {nearest(name, known)}", param, ctx)
        if variant and not (self.every and variant == EVERY):
            variants = session.registry.get_target(name).variants()
            if variant.partition(":")[0] not in variants:
                hint = nearest(variant, variants)
                self.fail(f"{name} has no variant {variant!r}; {hint}", param, ctx)
        return text


def network(f: F) -> F:
    """Add the argument NET and the options of its front end."""
    return click.argument("network", metavar="NET")(front_end(f))


def front_end(f: F) -> F:
    """Add `--sample`, `--checkpoint`, `--backbone` and `--set`; together they arrive as `given`."""

    @wraps(f)
    def joined(*args: Any, **rest: Any) -> Any:
        given = rest.pop("set")
        for name in ("sample", "checkpoint", "backbone"):
            value = rest.pop(name)
            if value is not None and name in given:
                raise click.UsageError(f"{name} is given by --{name} and by --set; leave one out")
            given = given if value is None else {**given, name: value}
        return f(*args, given=given, **rest)

    sample = click.option(
        "--sample",
        metavar="X.npy",
        help="Example input, for a network of PyTorch: the input of one call.",
    )
    checkpoint = click.option(
        "--checkpoint",
        metavar="FILE",
        help="Weights of a network of PyTorch, loaded first: .safetensors, or of torch.save.",
    )
    backbone = click.option(
        "--backbone",
        metavar="FILE:CLASS",
        help="Class of yours in place of the backbone that a configuration of BIDL names.",
    )
    pairs = click.option(
        "--set",
        multiple=True,
        metavar="NAME=VALUE",
        callback=_pairs,
        help="Option of the front end (see snnc frontends), or parameter of a .snnl network; may "
        "be repeated.",
    )
    return sample(checkpoint(backbone(pairs(joined))))


def _reading(f: F, name: str, help: str) -> F:
    """Add an option of data, and how they are read: how many samples, divided by what."""
    for add in (
        click.option(
            f"{name}-limit",
            type=click.IntRange(min=1),
            metavar="N",
            help=f"Use the first N samples of {name}.",
        ),
        click.option(
            f"{name}-scale",
            type=float,
            metavar="S",
            help=f"Divide the inputs of {name} by S: 255 makes pixels 0..1.",
        ),
        click.option(name, metavar="X.npz", help=help),
    ):
        f = add(f)
    return f


def calibrating(f: F) -> F:
    """Add `--calibrate` and how its data are read."""
    help = "Inputs from which passes take statistics, as for run or for eval."
    return _reading(f, "--calibrate", help)


def rating(f: F) -> F:
    """Add `--rates` and how its data are read."""
    help = "Inputs, as for run or for eval: what sends many spikes is placed close together."
    return _reading(f, "--rates", help)


def quantizing(f: F) -> F:
    """Add the options that passes which approximate take."""
    for add in (
        click.option("--no-shrink", is_flag=True, help="Keep weights as wide as they are given."),
        calibrating,
        click.option(
            "--per",
            type=click.Choice(["layer", "channel"]),
            help="One scale per layer or per output channel, for quantize.",
        ),
        click.option("--bits", type=int, metavar="N", help="Bits of a weight, for quantize."),
    ):
        f = add(f)
    return f


jobs = click.option(
    "--jobs",
    type=click.IntRange(min=1),
    metavar="N",
    default=1,
    show_default=True,
    help="Processes to use.",
)


def calibration(
    module: Any, path: str | None, scale: float | None, limit: int | None
) -> dict[str, Any] | None:
    """Return the arrays of `--calibrate`, None where it is not given.

    Labels in the file come with them where the network has one output, whose answers they judge.

    Raises:
        SnncError: what reading raises; `unused-option` for the options of no data.
    """
    from snnc.cli.labelled import Samples
    from snnc.passes.calibration import LABELS

    if path is not None:
        samples = Samples(path, module, scale)
        values = samples.read(limit)
        outputs = module.graph.outputs
        if not samples.label or len(outputs) != 1 or not outputs[0].type.timed:
            return values
        return values | {LABELS: samples.read_label(limit)}
    _check_unused("calibrate", scale, limit)
    return None


def rated(
    module: Any, path: str | None, scale: float | None, limit: int | None
) -> dict[str, Any] | None:
    """Return the arrays of `--rates`, without labels, None where it is not given.

    Raises:
        SnncError: what reading raises; `unused-option` for the options of no data.
    """
    from snnc.cli.labelled import Samples

    if path is not None:
        return Samples(path, module, scale).read(limit)
    _check_unused("rates", scale, limit)
    return None


def _check_unused(data: str, scale: float | None, limit: int | None) -> None:
    """Refuse options of data that are not given."""
    from snnc.diagnostics import fail

    for name, value in (("scale", scale), ("limit", limit)):
        if value is not None:
            raise fail(
                "unused-option",
                f"--{data}-{name} has no use without --{data}",
                help=f"give --{data} X.npz too",
            )


def labelled_data(f: F) -> F:
    """Add `--data` and how it is read, run and spread."""
    count = click.IntRange(min=1)
    for add in (
        click.option(
            "--batch",
            type=count,
            metavar="N",
            default=100,
            show_default=True,
            help="Samples at a time.",
        ),
        jobs,
        click.option("--read", metavar="NAME", help="Output to read.  [default: the only one]"),
        click.option("--ticks", type=count, metavar="N", help="Ticks to run."),
        click.option(
            "--scale",
            type=float,
            metavar="S",
            help="Divide the inputs by S: 255 makes pixels 0..1.",
        ),
        click.option("--limit", type=count, metavar="N", help="Use the first N samples."),
        click.option(
            "--data",
            required=True,
            metavar="X.npz",
            help="Inputs by name (images or x for the only one) and labels.",
        ),
    ):
        f = add(f)
    return f


hold = click.option(
    "--hold",
    is_flag=True,
    help="Give inputs that are stored without ticks again in each of --ticks.",
)


def holding(hold: bool, ticks: int | None) -> int | None:
    """Return for how many ticks still inputs are held; None: not at all."""
    if hold and ticks is None:
        raise click.UsageError("--hold needs --ticks N, for how long inputs stay")
    return ticks if hold else None


def _pairs(ctx: click.Context, param: click.Parameter, value: Sequence[str]) -> dict[str, str]:
    found = {}
    for text in value:
        name, mark, rest = text.partition("=")
        if not mark or not name:
            raise click.BadParameter(f"{text!r} is not NAME=VALUE", ctx, param)
        if name in found:
            raise click.BadParameter(f"{name} is given twice", ctx, param)
        found[name] = rest
    return found


def inputs(required: bool = True) -> Callable[[F], F]:
    """Return the option `-i X.npz`."""
    return click.option(
        "-i",
        "--inputs",
        metavar="X.npz",
        required=required,
        help="Inputs: one array per graph input, by its name, (samples, ticks, *shape).",
    )


def to_file(ctx: click.Context, parameter: click.Parameter, given: str | None) -> str | None:
    """Refuse stdout for what is no text, or is read again."""
    if given == "-":
        raise click.BadParameter("stdout cannot take it; name a file")
    return given


keep_rows = click.option(
    "--resume",
    metavar="FILE.json",
    callback=to_file,
    help="Keep the rows in a file, and leave out those that stand there.",
)


def values_out(what: str) -> Callable[[F], F]:
    """Return the option `-o Y.npz`."""
    return click.option(
        "-o",
        "--output",
        metavar="Y.npz",
        required=True,
        callback=to_file,
        help=f"Where to write {what}.",
    )


ticks = click.option(
    "--ticks",
    type=click.IntRange(min=1),
    metavar="N",
    help="Ticks to run; needed only where no input says it.",
)
engine = click.option(
    "--engine",
    type=Named("engines", "auto", "emulator"),
    metavar="NAME",
    default="auto",
    show_default=True,
    help="auto: the fastest exact one, of a build for its files; emulator: that of a build's "
    "target; reference, numpy, native or torch: the network, or the program of a build.",
)
semantics = click.option(
    "--semantics",
    metavar="NAME",
    help="Which emulator of a build's target runs, where it has several: timestep or event for "
    "dynapcnn.  [default: the one that it was compiled with]",
)
tick_length = click.option(
    "--dt",
    type=click.IntRange(min=1),
    metavar="US",
    default=1000,
    show_default=True,
    help="Microseconds of a tick, for events.",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
