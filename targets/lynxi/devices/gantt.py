"""A picture of a timeline: one row per device, a bar per sample, as SVG text.

A bar has the parts of a device's work: copies and steps, waiting before it may send, sending. Its
color tells the sample; the axis is time in the unit of the costs.
"""

from html import escape

from snnc.targets.lynxi.devices.timing import Timeline, Work

WIDTH, ROW, LEFT, TOP = 960, 34, 150, 56
COLORS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377")
WAIT = "#dddddd"


def picture(line: Timeline, title: str = "", samples: int = 4) -> str:
    """Return the picture of the first samples of a timeline."""
    works = [w for w in line.works if w.sample < samples]
    last = max(w.end for w in works)
    scale = (WIDTH - LEFT - 20) / last if last else 1.0
    rows = len(line.slices) * line.models
    height = TOP + ROW * rows + 40
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        f'<text x="12" y="22" font-size="15">{escape(title)}</text>',
        f'<text x="12" y="42">first result after {line.latency:.4g}, then one every '
        f"{line.period:.4g}; numbers are samples</text>",
    ]
    for g, ticks in enumerate(line.slices):
        for m in range(line.models):
            y = TOP + ROW * (g * line.models + m)
            name = f"device ({g}, {m}): {ticks} step{'s' * (ticks != 1)}"
            parts.append(f'<text x="12" y="{y + ROW / 2 + 4:.1f}">{name}</text>')
            mine = [w for w in works if (w.time, w.model) == (g, m)]
            parts += [bar for w in mine for bar in _bars(w, y, scale)]
    parts += _axis(last, scale, TOP + ROW * rows)
    return "\n".join([*parts, "</svg>", ""])


def _bars(work: Work, y: int, scale: float) -> list[str]:
    color = COLORS[work.sample % len(COLORS)]
    spans = [
        (work.start, work.inference, color, 1.0),
        (work.inference, work.send, WAIT, 1.0),
        (work.send, work.end, color, 0.45),
    ]
    bars = [
        f'<rect x="{LEFT + a * scale:.2f}" y="{y + 5}" width="{(b - a) * scale:.2f}" '
        f'height="{ROW - 10}" fill="{fill}" fill-opacity="{alpha}"/>'
        for a, b, fill, alpha in spans
        if b > a
    ]
    middle = LEFT + (work.start + work.inference) / 2 * scale
    label = f'<text x="{middle:.2f}" y="{y + ROW / 2 + 4:.1f}" fill="white" text-anchor="middle">'
    wide = (work.inference - work.start) * scale > 14
    return [*bars, f"{label}{work.sample}</text>"] if wide else bars


def _axis(last: float, scale: float, y: int) -> list[str]:
    """Return a line with marks at round numbers."""
    step = 10.0 ** len(str(int(last))) / 10 if last >= 1 else last / 5
    while last / step < 5:
        step /= 2
    parts = [f'<line x1="{LEFT}" y1="{y + 4}" x2="{WIDTH - 20}" y2="{y + 4}" stroke="black"/>']
    count = int(last / step + 1e-9)
    for n in range(count + 1):
        x = LEFT + n * step * scale
        parts.append(f'<line x1="{x:.2f}" y1="{y + 4}" x2="{x:.2f}" y2="{y + 9}" stroke="black"/>')
        parts.append(f'<text x="{x:.2f}" y="{y + 23}" text-anchor="middle">{n * step:g}</text>')
    return parts
