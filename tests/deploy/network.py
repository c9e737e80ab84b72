"""What NetworkPolicies let through, by Kubernetes' rules: a pod that policies select may do what one of them says, no more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from tests.deploy.rendered import Object, Rendered, pod_labels, ports


def allows(rendered: Rendered, source: Object, target: Object, port: int) -> bool:
    """Whether pods of one workload reach a TCP port of another's, both in the namespace of SCALE."""
    leaves = _any(_rules(rendered, source, "Egress", "egress"), "to", pod_labels(target), target, port)
    return leaves and _any(_rules(rendered, target, "Ingress", "ingress"), "from", pod_labels(source), target, port)


def reached_from_namespaces(rendered: Rendered, target: Object) -> dict[str, set[str | int]]:
    """The namespaces from which something reaches it, and at which ports."""
    found: dict[str, set[str | int]] = {}
    for rule in _rules(rendered, target, "Ingress", "ingress"):
        for peer in rule.get("from", ()):
            selector = peer.get("namespaceSelector")
            if selector is not None:
                name = selector.get("matchLabels", {}).get("kubernetes.io/metadata.name", "*")
                found.setdefault(name, set()).update(one["port"] for one in rule.get("ports", ()))
        if not rule.get("from"):
            found.setdefault("*", set()).update(one["port"] for one in rule.get("ports", ()))
    return found


def _rules(rendered: Rendered, workload: Object, kind: str, field: str) -> Iterator[Object]:
    policies = [policy["spec"] for policy in rendered.all("NetworkPolicy") if _selects(policy["spec"]["podSelector"], pod_labels(workload))]
    concerned = [policy for policy in policies if kind in policy["policyTypes"]]
    if not concerned:
        yield {}  # nothing is kept away from a pod that no policy is about
    for policy in concerned:
        yield from policy.get(field) or ()


def _any(rules: Iterable[Object], peers: str, labels: Mapping[str, str], target: Object, port: int) -> bool:
    return any(_is_peer(rule.get(peers), labels) and _is_port(rule.get("ports"), target, port) for rule in rules)


def _is_peer(peers: list[Object] | None, labels: Mapping[str, str]) -> bool:
    if not peers:
        return True
    return any("podSelector" in peer and "namespaceSelector" not in peer and _selects(peer["podSelector"], labels) for peer in peers)


def _is_port(wanted: list[Object] | None, target: Object, port: int) -> bool:
    if not wanted:
        return True
    named = ports(target)
    return any((named.get(one["port"]) if isinstance(one["port"], str) else one["port"]) == port for one in wanted)


def _selects(selector: Object, labels: Mapping[str, str]) -> bool:
    if not selector.get("matchLabels", {}).items() <= labels.items():
        return False
    for expression in selector.get("matchExpressions", ()):
        value = labels.get(expression["key"])
        held = {
            "In": value in expression.get("values", ()),
            "NotIn": value not in expression.get("values", ()),
            "Exists": value is not None,
            "DoesNotExist": value is None,
        }[expression["operator"]]
        if not held:
            return False
    return True
