"""One photo's sidecars: which of them is used, what it is to say, and what is noted of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from landmark.names import shown
from landmark.storage import Changed
from landmark.tagging import xmp
from landmark.tagging.sidecar_places import Found, Gone, Place, Read, Refused, extension
from landmark.tagging.sidecar_state import OTHER, Row

TRIES = 4
"""How often a sidecar is read anew that somebody else changes meanwhile [count]."""
_PLAIN = re.compile("[A-Za-z0-9]{1,10}")


@dataclass
class Done:
    """What one photo came to.

    Attributes:
        counts: as in `SidecarResult`.
        put: rows of the state.
        delete: rows that go.
        versions: of sidecars that were changed: path, before, now.
        failed: photo, sidecar, reason.
    """

    counts: dict[str, int] = field(default_factory=dict)
    put: list[Row] = field(default_factory=list)
    delete: list[Row] = field(default_factory=list)
    versions: list[tuple[str, str, str]] = field(default_factory=list)
    failed: list[tuple[str, str, str]] = field(default_factory=list)

    def count(self, outcome: str) -> None:
        """One more of these."""
        self.counts[outcome] = self.counts.get(outcome, 0) + 1

    def fail(self, photo: str, sidecar: str, reason: str) -> None:
        """A sidecar that is left as it is."""
        self.count("failed")
        self.failed.append((shown(photo), shown(sidecar), shown(reason)))


@dataclass(frozen=True)
class Job:
    """One photo with its sidecars.

    Attributes:
        photo: path or URI.
        wish: what is to be said of it.
        place: where it lies.
        found: sidecars that are there.
        known: what the state says of them.
        forget: all of ours goes, and what the user declined.
        gone: the photo is there no more.
    """

    photo: str
    wish: xmp.Wish | None
    place: Place
    found: list[Found]
    known: list[Row]
    forget: bool = False
    gone: bool = False

    def idle(self) -> str:
        """What the photo counts as where nothing is to be done, as for most of them; else ""."""
        if len(self.found) != 1 or len(self.known) != 1 or self.known[0].sidecar != self.found[0].path or self.wish is None:
            return ""
        row = self.known[0]
        return _outcome(row) if self._as_it_was(row, self.found[0], self.wish) else ""

    def _as_it_was(self, row: Row, found: Found, wish: xmp.Wish | None) -> bool:
        if row.version != found.version or self.forget or self.gone:
            return False
        if wish is None:
            return not row.digest
        near = wish.decided_by == "person" or abs(row.confidence - wish.confidence) < xmp.STEP
        return row.digest == wish.digest and near

    def run(self) -> Done:
        """Do it."""
        done = Done()
        known = {row.sidecar: row for row in self.known}
        wish = self.wish
        for found in self.found:
            row = known.pop(found.path, None)
            if row is not None and row.version == found.version and row.digest == OTHER and not (self.forget or self.gone):
                continue
            if row is not None and self._as_it_was(row, found, wish):
                if wish is not None:
                    done.count(_outcome(row))
                wish = None
            elif self._merge(done, found, wish, row):
                wish = None
        if wish is not None and self.place.exists(self.photo):
            self._merge(done, Found(f"{self.photo}.xmp", "", False), wish, None)
        elif wish is not None:
            done.fail(self.photo, "", "the photo is gone")
        done.delete += known.values()
        return done

    def _merge(self, done: Done, found: Found, wish: xmp.Wish | None, row: Row | None) -> bool:
        """Bring one sidecar to what is wished; whether the wish has found its place."""
        path, digest, settled = found.path, wish.digest if wish else "", self.forget or self.gone
        # Nobody needs to know of a bad sidecar that nothing is to be written to, and that we wrote nothing to.
        quiet = wish is None and (row is None or row.digest in ("", OTHER))
        for number in range(TRIES):
            try:
                read = self.place.read(path) if found.version else None
                version = read.version if read else None
                applied = self._apply(read, found, wish)
                now = version or ""
                if applied.data is None and version is not None:
                    self.place.remove(path, version)
                elif applied.outcome != "same" and applied.data is not None:
                    now = self.place.write(path, applied.data, version)
                    if version is not None:
                        done.versions.append((path, version, now))
                break
            except Gone:
                return False
            except xmp.OtherPhoto:
                other = Row(self.photo, path, found.version, OTHER, 0.0, False)
                (done.delete if settled else done.put).append(other)
                return False
            except (xmp.NotXmp, Refused) as error:
                if not quiet:
                    done.fail(self.photo, path, f"{error}; left as it is" if isinstance(error, xmp.NotXmp) else str(error))
                elif settled:
                    done.delete += [row] if row else []
                elif isinstance(error, xmp.NotXmp) and version is not None:
                    done.put.append(Row(self.photo, path, version, "", 0.0, False))  # is not opened again
                return True
            except Changed:
                if number + 1 == TRIES:
                    done.fail(self.photo, path, "changed again and again while it was written; run again")
                    return True
                found = found._replace(version=found.version or "new")
        if applied.outcome in ("withdrawn", "removed"):
            done.count(applied.outcome)
        if wish is not None and (applied.declined or applied.outcome in ("written", "same")):
            done.count("declined" if applied.declined else "written" if applied.outcome == "written" else "unchanged")
        new = Row(self.photo, path, now, digest, wish.confidence if wish else 0.0, applied.declined)
        (done.delete if applied.data is None or settled else done.put).append(new)
        return True

    def _apply(self, read: Read | None, found: Found, wish: xmp.Wish | None) -> xmp.Applied:
        own = extension(self.photo)
        if read is None:
            return xmp.apply(None, own, wish)
        return xmp.apply(
            read.data, own, wish, shared=found.shared, there=self._beside, changed=read.changed, forget=self.forget
        )  # fmt: skip

    def _beside(self, extension: str) -> bool:
        """Whether the other photo of a shared sidecar is there; of an odd extension it isn't known, for it may be cleaned."""
        return not _PLAIN.fullmatch(extension) or self.place.beside(self.photo, extension)


def _outcome(row: Row) -> str:
    return "declined" if row.declined else "unchanged"


def left(place: Place, photo: str, rows: list[Row], forget: bool) -> Job | None:
    """A photo that is in the collection no more.

    If it is deleted, ours goes from what it left behind. If it is there, in another list or not readable now, it keeps its
    sidecar and its rows, so that what is in it may still be withdrawn.
    """
    there = place.exists(photo)
    if there and not forget:
        return None
    ours = {row.sidecar for row in rows if row.digest != OTHER}
    found = [found for found in place.find(photo) if there or found.path in ours]
    return Job(photo, None, place, found, rows, forget, not there)
