"""The commands that documents tell people to type, and what each of them needs to be there."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.deploy.rendered import Object, Rendered, containers

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = tuple(sorted(ROOT.glob("docs/**/*.md")))
_BLOCK = re.compile(r"^(?P<indent> *)```(?P<kind>\w*)[^\n]*\n(?P<text>.*?)^ *```", re.M | re.S)
_INLINE = re.compile(r"`(kubectl [^`]+)`")
_ROLE = re.compile(r"\s*-- as (\w+)\n")
KINDS = {
    "deploy": "Deployment", "deployment": "Deployment", "statefulset": "StatefulSet", "job": "Job", "cronjob": "CronJob",
    "service": "Service",
    "configmap": "ConfigMap", "pvc": "PersistentVolumeClaim", "networkpolicy": "NetworkPolicy", "certificate": "Certificate",
    "scaledobject": "ScaledObject",
}  # fmt: skip
# Kinds that the cluster makes itself, or that Secrets bring: nothing to compare them with.
_MADE_THERE = ("pods", "pod", "events", "jobs", "secret", "secrets", "certificaterequests", "replicasets")
_OF_NO_NAMESPACE = (["node"], ["nodes"], ["namespace"], ["crds"])
_TAKING_VALUES = {
    "-n", "--namespace", "-l", "--selector", "-c", "--container", "--since", "--tail", "--timeout", "--replicas", "--from", "--for", "-o",
    "--sort-by", "-p", "--type", "--patch", "-f", "-k", "--to-revision",
}  # fmt: skip


@dataclass(frozen=True)
class Command:
    """One line that somebody types, and where it stands."""

    document: str
    line: int
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.document}:{self.line}: {' '.join(self.words)}"


def shell_commands(program: str, documents: Sequence[Path] = DOCUMENTS) -> Iterator[Command]:
    """Every command of that program in blocks of code, and in the text where it is kubectl."""
    for path in documents:
        text = path.read_text(encoding="utf-8")
        name = path.relative_to(ROOT).as_posix()
        for block in _BLOCK.finditer(text):
            if block["kind"] in ("", "sh", "bash", "shell"):
                first = text.count("\n", 0, block.start("text")) + 1
                yield from _in_block(program, name, first, block["text"])
        for found in _INLINE.finditer(_BLOCK.sub(lambda block: "\n" * block[0].count("\n"), text)):
            if program == "kubectl" and "…" not in found[1] and len(found[1].split()) > 2:
                yield Command(name, text.count("\n", 0, found.start()) + 1, tuple(shlex.split(found[1])))


def sql_blocks(documents: Sequence[Path] = DOCUMENTS) -> Iterator[tuple[str, str, str]]:
    """Place, role and text of each block of SQL."""
    for path in documents:
        text = path.read_text(encoding="utf-8")
        for block in _BLOCK.finditer(text):
            if block["kind"] == "sql":
                place = f"{path.relative_to(ROOT).as_posix()}:{text.count(chr(10), 0, block.start('text')) + 1}"
                role = _ROLE.match(block["text"])
                yield place, role[1] if role else "", block["text"]


def _in_block(program: str, name: str, first: int, text: str) -> Iterator[Command]:
    lines = text.replace("\\\n", "  ").splitlines()
    for number, line in enumerate(lines):
        for part in re.split(r"\s(?:&&|\|)\s", line):
            try:
                words = shlex.split(part, comments=True)
            except ValueError:
                continue  # a part of something longer
            while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                words = words[1:]
            if words and words[0].rpartition("/")[2] == program:
                yield Command(name, first + number, (program, *words[1:]))


def kubectl_problems(command: Command, overlays: Sequence[Rendered]) -> list[str]:
    """What a kubectl command names that no overlay has; empty where all is well."""
    words, inside = _split(list(command.words[1:]))
    flags, rest = _flags(words)
    problems = []
    if not rest or rest[0] == "kustomize" or (rest == ["apply"] and "-k" not in flags) or rest[1:2] in _OF_NO_NAMESPACE:
        return []
    verb = rest[0]
    if "-k" in flags:
        ours = flags["-k"].startswith("deploy/")
        return [f"no kustomization in {flags['-k']}"] if ours and not (ROOT / flags["-k"] / "kustomization.yaml").is_file() else []
    if "-f" in flags or any("<" in word for word in rest):
        return []  # a file of one's own, or a form to fill in
    if flags.get("-n", flags.get("--namespace")) != "scale":
        problems.append("does not say -n scale")
    selector = flags.get("-l", flags.get("--selector"))
    if selector and not any(each.selected(_labels(selector)) for each in overlays):
        problems.append(f"nothing has the labels {selector}")
    if "--from" in flags:
        problems += _unknown(flags["--from"], overlays)
    if verb in ("rollout", "set"):
        rest = [verb, *rest[2:]]
    if verb == "create":
        return problems
    # What is not a name: values, and a variable or an annotation that is taken away.
    named = [word for word in rest[1:] if "=" not in word and not re.fullmatch(r"[A-Z][A-Z0-9_]+-|[a-z.]+/[a-z-]+-|\d+(:\w+)?", word)]
    if (
        named
        and "/" not in named[0]
        and named[0].split(".")[0] in {*KINDS, *_MADE_THERE, *(f"{kind}s" for kind in KINDS), "networkpolicies", "ingresses"}
    ):
        kind = KINDS.get(named[0].removesuffix("s"))
        targets = [f"{named[0].removesuffix('s')}/{name}" for name in named[1:]] if kind else []
    else:
        targets = named if verb != "exec" else named[:1]
    for target in targets:
        problems += _unknown(target, overlays)
    container = flags.get("-c", flags.get("--container"))
    if container and targets and not any(container in _containers(target, overlays) for target in targets):
        problems.append(f"{targets[0]} has no container {container}")
    if verb == "exec" and not inside:
        problems.append("exec without -- and a command")
    return problems


def settings_named(command: Command) -> list[str]:
    """The variables that `kubectl set env` gives or takes back."""
    if command.words[1:] and "set" in command.words and "env" in command.words:
        return [word.partition("=")[0].removesuffix("-") for word in command.words if re.fullmatch(r"[A-Z][A-Z0-9_]+(=.*|-)", word)]
    return []


def _split(words: list[str]) -> tuple[list[str], list[str]]:
    at = words.index("--") if "--" in words else len(words)
    return words[:at], words[at + 1 :]


def _flags(words: list[str]) -> tuple[dict[str, str], list[str]]:
    flags: dict[str, str] = {}
    rest: list[str] = []
    waiting = ""
    for word in words:
        if waiting:
            flags[waiting], waiting = word, ""
        elif word.startswith("-") and "=" in word:
            name, _, value = word.partition("=")
            flags[name] = value
        elif word in _TAKING_VALUES:
            waiting = word
        elif word.startswith("-"):
            flags[word] = ""
        else:
            rest.append(word)
    return flags, rest


def _labels(selector: str) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in selector.split(","))


@cache
def _described_pods() -> set[str]:
    texts = (path.read_text(encoding="utf-8") for path in DOCUMENTS)
    return {name for text in texts for name in re.findall(r"^ *kind: Pod\n *metadata:\n *name: (\S+)$", text, re.M)}


@cache
def _jobs_begun_by_hand() -> set[str]:
    """Jobs that a document says how to create: `kubectl create job NAME --from=...`."""
    return {
        command.words[at + 2]
        for command in shell_commands("kubectl")
        for at in range(len(command.words) - 2)
        if command.words[at : at + 2] == ("create", "job")
    }


def _unknown(target: str, overlays: Sequence[Rendered]) -> list[str]:
    kind, _, name = target.rpartition("/")
    if not kind:
        # A pod: of a StatefulSet they have names that one can know, and one that a document describes has its own.
        owner, _, number = name.rpartition("-")
        known = (number.isdigit() and any(each.find("StatefulSet", owner) for each in overlays)) or name in _described_pods()
        return [] if known else [f"there is no pod whose name is always {name}"]
    wanted = KINDS.get(kind)
    if wanted is None:
        return [f"unknown kind {kind}"]
    if wanted == "Job" and name in _jobs_begun_by_hand():
        return []
    return [] if any(each.find(wanted, name) for each in overlays) else [f"there is no {wanted} {name}"]


def _containers(target: str, overlays: Sequence[Rendered]) -> set[str]:
    kind, _, name = target.rpartition("/")
    kind, name = (KINDS[kind], name) if kind else ("StatefulSet", name.rpartition("-")[0])
    found: list[Object | None] = [each.find(kind, name) for each in overlays]
    return {str(container["name"]) for item in found if item for container in containers(item)}
