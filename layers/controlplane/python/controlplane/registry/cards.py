"""A version's card: Markdown of what is known of it, then what people wrote. Pure.

What is known comes first: an open code block or comment in people's text would swallow what follows it.
"""

import math
import re
from collections.abc import Iterable, Iterator, Sequence

from controlplane.registry.model import ApprovalState, ModelVersion

# What means something to a Markdown reader; HTML among it, which would be passed on as it is.
_MARKUP = re.compile(r"([\\`*_{}\[\]()<>#+!|~&:@-])")
_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;", ":": "&#58;", "@": "&#64;"}


def render_card(version: ModelVersion) -> str:
    """The whole card. Every value that came from outside is shown as text, whatever it contains."""
    sections = [
        f"# {escape(version.model)}, version {version.number}",
        _table(("fact", "value"), _facts(version)),
        *_section("Metrics", ("metric", "value"), _metrics(version)),
        *_section("Tags", ("tag", "value"), sorted(version.tags.items())),
    ]
    if version.card.strip():
        sections += ["---", version.card.strip()]
    return "\n\n".join(sections) + "\n"


def escape(text: str) -> str:
    """Text that a Markdown reader shows as it is, in one line; also within a table, and no address becomes a link."""
    line = " ".join(text.split())
    return _MARKUP.sub(lambda found: _ENTITIES.get(found[1], f"\\{found[1]}"), line)


def _facts(version: ModelVersion) -> Iterator[tuple[str, str]]:
    framework = f" {version.framework_version}" if version.framework_version else ""
    yield "format", f"{version.format}{framework}"
    yield "size", f"{version.size} bytes in {len(version.files)} files"
    yield "digest", f"sha256 {version.digest}"
    yield "registered", _when_by(version.registered_at.isoformat(), version.registered_by)
    for name, known in (
        ("data set", version.dataset_digest),
        ("run", version.run),
        ("template", version.template_version),
        ("code", version.code),
    ):
        yield name, known or "unknown"
    yield "approval", _approval(version)
    yield "scan", _scan(version)
    yield "signature", _signature(version)
    yield "aliases", ", ".join(version.aliases) or "none"
    yield "deployments", ", ".join(version.served_by) or "none"


def _approval(version: ModelVersion) -> str:
    approval = version.approval
    if approval.state is ApprovalState.PENDING or approval.decided_at is None:
        return approval.state.value
    decided = _when_by(approval.decided_at.isoformat(), approval.actor)
    return f"{approval.state.value}, {decided}: {approval.reason}"


def _scan(version: ModelVersion) -> str:
    scan = version.scan
    if scan is None:
        return "never scanned"
    found = "; ".join(f"{f.file}: {f.detail}" for f in scan.findings)
    by = f" by {scan.scanner} {scan.scanner_version}" if scan.scanner else ""
    return f"{scan.state.value}{by}{f' ({found})' if found else ''}"


def _signature(version: ModelVersion) -> str:
    signature = version.signature
    if signature is None:
        return "not signed"
    return f"key {signature.key_id}, verified {signature.verified_at.isoformat()}"


def _metrics(version: ModelVersion) -> list[tuple[str, str]]:
    return [
        (name, f"{value:g}" if math.isfinite(value) else "no number")
        for name, value in sorted(version.metrics.items())
    ]


def _when_by(when: str, actor: str | None) -> str:
    return f"{when} by {actor}" if actor else when


def _section(title: str, head: tuple[str, str], rows: Sequence[tuple[str, str]]) -> Iterator[str]:
    if rows:
        yield f"## {title}"
        yield _table(head, rows)


def _table(head: tuple[str, str], rows: Iterable[tuple[str, str]]) -> str:
    lines = [f"| {head[0]} | {head[1]} |", "| --- | --- |"]
    lines += [f"| {escape(name)} | {escape(value)} |" for name, value in rows]
    return "\n".join(lines)
