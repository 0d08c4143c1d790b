"""Unpacked Lambda layers, one folder a content, shared by every worker process."""

import hashlib
import io
import os
import shutil
import tempfile
import threading
import time
import zipfile
from pathlib import Path

UNUSED_FOR = 7 * 24 * 3600  # seconds after which a layer nobody used is dropped


class LayerCache:
    """Folders named by the SHA-256 of the layer's zip; complete as soon as they have that name."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._digests: dict[int, tuple[bytes, str]] = {}
        root.mkdir(parents=True, exist_ok=True)

    def folder(self, content: bytes) -> Path:
        """Where the layer of this zip lies unpacked; unpacks it at the first call.

        Raises RuntimeError when the content is no zip file, which MiniStack reports as the
        failed start of the function.
        """
        with self._lock:
            folder = self._root / self._digest(content)
            if not folder.is_dir():
                self._unpack(content, folder)
            os.utime(folder)
            return folder

    def drop_unused(self) -> None:
        """Remove what an interrupted start left, and layers that were not used for days."""
        oldest = time.time() - UNUSED_FOR
        for folder in self._root.iterdir():
            if folder.suffix == ".partial" or folder.stat().st_mtime < oldest:
                shutil.rmtree(folder, ignore_errors=True)

    def _digest(self, content: bytes) -> str:
        # MiniStack hands out the same bytes object again: hash tens of megabytes only once.
        known = self._digests.get(id(content))
        if known is None or known[0] is not content:
            known = (content, hashlib.sha256(content).hexdigest())
            self._digests[id(content)] = known
        return known[1]

    def _unpack(self, content: bytes, folder: Path) -> None:
        partial = Path(tempfile.mkdtemp(suffix=".partial", dir=self._root))
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                archive.extractall(partial)  # zipfile itself keeps members inside the folder
        except zipfile.BadZipFile as error:
            shutil.rmtree(partial, ignore_errors=True)
            raise RuntimeError(f"a layer is no zip file: {error}") from error
        partial.rename(folder)
