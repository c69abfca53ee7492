"""Help that fits: where a terminal is too narrow for the table of options, they are listed without one, and uncut."""

from __future__ import annotations

import shutil
from typing import Any, Final

from typer.core import TyperCommand

WIDE: Final = 130
"""Columns in which the table has room for names such as --max-resource-bytes, environment variables and addresses."""


class Command(TyperCommand):
    """A command whose help is a table where there is room for it."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """What `--help` prints."""
        if shutil.get_terminal_size().columns < WIDE:
            self.rich_markup_mode = None
        super().format_help(ctx, formatter)

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        """What the command does; its examples stay one a line."""
        if self.rich_markup_mode is None and self.help is not None:
            self.help = self.help.replace("\n\n- ", "\n\n\b\n- ").replace("`", "")
        super().format_help_text(ctx, formatter)
