"""What scripts/bench speed and cost say: medians, ratios with their spread, every figure, and plots."""

import math
import os

from machine import values

def median(numbers):
    """The middle one; of an even count the lower of the two, which has been measured."""
    return sorted(numbers)[(len(numbers) - 1) // 2]


def short(number):
    if number is None:
        return "-"
    if number >= 100 or number == int(number):
        return f"{number:,.0f}"
    return f"{number:.1f}" if number >= 10 else f"{number:.2f}"


def ratio(number):
    return f"{number:.2f}" if number >= 0.1 else f"{number:.2g}"


def spread(numbers, form):
    """Median (least-most)."""
    if not numbers:
        return "-"
    middle, least, most = form(median(numbers)), form(min(numbers)), form(max(numbers))
    return middle if least == most else f"{middle} ({least}-{most})"


def unique(items):
    return list(dict.fromkeys(items))


class Report:
    """Tables of figures that belong together: (figure, whether its ratio by the yardstick's says something), by title."""

    def __init__(self, yardstick, stem, tables):
        self.yardstick, self.stem, self.titled = yardstick, stem, tables

    def rounds(self, figure, case, contender):
        """From the round to the value, where there is one."""
        return {
            key[3]: value for key, (value, _) in values.items() if key[:3] == (figure, case, contender) and value is not None
        }

    def ratios(self, figure, case, contender):
        """Each round's value by the yardstick's in the same round."""
        base = self.rounds(figure, case, self.yardstick)
        own = self.rounds(figure, case, contender)
        return [own[round_] / base[round_] for round_ in own if base.get(round_)]

    def idle(self, figure, case, contender):
        return [100 * idle for key, (_, idle) in values.items() if key[:3] == (figure, case, contender)]

    def rows(self, figures):
        """The cases and contenders of a table."""
        return unique(key[1:3] for key in values if key[0] == figures[0][0])

    def tables(self):
        for title, figures in self.titled.items():
            heads = [head for figure, rated in figures for head in ([figure, "ratio"] if rated else [figure])]
            print(f"## {title}\n")
            print(f"| case | contender | {' | '.join(heads)} | idle before, % |")
            print(f"| --- | --- |{' ---: |' * (len(heads) + 1)}")
            for case, contender in self.rows(figures):
                print(f"| {case} | {contender} | {' | '.join(self.cells(figures, case, contender))} |")
            print()

    def cells(self, figures, case, contender):
        for figure, rated in figures:
            numbers = list(self.rounds(figure, case, contender).values())
            tries = len(self.idle(figure, case, contender))
            missing = f", in {len(numbers)} of {tries}" if 0 < len(numbers) < tries else ""
            yield spread(numbers, short) + missing
            if rated:
                yield "1" if contender == self.yardstick else spread(self.ratios(figure, case, contender), ratio)
        yield spread(self.idle(figures[0][0], case, contender), short)

    def in_short(self, rows, rivals):
        """Medians side by side: of each row its label, figure, case and what halloo is called there."""
        print("## In short\n")
        print(f"| | halloo | {self.yardstick} | halloo / {self.yardstick} | {' | '.join(rivals)} |")
        print("|---|" + "---:|" * (3 + len(rivals)))
        for label, figure, case, ours in rows:
            told = [self.middle(figure, case, contender) for contender in (ours, self.yardstick)]
            told.append(spread(self.ratios(figure, case, ours), ratio))
            told += [self.middle(figure, case, rival) for rival in rivals]
            print(f"| {label} | {' | '.join(told)} |")
        print()

    def middle(self, figure, case, contender):
        numbers = self.rounds(figure, case, contender).values()
        return short(median(numbers)) if numbers else "-"

    def raw(self):
        print("## Every figure\n\nCase, contender, round: the columns of the table without the ratios; the last is the % of the machine that was idle before.")
        for title, figures in self.titled.items():
            print(f"\n{title}:\n")
            for case, contender in self.rows(figures):
                for figure, _, _, round_ in [key for key in values if key[:3] == (figures[0][0], case, contender)]:
                    told = [short(values.get((figure, case, contender, round_), (None,))[0]) for figure, _ in figures]
                    idle = 100 * values[figure, case, contender, round_][1]
                    print(f"    {case}, {contender}, {round_}: {' '.join(told)} {idle:.0f}")

    def bars(self, plotted):
        """Plots of ratios: from the figure to whether more is better."""
        print("## Plots\n\nBars end at the median of the ratios, thin lines are their range; the scale is one of factors.\n")
        for number, (figure, more) in enumerate(plotted.items(), 1):
            rows = list(self.bars_of(figure))
            if rows:
                path = f"{self.stem}-{number}.svg"
                bars(path, f"{figure}: {'more' if more else 'less'} is better ({self.yardstick} = 1)", rows)
                print(f"- [{figure}]({os.path.basename(path)})")
        print()

    def bars_of(self, figure):
        for case, contender in unique(key[1:3] for key in values if key[0] == figure):
            found = self.ratios(figure, case, contender)
            if contender != self.yardstick and found:
                yield f"{contender}, {case}", median(found), min(found), max(found)


# --- drawing ---------------------------------------------------------------------------------------------------------

ROW, LEFT, WIDE, TOP = 18, 210, 560, 44
INK, OURS, THEIRS, FAINT = "#222", "#2a6fb0", "#9a9a9a", "#ddd"


class Drawing:
    def __init__(self, width, height, title):
        self.size = (width, height)
        self.parts = []
        self.rect(0, 0, width, height, "#fff")
        self.text(10, 20, title, weight="bold")

    def rect(self, x, y, width, height, fill):
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{fill}"/>')

    def line(self, x1, y1, x2, y2, stroke=INK):
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{stroke}"/>')

    def path(self, points, stroke):
        told = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f'<polyline points="{told}" fill="none" stroke="{stroke}" stroke-width="2"/>')
        for x, y in points:
            self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{stroke}"/>')

    def text(self, x, y, words, anchor="start", weight="normal", fill=INK):
        words = words.replace("&", "&amp;").replace("<", "&lt;")
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}" fill="{fill}">{words}</text>')

    def write(self, path):
        width, height = self.size
        head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" font-size="12">'
        with open(path, "w") as file:
            file.write("\n".join([head, *self.parts, "</svg>\n"]))


class Axis:
    """A scale by factors."""

    # So many decades, and the steps between the powers of ten are no longer marked.
    CROWDED = 3

    def __init__(self, least, most, start, end):
        self.least, self.most = least / 1.1, most * 1.1
        self.start, self.end = start, end

    def at(self, number):
        share = math.log(number / self.least) / math.log(self.most / self.least)
        return self.start + share * (self.end - self.start)

    def ticks(self):
        powers = range(math.floor(math.log10(self.least)), math.ceil(math.log10(self.most)) + 1)
        steps = (1, 2, 5) if self.most / self.least < 10**self.CROWDED else (1,)
        marks = [step * 10.0**power for power in powers for step in steps]
        return [(self.at(mark), f"{mark:,g}") for mark in marks if self.least <= mark <= self.most]


def bars(path, title, rows):
    axis = Axis(min(1, *(row[2] for row in rows)), max(1, *(row[3] for row in rows)), LEFT, LEFT + WIDE)
    bottom = TOP + ROW * len(rows)
    drawing = Drawing(LEFT + WIDE + 80, bottom + 30, title)
    for x, label in axis.ticks():
        drawing.line(x, TOP - 6, x, bottom, FAINT)
        drawing.text(x, bottom + 18, label, "middle")
    one = axis.at(1)
    for number, (name, middle, least, most) in enumerate(rows):
        y, x = TOP + ROW * number, axis.at(middle)
        drawing.text(LEFT - 8, y + 12, name, "end")
        drawing.rect(min(one, x), y + 2, max(abs(x - one), 1), ROW - 6, OURS if name.startswith("halloo") else THEIRS)
        drawing.line(axis.at(least), y + ROW / 2 - 1, axis.at(most), y + ROW / 2 - 1)
        drawing.text(LEFT + WIDE + 8, y + 12, ratio(middle))
    drawing.line(one, TOP - 6, one, bottom)
    drawing.write(path)


# The yardstick comes first.
COLOURS = ["#777", "#2a6fb0", "#c05a1c", "#3a8a4a"]


def lines(path, title, across, series):
    """Lines by name, of points (x, y, both above 0), on scales by factors of ten."""
    points = [point for line in series.values() for point in line]
    height, right = 320, LEFT + WIDE
    x_axis = Axis(min(x for x, _ in points), max(x for x, _ in points), 70, right)
    y_axis = Axis(min(y for _, y in points), max(y for _, y in points), TOP + height, TOP)
    drawing = Drawing(right + 20, TOP + height + 50 + ROW * len(series), title)
    for x, label in x_axis.ticks():
        drawing.line(x, TOP, x, TOP + height, FAINT)
        drawing.text(x, TOP + height + 16, label, "middle")
    for y, label in y_axis.ticks():
        drawing.line(70, y, right, y, FAINT)
        drawing.text(62, y + 4, label, "end")
    drawing.text((70 + right) / 2, TOP + height + 32, across, "middle")
    for number, (name, line) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        drawing.path([(x_axis.at(x), y_axis.at(y)) for x, y in sorted(line)], colour)
        drawing.text(70, TOP + height + 52 + ROW * number, name, fill=colour)
    drawing.write(path)
