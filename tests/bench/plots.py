"""The figures as pictures: bars of who does how much, and curves of what grows. Plain SVG."""

from __future__ import annotations

import math
from html import escape
from pathlib import Path
from typing import Any

Row = dict[str, Any]

COLOURS = ("#2b7a4b", "#c0803a", "#5a6f9e", "#a05195", "#777777")
WIDTH, LEFT, RIGHT, LINE, PAD = 860, 300, 110, 18, 14
FONT = 'font-family="sans-serif" font-size="12"'


def draw(folder: Path, reports: dict[str, Any]) -> list[Path]:
    """A picture of each benchmark in `folder`, which is made if it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    for name, report in reports.items():
        picture = curves(name, report["rows"]) if name == "growth" else bars(name, report["rows"])
        drawn.append(folder / f"{name}.svg")
        drawn[-1].write_text(picture)
    return drawn


def bars(title: str, rows: list[Row]) -> str:
    """A group of bars for each row; the longest of a group is as long as there is room."""
    body, y = [_text(PAD, 2 * PAD, title, 'font-weight="bold"')], 3 * PAD
    for row in rows:
        most = max(row["median"].values()) or 1
        better = "more is better" if row["more_is_better"] else "less is better"
        body.append(_text(PAD, y + LINE, row["name"]))
        for place, (contender, figure) in enumerate(row["median"].items()):
            width = max(1.0, (WIDTH - LEFT - RIGHT) * max(figure, 0) / most)
            colour = COLOURS[place % len(COLOURS)]
            body.append(
                f'<rect x="{LEFT}" y="{y + 5}" width="{width:.1f}" height="{LINE - 4}"'
                f' fill="{colour}"><title>{escape(better)}</title></rect>'
            )
            label = f"{figure:,.4g} {row['unit']}  {contender}"
            body.append(
                _text(
                    LEFT + width + 4 if width < 360 else LEFT + 6,
                    y + LINE,
                    label,
                    "" if width < 360 else 'fill="white"',
                )
            )
            y += LINE
        y += PAD
    return _picture(y + PAD, body)


def curves(title: str, rows: list[Row]) -> str:
    """A line for each row: sizes across, by their logarithm; cost upwards, from 0."""
    height, bottom = 420, 360
    most = 1.1 * max(figure for row in rows for figure in row["median"].values())
    sizes = sorted({_size(name) for row in rows for name in row["median"]})
    right = WIDTH - RIGHT - 100
    low, high = math.log10(sizes[0]), math.log10(sizes[-1])

    def place(size: int, figure: float) -> tuple[float, float]:
        across = (math.log10(size) - low) / (high - low or 1)
        return PAD + 60 + (right - PAD - 60) * across, bottom - (bottom - 50) * figure / most

    body = [_text(PAD, 2 * PAD, f"{title}: {rows[0]['unit']} per message", 'font-weight="bold"')]
    x, y = place(sizes[0], 0)
    body.append(f'<path d="M{x:.0f} 50 V{y:.0f} H{right}" fill="none" stroke="#999"/>')
    body += [_text(place(size, 0)[0] - 10, bottom + LINE, f"{size:,}") for size in sizes]
    body += [_text(PAD, place(sizes[0], at)[1] + 4, f"{at:.3g}") for at in (0, most / 2, most)]
    for number, row in enumerate(rows):
        colour = COLOURS[number % len(COLOURS)]
        points = [place(_size(name), figure) for name, figure in row["median"].items()]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        body.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        body += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points]
        body.append(_text(right + 10, 60 + number * LINE, row["name"], f'fill="{colour}"'))
    return _picture(height, body)


def _size(name: str) -> int:
    return int(name.replace(",", ""))


def _text(x: float, y: float, text: str, style: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {FONT} {style}>{escape(text)}</text>'


def _picture(height: float, body: list[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:.0f}">'
    return "\n".join([head, '<rect width="100%" height="100%" fill="white"/>', *body, "</svg>", ""])
