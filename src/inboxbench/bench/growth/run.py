"""Growth: matrices of the same profile at several sizes, as curves with their laws, predictions and flips.

n is the number of rows of the table that a profile is measured in. Everything else of a profile grows with it or
stays, as its keys say; a law speaks of this profile, not of any database.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from inboxbench import units
from inboxbench.bench.growth.curve import FEW, FEWEST, SIZE_KEY, TOLERANCE, Curve, Flip, Point, curve
from inboxbench.bench.model import Cell, Matrix, require_built
from inboxbench.errors import SubjectFailed
from inboxbench.report.document import MOST_ROWS, Lab
from inboxbench.report.table import Cell as Shown
from inboxbench.report.table import Row, Table, figures, words

# Flips that are named, those that cost most; a planner on small tables flips at every size, mostly between equals.
_FLIPS = 20
_CAUTION = "extrapolated, not measured; a plan that flips on the way ends the law (? where one did already)"


@dataclass(frozen=True, slots=True)
class Sample:
    """One size, measured: `scale` times the profile are `size` rows."""

    scale: float
    size: int
    matrix: Matrix

    def cell(self, key: tuple[str, str, str]) -> Cell | None:
        try:
            return self.matrix.cell(*key)
        except KeyError:
            return None

    def point(self, key: tuple[str, str, str]) -> Point:
        return Point(self.scale, self.size, self.cell(key))


@dataclass(frozen=True, slots=True)
class Growth:
    """samples: what the laws are fitted to; check: a larger one that they predict; sizes: to extrapolate to; unit: what
    a size counts."""

    samples: tuple[Sample, ...]
    check: Sample | None
    sizes: tuple[float, ...]
    curves: tuple[Curve, ...]
    unit: str = "rows"

    @property
    def profile(self) -> str:
        return self.samples[0].matrix.profile

    @property
    def sets(self) -> tuple[str, ...]:
        return tuple(result.index_set.name for result in self.samples[0].matrix.sets)

    @property
    def queries(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(drawn.query for drawn in self.curves))

    @property
    def worst_first(self) -> list[Curve]:
        """The fastest growing first; those without a law before all others."""
        return sorted(self.curves, key=lambda drawn: drawn.law.k if drawn.law else float("inf"), reverse=True)

    @property
    def flips(self) -> tuple[Flip, ...]:
        """Those that cost most first."""
        found = (flip for drawn in self.curves for flip in drawn.flips)
        return tuple(sorted(found, key=lambda flip: flip.jump, reverse=True))

    def worst_class(self, query: str, index_set: str) -> Curve:
        """Return the curve of a query and set: at each size the class that reads most there."""
        mine = [drawn for drawn in self.curves if (drawn.query, drawn.index_set) == (query, index_set)]
        points = tuple(_most(at_one_size) for at_one_size in zip(*(drawn.points for drawn in mine), strict=True))
        checks = [drawn.check for drawn in mine if drawn.check]
        return curve(points, _most(checks) if checks else None, (query, "worst", index_set), self.unit)

    @property
    def worst_classes(self) -> tuple[Curve, ...]:
        return tuple(self.worst_class(query, name) for query in self.queries for name in self.sets)

    @property
    def headline(self) -> str:
        known = [drawn for drawn in self.worst_first if drawn.law and drawn.one_plan]
        if not known:
            return f"No case has figures at {FEWEST} sizes under one plan, so there is no law."
        worst = known[0]
        grows = (
            f"under one plan {worst.name} grows fastest, n^{worst.law.k:.2f} ± {worst.law.k_error:.2f}"
            if worst.law
            else ""
        )
        if self.check is None:
            return f"No prediction was checked; {grows}."
        (every_holds, every), (worst_holds, of_worst) = holding(self.curves), holding(self.worst_classes)
        return (
            f"{worst_holds} of {of_worst} predictions for {self.check.size:,} {self.unit} hold within {TOLERANCE:.0%} "
            f"or {FEW} buffers for the class that reads most, {every_holds} of {every} for all classes; {grows}."
        )

    def require_sound(self) -> None:
        """Raises SubjectFailed when a cell failed at some size: to be called when everything has been shown."""
        for sample in (*self.samples, *([self.check] if self.check else [])):
            if sample.matrix.failures:
                raise SubjectFailed(f"at {sample.size:,} {self.unit}: {sample.matrix.failures[0]}")
        require_built(self.samples[-1].matrix.refused)

    def to_json(self) -> dict[str, Any]:
        return {
            "profile": self.profile,
            "unit": self.unit,
            "scales": [_size_json(sample) for sample in self.samples],
            "check": _size_json(self.check) if self.check else None,
            "sizes": list(self.sizes),
            "tolerance": TOLERANCE,
            "curves": [drawn.to_json(self.sizes) for drawn in self.worst_first],
            "queries": [drawn.to_json(self.sizes) for drawn in self.worst_classes],
            "sets": [self._set_json(name) for name in self.sets],
            "flips": [str(flip) for flip in self.flips],
            "headline": self.headline,
            "notes": list(self.samples[-1].matrix.notes),
        }

    def _set_json(self, name: str) -> dict[str, Any]:
        (good, every), (worst_good, of_worst) = (
            holding([drawn for drawn in curves if drawn.index_set == name])
            for curves in (self.curves, self.worst_classes)
        )
        return {
            "name": name,
            "median_k": self.median_k(name),
            "predictions": every,
            "held": good,
            "worst_class_predictions": of_worst,
            "worst_class_held": worst_good,
        }

    def median_k(self, index_set: str) -> float | None:
        exponents = [drawn.law.k for drawn in self.curves if drawn.law and drawn.index_set == index_set]
        return round(median(exponents), 4) if exponents else None


def holding(curves: Iterable[Curve]) -> tuple[int, int]:
    """Predictions that held, and how many there were."""
    outcomes = [drawn.holds for drawn in curves if drawn.holds is not None]
    return sum(outcomes), len(outcomes)


def _most(points: Sequence[Point]) -> Point:
    """The drawn that reads most at a size; drawn that was stopped or failed reads more than any."""
    present = [point for point in points if point.cell] or list(points)
    return max(present, key=lambda point: float("inf") if point.buffers is None else point.buffers)


def grow(
    samples: Sequence[Sample], check: Sample | None = None, sizes: Sequence[float] = (), *, unit: str = "rows"
) -> Growth:
    """Return curves through `samples`, at least three, smallest first; each case that any size knows."""
    keys = dict.fromkeys(
        (cell.case.query.name, cell.case.parameter_class.name, cell.index_set)
        for sample in samples
        for cell in sample.matrix.cells
    )
    curves = (
        curve(tuple(sample.point(key) for sample in samples), check.point(key) if check else None, key, unit)
        for key in keys
    )
    return Growth(tuple(samples), check, tuple(sizes), tuple(curves), unit)


def _size_json(sample: Sample) -> dict[str, Any]:
    return {"scale": sample.scale, SIZE_KEY: sample.size}


def growth_lab(document: Mapping[str, Any]) -> Lab:
    """Return the tables and sentences of what `inboxbench bench growth` wrote."""
    found = document["growth"]
    unit = found["unit"]
    caution = f" What is {_CAUTION}." if found["sizes"] else ""
    flips = found["flips"]
    told = [found["headline"], *(f"plan flips: {flip}" for flip in flips[:_FLIPS])]
    if len(flips) > _FLIPS:
        told.append(f"and {len(flips) - _FLIPS} more flips that cost less: --format json names them")
    largest = max(size[SIZE_KEY] for size in (*found["scales"], found["check"]) if size)
    told += [
        f"{size:,.0f} {unit} are {size / largest:,.1f} times the largest that was built: {_CAUTION}"
        for size in found["sizes"]
    ]
    lead = f"Buffers ~ n^k, n the number of {unit}, fitted to sizes that were built.{caution}"
    return Lab("growth", "How reads grow", lead, [_curves_table(found), _exponents_table(found)], told, found["notes"])


def _curves_table(found: Mapping[str, Any]) -> Table:
    unit = found["unit"]
    sizes = [f"{size[SIZE_KEY]:,}" for size in found["scales"]]
    check = [f"{found['check'][SIZE_KEY]:,}: predicted", "measured", "off"] if found["check"] else []
    far = [f"extrapolated to {size:,.0f} (80 %)" for size in found["sizes"]]
    columns = [
        *words("query [class]", "set"),
        *figures(units.number, *sizes, "n^k, k =", *check, *far),
        *words("plan"),
    ]
    rows = [_curve_row(drawn, found) for drawn in found["curves"]]
    return Table(f"buffers by number of {unit}, the fastest growing first", columns, rows, most=MOST_ROWS)


def _curve_row(drawn: Mapping[str, Any], found: Mapping[str, Any]) -> Row:
    points = [point["buffers"] for point in drawn["points"]]
    check = _check(drawn["check"]) if found["check"] else []
    known = {size[SIZE_KEY]: size for size in drawn["extrapolated"]}
    far = [_far(known.get(size)) for size in found["sizes"]]
    flips = Shown("flips", "bad") if drawn["flips"] else ""
    name = f"{drawn['query']} [{drawn['class']}]"
    return Row([name, drawn["set"], *points, _exponent(drawn), *check, *far, flips])


def _exponent(drawn: Mapping[str, Any] | None) -> str | None:
    return f"{drawn['k']:.2f} ± {drawn['k_error']:.2f}" if drawn and drawn["k"] is not None else None


def _check(check: Mapping[str, Any] | None) -> list[Shown | float | None]:
    if check is None:
        return [None] * 3
    predicted = check["predicted"]["value"] if check["predicted"] else None
    off = None if check["error"] is None else f"{check['error']:+.0%}"
    return [predicted and round(predicted), check["buffers"], Shown(off, "bad" if check["held"] is False else "")]


def _far(size: Mapping[str, Any] | None) -> str | None:
    """None where no law could be fitted."""
    if size is None or size["uncertain"] or size.get("value") is None:
        return "too uncertain" if size and size["uncertain"] else None
    low, high = (units.number(round(size[name])) for name in ("low", "high"))
    return f"{'' if size['one_plan'] else '? '}{units.number(round(size['value']))} ({low} to {high})"


def _exponents_table(found: Mapping[str, Any]) -> Table:
    sets = [index_set["name"] for index_set in found["sets"]]
    laws = {(drawn["query"], drawn["set"]): drawn for drawn in found["queries"]}
    queries = dict.fromkeys(query for query, _set in laws)
    rows = [Row([query, *(_exponent(laws.get((query, name))) for name in sets)]) for query in queries]
    if found["check"]:
        for title, good, every in (
            ("predictions that held", "worst_class_held", "worst_class_predictions"),
            ("those of all classes", "held", "predictions"),
        ):
            rows.append(Row([title, *(f"{index_set[good]} of {index_set[every]}" for index_set in found["sets"])]))
    columns = [*words("query"), *figures(units.number, *sets)]
    return Table("k by query and set, of the class that reads most at each size", columns, rows)
