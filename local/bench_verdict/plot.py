"""The benchmark's plot: shares of rollouts that have been rolled back, over the canary's requests. Plain SVG."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from local.bench_verdict.figures import Rollbacks

WIDTH, HEIGHT = 420, 300
LEFT, RIGHT, TOP, BOTTOM = 52, 24, 34, 46
LEGEND = 150  # from the top: where no curve passes
POINTS = 120
# Told apart by people who see few colours (Okabe and Ito), and by their dashes.
STROKES = (("#0072b2", ""), ("#d55e00", "6 3"), ("#009e73", "2 3"), ("#cc79a7", "8 3 2 3"))


@dataclass(frozen=True)
class Panel:
    """Curves by their names; `most` requests and `highest` share are the ends of the axes."""

    title: str
    curves: dict[str, Rollbacks]
    most: float
    highest: float
    tick: float


def draw(panels: Sequence[Panel]) -> str:
    """An SVG of the panels side by side; the same figures give the same bytes."""
    width = WIDTH * len(panels)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {HEIGHT}">',
        '<g font-family="sans-serif" font-size="11">',
        "<title>Rollouts that are rolled back, over the requests of the canary</title>",
        f'<rect width="{width}" height="{HEIGHT}" fill="#ffffff"/>',
    ]
    for number, panel in enumerate(panels):
        parts += [f'<g transform="translate({number * WIDTH} 0)">', *_panel(panel), "</g>"]
    return "\n".join([*parts, "</g>", "</svg>", ""])


def _panel(panel: Panel) -> list[str]:
    right, floor = WIDTH - RIGHT, HEIGHT - BOTTOM
    lines = [
        f'<text x="{LEFT}" y="18" font-size="12" font-weight="bold">{panel.title}</text>',
        f'<path d="M{LEFT} {TOP}V{floor}H{right}" fill="none" stroke="#333333"/>',
    ]
    for at in range(5):
        share = panel.highest * at / 4
        y = _y(panel, share)
        lines.append(f'<path d="M{LEFT} {y}H{right}" stroke="#dddddd"/>')
        lines.append(f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{share:.0%}</text>')
    for number in np.arange(0, panel.most + 1, panel.tick):
        x = _x(panel, float(number))
        lines.append(f'<text x="{x}" y="{floor + 16}" text-anchor="middle">{number:,.0f}</text>')
    middle = (LEFT + right) / 2
    lines.append(
        f'<text x="{middle}" y="{floor + 34}" text-anchor="middle">requests of the canary</text>'
    )
    for place, (name, rollbacks) in enumerate(panel.curves.items()):
        lines += _curve(panel, place, name, rollbacks)
    return lines


def _curve(panel: Panel, place: int, name: str, rollbacks: Rollbacks) -> list[str]:
    colour, dashes = STROKES[place]
    numbers = np.linspace(0, panel.most, POINTS + 1)
    ordered = np.sort(rollbacks.requests)
    shares: NDArray[np.float64] = np.asarray(
        np.searchsorted(ordered, numbers, side="right") / len(ordered)
    )
    path = " ".join(
        f"{_x(panel, panel.most * at / POINTS)},{_y(panel, min(float(shares[at]), panel.highest))}"
        for at in range(POINTS + 1)
    )
    line = f'stroke="{colour}" stroke-width="1.8" stroke-dasharray="{dashes}"'
    y = LEGEND + 15 * place
    return [
        f'<polyline points="{path}" fill="none" {line}/>',
        f'<path d="M{WIDTH - 170} {y - 4}h26" fill="none" {line}/>',
        f'<text x="{WIDTH - 138}" y="{y}">{name}</text>',
    ]


def _x(panel: Panel, number: float) -> float:
    return round(LEFT + (WIDTH - RIGHT - LEFT) * number / panel.most, 1)


def _y(panel: Panel, share: float) -> float:
    return round(HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * share / panel.highest, 1)
