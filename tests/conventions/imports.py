"""An import-linter contract that import-linter lacks: an allow-list."""

from __future__ import annotations

import sys
from typing import Any

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output
from importlinter.domain.helpers import module_expressions_to_modules


class OnlyContract(Contract):
    """`source_modules` (or what lies inside one that is a package) may import the standard library and `allowed_modules`.

    Direct imports only: what an allowed module imports in turn is its own contract's business.
    """

    type_name = "only"

    source_modules = fields.SetField(subfield=fields.ModuleExpressionField())
    allowed_modules = fields.SetField(subfield=fields.ModuleField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        allowed = {module.name for module in self.allowed_modules}  # type: ignore[attr-defined]
        strangers: list[tuple[str, str]] = []
        for root in module_expressions_to_modules(graph, self.source_modules):  # type: ignore[arg-type]
            own = {root.name, *graph.find_descendants(root.name)}
            for source in own:
                for imported in graph.find_modules_directly_imported_by(source) - own - allowed:
                    if imported.split(".")[0] not in sys.stdlib_module_names:
                        strangers.append((source, imported))
        return ContractCheck(kept=not strangers, metadata={"strangers": sorted(strangers)})

    def render_broken_contract(self, check: ContractCheck) -> None:
        strangers: Any = check.metadata["strangers"]
        for source, imported in strangers:
            output.print_error(f"{source} imports {imported}, which is not on its list", bold=False)
        output.new_line()
