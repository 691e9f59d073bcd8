"""Who a ref is: the case system's id by the council's key, a link to the case, and the label of the council's own file.

Labels are kept in memory only. The file is read again when it has changed and stood still for a moment, and so is one whose last
line does not end: what is half written is left alone.
"""
from __future__ import annotations

import csv
import io
import time
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from keepintouch import refs
from keepintouch.councils import Council
from keepintouch.refs import Kind, RefError, Refs
from keepintouch.runtime.logs import get_logger
from schemas.common import council_of

LOOK_AGAIN_SECONDS = 1.0
"""From one look at a file to the next; and one that was last changed so long ago stands still."""

_log = get_logger(__name__)
_Stamp = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Who:
    """What to call somebody."""

    name: str
    """Label, else case id, else the ref's local part."""
    case_id: str | None = None
    link: str | None = None
    """Address of the case in the case system."""
    labelled: bool = False


@dataclass(slots=True)
class _Labels:
    path: Path
    names: dict[str, str] = field(default_factory=dict)
    taken: _Stamp | None = None
    refused: _Stamp | None = None
    """Of a file that is no list of labels: it is not looked at again before it has changed."""
    seen: _Stamp | None = None
    away: bool = False
    looked_at: float = float("-inf")


class WhoIsWho:
    """Turns refs into what people call each other."""

    def __init__(self, councils: Mapping[str, Council], keys_dir: Path, monotonic: Callable[[], float]) -> None:
        self._councils, self._keys_dir, self._now = councils, keys_dir, monotonic
        self._keys: dict[str, Refs | None] = {}
        self._labels = {slug: _Labels(Path(council.labels)) for slug, council in councils.items() if council.labels}

    def has_key(self, council: str) -> bool:
        """Whether the council's key is at hand."""
        return self._key(council) is not None

    def has_labels(self, council: str) -> bool:
        """Whether the council gives a file of labels that could be read."""
        return council in self._labels and self._labels[council].taken is not None

    def case_id(self, ref: str, kind: Kind = "person") -> str | None:
        """The case system's id of a ref; None without the key, or for a ref that was not made with it."""
        key = self._key(council_of(ref))
        if key is None:
            return None
        try:
            return key.decode(ref, kind)
        except RefError:
            return None

    def person(self, ref: str) -> Who:
        """A young person."""
        council, local = ref.split(":", 1)
        case_id = self.case_id(ref)
        label = self._label(council, local if case_id is None else case_id)
        settings = self._councils.get(council)
        link = None
        if case_id is not None and settings is not None and settings.case_link is not None:
            link = settings.case_link.replace("{id}", quote(case_id, safe=""))
        return Who(label or case_id or local, case_id, link, label is not None)

    def worker(self, ref: str, name: str | None) -> str:
        """A member of staff: by name, else id in the case system, else the ref's local part."""
        return name or self.case_id(ref, "worker") or ref.partition(":")[2]

    def _key(self, council: str) -> Refs | None:
        if self._keys.get(council) is None:
            try:
                self._keys[council] = refs.load_key(self._keys_dir, council)
            except RefError:
                self._keys[council] = None
        return self._keys[council]

    def _label(self, council: str, case_id: str) -> str | None:
        labels = self._labels.get(council)
        if labels is None:
            return None
        if self._now() - labels.looked_at >= LOOK_AGAIN_SECONDS:
            labels.looked_at = self._now()
            self._look(labels, council)
        return labels.names.get(unicodedata.normalize("NFC", case_id).strip())

    def _look(self, labels: _Labels, council: str) -> None:
        still = False
        try:
            stat = labels.path.stat()
            stamp = stat.st_mtime_ns, stat.st_size, stat.st_ino
            still = stamp == labels.seen or time.time() - stat.st_mtime >= LOOK_AGAIN_SECONDS
            labels.seen = stamp
            if stamp in (labels.taken, labels.refused) or (labels.taken is not None and not still):
                return
            text = labels.path.read_text(encoding="utf-8-sig")
            if not text.endswith("\n") and not still:
                return
            names = read_labels(text)
        except OSError:
            if not labels.away:
                labels.away = True
                _log.warning("labels_not_read", council=council, reason="no_file_that_we_may_read")
            return
        except ValueError:   # half written, or no such file at all
            if still:
                labels.refused = labels.seen
                _log.warning("labels_not_read", council=council, reason="not_id_and_label")
            return
        labels.names, labels.taken, labels.away = names, stamp, False
        _log.info("labels_read", council=council, count=len(names))


def read_labels(text: str) -> dict[str, str]:
    """Labels by case id, of a CSV whose first line is `id,label`. ValueError where a row is not whole."""
    rows = csv.reader(io.StringIO(text), strict=True)
    try:
        heads = [head.strip().lower() for head in next(rows, [])]
        if "id" not in heads or "label" not in heads:
            raise ValueError("the first line should be id,label")
        found = {}
        for row in rows:
            if not any(row):
                continue
            if len(row) < len(heads):
                raise ValueError(f"line {rows.line_num} is not whole")
            case_id, label = (row[heads.index(head)].strip() for head in ("id", "label"))
            if case_id and label:
                found[unicodedata.normalize("NFC", case_id)] = label
    except csv.Error as error:
        raise ValueError(f"line {rows.line_num}: {error}") from None
    return found
