"""Writes the Python stubs of every contract in protos/scale to protos/gen, the import root of `scale.*`.

    python protos/generate.py            write them
    python protos/generate.py --check    write nothing; exit 1 and name the files that are stale

The result depends only on the .proto files and on the grpcio-tools version that constraints.txt pins.
`google.*` is not generated: its Python modules come with googleapis-common-protos.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

PROTOS = Path(__file__).resolve().parent
GENERATED = PROTOS / "gen"


def generate(target: Path) -> list[str]:
    """Compiles every contract into `target`; returns their paths relative to protos/. Exits when protoc refuses one."""
    sources = sorted(path.relative_to(PROTOS).as_posix() for path in (PROTOS / "scale").rglob("*.proto"))
    if not sources:
        return []
    target.mkdir(parents=True, exist_ok=True)
    arguments = [
        "protoc",
        f"--proto_path={PROTOS}",
        f"--proto_path={files('grpc_tools') / '_proto'}",
        f"--python_out={target}",
        f"--pyi_out={target}",
        f"--grpc_python_out={target}",
        *sources,
    ]
    if protoc.main(arguments) != 0:
        sys.exit("protoc refused a contract; its message above names the file and line.")
    for folder in {directory for path in target.rglob("*.py") for directory in path.parents if target in directory.parents}:
        (folder / "__init__.py").write_text("", encoding="utf-8")
    _drop_empty_grpc_modules(target)
    return sources


def _drop_empty_grpc_modules(target: Path) -> None:
    """protoc writes a _pb2_grpc.py for files without a service too: nothing imports those."""
    for path in target.rglob("*_pb2_grpc.py"):
        if "Servicer" not in path.read_text(encoding="utf-8"):
            path.unlink()


def _contents(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.suffix in {".py", ".pyi"}}


def stale_files() -> list[str]:
    """Files under protos/gen that differ from what the contracts give now: changed, missing or left over."""
    with tempfile.TemporaryDirectory() as scratch:
        generate(Path(scratch))
        fresh, committed = _contents(Path(scratch)), _contents(GENERATED)
    return sorted(name for name in fresh.keys() | committed.keys() if fresh.get(name) != committed.get(name))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="only say whether protos/gen is current")
    if parser.parse_args().check:
        stale = stale_files()
        if stale:
            sys.stderr.write("Stale stubs in protos/gen (run `make stubs` and commit):\n")
            sys.stderr.writelines(f"  {name}\n" for name in stale)
        return 1 if stale else 0
    shutil.rmtree(GENERATED / "scale", ignore_errors=True)
    generate(GENERATED)
    return 0


if __name__ == "__main__":
    sys.exit(main())
