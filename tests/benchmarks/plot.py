"""Two small charts as SVG, without a plotting library."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, LABELS, BAR, GAP = 760, 290, 20, 8
OURS, THEIRS, FLOOR = "#1a73e8", "#b0b7c3", "#34a853"
COLOURS = (FLOOR, OURS, "#e8710a", "#9334e6")
STYLE = "<style>text{font:13px system-ui,sans-serif;fill:#57606a}.t{font-weight:600}</style>"


def bars(title: str, values: Sequence[tuple[str, float, bool]], floor: float) -> str:
    """Horizontal bars of seconds, `(label, seconds, ours)`, with a line at the floor."""
    height = 60 + len(values) * (BAR + GAP)
    room = WIDTH - LABELS - 70
    most = max(value for _, value, _ in values)
    parts = [f'<text class="t" x="10" y="22">{escape(title)}</text>']
    for index, (label, value, ours) in enumerate(values):
        top = 40 + index * (BAR + GAP)
        width = value / most * room
        colour = OURS if ours else THEIRS
        parts += [
            f'<text x="{LABELS - 10}" y="{top + 15}" text-anchor="end">{escape(label)}</text>',
            f'<rect x="{LABELS}" y="{top}" width="{width:.1f}" height="{BAR}" rx="3" '
            f'fill="{colour}"/>',
            f'<text x="{LABELS + width + 6:.1f}" y="{top + 15}">{value:.1f} s</text>',
        ]
    at = LABELS + floor / most * room
    parts.append(
        f'<line x1="{at:.1f}" x2="{at:.1f}" y1="34" y2="{height - 14}" stroke="{FLOOR}" '
        f'stroke-width="2" stroke-dasharray="4 3"/>'
    )
    return _svg(height, parts)


def lines(title: str, series: Mapping[str, Sequence[tuple[int, float]]], limit: float) -> str:
    """Peak MiB against rows on a logarithmic axis, with a line at the limit."""
    left, right, top, bottom = 60, WIDTH - 220, 40, 260
    rows = sorted({count for points in series.values() for count, _ in points})
    low, high = math.log10(rows[0]), math.log10(rows[-1])
    most = max([limit, *(value for points in series.values() for _, value in points)]) * 1.1

    def place(count: float, value: float) -> tuple[float, float]:
        share = (math.log10(count) - low) / (high - low or 1)
        return left + share * (right - left), bottom - value / most * (bottom - top)

    parts = [f'<text class="t" x="10" y="22">{escape(title)}</text>']
    for count in rows:
        x, _ = place(count, 0)
        parts.append(f'<text x="{x:.1f}" y="{bottom + 20}" text-anchor="middle">{count:,}</text>')
    for value, colour in ((0.0, "#d0d7de"), (limit, "#d93025")):
        y = place(rows[0], value)[1]
        parts.append(
            f'<line x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}" stroke="{colour}"/>'
        )
        parts.append(f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{value:.0f}</text>')
    for (label, points), colour in zip(series.items(), COLOURS, strict=False):
        corners = [place(*point) for point in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="3"/>')
        x, y = corners[-1]
        parts.append(
            f'<text x="{x + 10:.1f}" y="{y + 4:.1f}" fill="{colour}">{escape(label)}</text>'
        )
    return _svg(bottom + 40, parts)


def _svg(height: int, parts: Sequence[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}"><rect width="100%" height="100%" fill="#ffffff"/>'
    )
    return "\n".join([head, STYLE, *parts, "</svg>"]) + "\n"
