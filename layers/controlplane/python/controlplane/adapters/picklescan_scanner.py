"""Pickles by picklescan's lists, by our own, and read as the loaders read them. See docs/adr/0024."""

import logging
from codecs import utf_8_decode
from importlib.metadata import version
from io import BytesIO
from typing import BinaryIO

from picklescan.scanner import SafetyLevel, scan_pickle_bytes
from picklescan.torch import MAGIC_NUMBER

from controlplane.adapters.bounded_streams import UnreadableError
from controlplane.adapters.inert_kinds import PARTIAL
from controlplane.adapters.inert_objects import GlobalName
from controlplane.adapters.inert_unpickling import Reading, read_as_joblib, read_natively
from controlplane.adapters.model_containers import Containers, PickleSource
from controlplane.registry.allowed_globals import is_allowed
from controlplane.registry.scan import Finding, FindingKind, Scan, ScanState

# So much of a pickle is looked at, in memory; arrays that joblib lays beside it do not count.
MAX_PICKLE_BYTES = 512 << 20
MAX_FINDINGS = 5
_MAX_DETAIL = 200

# Its files before 1.6: a number, a version, the system, the model and the keys of the tensors that follow.
_PICKLES_OF_TORCH = 5
# To other loaders the arrays that joblib lays between the instructions are instructions.
_LOADED_BY_JOBLIB = frozenset({"sklearn"})
_LOADED_AS_PICKLES = (".joblib", ".pkl", ".pickle", ".pt", ".pth", ".dill")
_HEAD = 512
# It warns of each finding, in a file that may have thousands.
logging.getLogger("picklescan").setLevel(logging.CRITICAL)


class PicklescanScanner:
    """An ArtifactScanner."""

    name = "picklescan"

    def __init__(self, max_pickle_bytes: int = MAX_PICKLE_BYTES) -> None:
        self._limit = max_pickle_bytes
        self._version = version("picklescan")

    def scan(self, path: str, model_format: str, content: BinaryIO) -> Scan:
        findings: dict[Finding, None] = {}
        pickles = 0
        where = path
        try:
            for source in Containers().sources(content, path):
                where = source.name
                found = self._inspect(source, model_format)
                pickles += found is not None
                findings |= dict.fromkeys(found or ())
        except UnreadableError as unreadable:
            findings[_finding(where, FindingKind.UNREADABLE, str(unreadable))] = None
        if not pickles and not findings:
            return Scan()
        return Scan(
            state=ScanState.UNSAFE if findings else ScanState.CLEAN,
            scanner=self.name,
            scanner_version=self._version,
            findings=tuple(findings)[:MAX_FINDINGS],
        )

    def _inspect(self, source: PickleSource, model_format: str) -> list[Finding] | None:
        """What is wrong with the pickles of a stream; None when there are none. Raises UnreadableError."""
        as_joblib = read_as_joblib(source.open(), self._limit)
        readings = [as_joblib]
        if not as_joblib.arrays:
            readings.append(read_natively(source.open(), self._limit))
        imported = {found for reading in readings for found in reading.globals}
        findings = _judge(source.name, imported, as_joblib.pickles) if imported else []
        if findings:
            return findings
        for reading in readings:
            if reading.obstacle:
                raise reading.obstacle
        if as_joblib.arrays and model_format not in _LOADED_BY_JOBLIB:
            raise UnreadableError(f"it was saved by joblib, which no loader of {model_format} uses")
        if imported:
            _require_whole(source, as_joblib, readings[-1])
        if as_joblib.complete:
            return []
        _require_known(source)
        return None


def _require_whole(source: PickleSource, as_joblib: Reading, natively: Reading) -> None:
    """What was not followed to its end may import more. Raises UnreadableError."""
    if not as_joblib.complete:
        raise UnreadableError("its pickle ends in the middle")
    if natively.complete != as_joblib.complete:
        raise UnreadableError("loaders disagree about it")
    if source.is_whole_file and as_joblib.first == MAGIC_NUMBER:
        if as_joblib.complete < _PICKLES_OF_TORCH:
            raise UnreadableError("its pickle ends in the middle")
        return
    if as_joblib.broken_globals:
        raise UnreadableError("its pickle ends in the middle")
    if as_joblib.broken:
        raise UnreadableError("something lies behind its pickle")


def _require_known(source: PickleSource) -> None:
    """Whoever loads a file of such a name unpickles it: it is no text, so it is a format unknown to us.

    Raises UnreadableError.
    """
    if not source.is_whole_file or not source.name.lower().endswith(_LOADED_AS_PICKLES):
        return
    if not _is_text(source.open().read(_HEAD)):
        raise UnreadableError("it is no pickle, and no format that is looked into")


def _is_text(head: bytes) -> bool:
    """Whether a file that begins so may be text, which hides nothing; the last character may be cut off."""
    try:
        text, _ = utf_8_decode(head, "strict", False)
    except UnicodeDecodeError:
        return False
    return all(character.isprintable() or character.isspace() for character in text)


def _judge(name: str, imported: set[GlobalName], pickles: list[BytesIO]) -> list[Finding]:
    dangerous = {found for pickle in pickles for found in _dangerous(name, pickle)} - {PARTIAL}
    findings = [_finding(name, FindingKind.DANGEROUS, ".".join(found)) for found in dangerous]
    unknown = {found for found in imported if not is_allowed(*found)} - dangerous
    findings += [_finding(name, FindingKind.UNKNOWN, ".".join(found)) for found in unknown]
    return sorted(findings, key=lambda finding: (finding.kind, finding.detail))


def _dangerous(name: str, pickle: BytesIO) -> set[GlobalName]:
    pickle.seek(0)
    try:
        found = scan_pickle_bytes(pickle, name, multiple_pickles=False)
    except (ValueError, OSError, MemoryError, RecursionError) as failed:
        raise UnreadableError(f"picklescan cannot read it: {failed}") from failed
    return {(g.module, g.name) for g in found.globals if g.safety is SafetyLevel.Dangerous}


def _finding(name: str, kind: FindingKind, detail: str) -> Finding:
    return Finding(file=name[-_MAX_DETAIL:], kind=kind, detail=detail[:_MAX_DETAIL])
