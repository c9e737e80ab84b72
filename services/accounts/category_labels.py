"""Which category a bank's own label means. Pure."""

from __future__ import annotations

from services.accounts.domain import Category


class CategoryLabels:
    """Finds the category that a bank's own label means: an exact slug or name, case folded, and nothing less sure."""

    def __init__(self, categories: list[Category]) -> None:
        """`categories` may hold the user's own, which win over the taxonomy."""
        self._slugs: dict[str, str] = {}
        # The least sure first, so that what is surer overwrites it.
        for category in sorted(categories, key=lambda category: (category.custom, category.slug == category.primary_slug)):
            self._slugs[_folded(category.name)] = category.slug
        for category in categories:
            self._slugs[_folded(category.slug)] = category.slug

        self._known = frozenset(category.slug for category in categories)

    def slug(self, label: str) -> str | None:
        """The slug, or None."""
        return self._slugs.get(_folded(label))

    def is_slug(self, text: str) -> bool:
        """Whether there is a category of exactly this slug."""
        return text in self._known


def _folded(label: str) -> str:
    return " ".join(label.casefold().split())
