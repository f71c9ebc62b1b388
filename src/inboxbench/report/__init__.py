"""What a run found, for a reader: the terminal summary, the HTML report, and Markdown for a job summary."""

from inboxbench.report.document import checked_run, load_document, load_rows, load_run
from inboxbench.report.html import render_html
from inboxbench.report.markdown import render_markdown
from inboxbench.report.terminal import print_summary

__all__ = ["checked_run", "load_document", "load_rows", "load_run", "print_summary", "render_html", "render_markdown"]
