"""`python -m tests.deploy`: renders every overlay and validates each object; one problem a line on standard error, exit 1 if any.

Without kubectl nothing is looked at: it says so, and passes but in CI, which has one.
"""

from __future__ import annotations

import os
import shutil
import sys

from tests.deploy.rendered import K8S, OVERLAYS, Object, build
from tests.deploy.validation import VERSIONS, problems


def main() -> int:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        sys.stderr.write("no kubectl on the PATH: the overlays of deploy/k8s are neither rendered nor validated\n")
        return 1 if os.environ.get("CI") else 0
    failed, objects = False, list[Object]()
    for overlay in OVERLAYS:
        try:
            objects += build(kubectl, K8S / "overlays" / overlay)
        except ValueError as error:
            sys.stderr.write(f"{error}\n")
            failed = True
    for problem in problems(objects):
        sys.stderr.write(f"{problem}\n")
        failed = True
    if not failed:
        sys.stdout.write(f"{len(OVERLAYS)} overlays, {len(objects)} objects, valid for Kubernetes {' and '.join(VERSIONS)}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
