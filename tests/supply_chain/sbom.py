"""The bill of materials of what runs: `python -m tests.supply_chain.sbom dist/sbom.cdx.json`.

CycloneDX 1.6 with the version, licence and needs of every runtime dependency; tools of development are left out.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tests.supply_chain.dependencies import ROOT, canonical, runtime


def describe_environment() -> dict[str, Any]:
    """Everything that is installed beside this Python, as CycloneDX."""
    tool = str(Path(sys.executable).with_name("cyclonedx-py"))
    done = subprocess.run(
        [
            tool,
            "environment",
            "--pyproject",
            str(ROOT / "pyproject.toml"),
            "--spec-version",
            "1.6",
            "--output-reproducible",
            sys.executable,
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def only(document: dict[str, Any], names: set[str]) -> dict[str, Any]:
    """The document with just these packages, and what they need of each other."""
    kept = [component for component in document["components"] if canonical(component["name"]) in names]
    references = {component["bom-ref"] for component in kept} | {document["metadata"]["component"]["bom-ref"]}
    needs = [
        {**entry, "dependsOn": sorted(set(entry.get("dependsOn", ())) & references)}
        for entry in document.get("dependencies", ())
        if entry["ref"] in references
    ]
    return {**document, "components": kept, "dependencies": needs}


def faults(document: dict[str, Any], names: set[str]) -> list[str]:
    """What the schema says of it, and runtime dependencies that it lacks."""
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(document))
    missing = names - {canonical(component["name"]) for component in document["components"]}
    return [*([f"not CycloneDX 1.6: {error}"] if error else []), *(f"{name} is missing" for name in sorted(missing))]


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m tests.supply_chain.sbom FILE\n")
        return 2
    names = runtime()
    document = only(describe_environment(), names)
    found = faults(document, names)
    sys.stderr.writelines(f"{fault}\n" for fault in found)
    if found:
        return 1
    path = Path(arguments[0])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(f"{len(document['components'])} packages in {path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
