"""What every HTML page shares: the templates with their filters, and the style sheet, which stands in the page."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from inboxbench import units
from inboxbench.report.document import Lab


def environment() -> Environment:
    """Return the templates of this package, with the units of `units.py` as filters."""
    templates = Environment(
        loader=PackageLoader("inboxbench.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    says = (units.number, units.pages, units.size, units.wal, units.millis, units.seconds, units.rate, units.share)
    templates.filters.update({say.__name__: say for say in says})
    templates.filters.update(moment=moment, breakable=breakable)
    return templates


@cache
def style() -> Markup:
    """Return the style sheet as it stands in a page."""
    templates = environment()
    assert templates.loader is not None
    return Markup(templates.loader.get_source(templates, "style.css")[0])  # noqa: S704 - our own, from the package


def lab_page(lab: Lab) -> str:
    """Return one result, all of its tables, as an HTML page that fetches nothing and runs nothing."""
    return environment().get_template("lab_page.html.j2").render(lab=lab, style=style())


def breakable(name: str) -> Markup:
    """Return a name that may be broken after each underscore, for narrow columns."""
    return Markup("_<wbr>").join(name.split("_"))


def moment(text: str | None) -> str:
    """Return an ISO 8601 time to the minute, in UTC; anything else as it stands."""
    if not text:
        return units.DASH
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return text
    utc = parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    return utc.strftime("%Y-%m-%d %H:%M UTC")
