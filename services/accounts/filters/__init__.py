"""Filter expressions: what people write to say which transactions they mean. docs/filters.md has the grammar."""

from services.accounts.filters.domain import Expression, render
from services.accounts.filters.parser import parse

__all__ = ["Expression", "parse", "render"]
