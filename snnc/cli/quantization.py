"""What the passes that calibrate report of a build, as tables."""

from collections.abc import Mapping
from typing import Any

import click

from snnc.cli.printing import show_table


def show_quantization(report: Mapping[str, Any]) -> None:
    """Print a table of tensors and, where there was calibration data, one of layers."""
    said = {name: report[name] for name in ("bits", "per", "scale", "rounding", "thresholds")}
    click.echo("quantized with " + ", ".join(f"{name} {value}" for name, value in said.items()))
    show_table(
        ("tensor", "rounding", "least", "most", "step", "clipped", "largest error", "rms error"),
        [_tensor(name, tensor) for name, tensor in report["tensors"].items()],
        empty="  no weights",
    )
    if "layers" in report:
        show_layers(report)
    else:
        click.echo("give --calibrate X.npz to see what it does to the spikes of each layer")


def show_layers(report: Mapping[str, Any]) -> None:
    """Print what a pass that calibrates says of the spikes of each layer, and of the answers."""
    data = report["calibration"]
    show_table(
        ("layer", "neurons", "spikes", "real", "count error", "dead", "saturated", "first off"),
        [_layer(name, layer) for name, layer in report["layers"].items()],
        title=f"on {data['samples']} calibration samples of {data['ticks']} ticks",
        empty="  no neurons",
    )
    if "accuracy" in report:
        told = report["accuracy"]
        show_table(
            ("stage", "right", "accuracy", "95 % interval"),
            [_stage(stage, told[stage]) for stage in ("before", "after")],
            title=f"answers to the labelled samples; {told['changed']} changed",
        )


def show_factors(report: Mapping[str, Any]) -> None:
    """Print by which factor each layer became integers, and what became of its weights."""
    show_table(
        ("layer", "factor", "threshold", "weights", "became 0"),
        [
            (
                name,
                f"{said['factor']:.6g}",
                said["threshold"],
                "{} to {}".format(*said["weights"]),
                f"{said['vanished']:,} of {said['nonzero']:,}",
            )
            for name, said in report.items()
        ],
        title="one factor per layer",
    )


def _stage(name: str, said: Mapping[str, Any]) -> tuple[Any, ...]:
    low, high = said["interval_95"]
    return name, said["right"], f"{said['accuracy']:.2%}", f"{low:.2%} to {high:.2%}"


def _tensor(name: str, said: Mapping[str, Any]) -> tuple[Any, ...]:
    low, high = (f"{step:.4g}" for step in said["scale"])
    return (
        name,
        said["rounding"],
        *(f"{end:.4g}" for end in said["range"]),
        low if low == high else f"{low} to {high}",
        said["clipped"],
        f"{said['max_error']:.4g}",
        f"{said['rms_error']:.4g}",
    )


def _layer(name: str, said: Mapping[str, Any]) -> tuple[Any, ...]:
    first = said["first_difference"]
    dead, saturated = (f"{said[key]} (real {said[f'real_{key}']})" for key in ("dead", "saturated"))
    return (
        name,
        said["neurons"],
        said["spikes"],
        said["real_spikes"],
        f"{said['count_error']:.4f}",
        dead,
        saturated,
        "never" if first is None else f"tick {first['tick']}, sample {first['sample']}",
    )
