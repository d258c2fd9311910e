"""One photo's sidecars: which of them is used, what it is to say, and what is noted of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from landmark.names import shown
from landmark.storage import Changed
from landmark.tagging import xmp
from landmark.tagging.sidecar_places import Found, Gone, Place, Refused, extension
from landmark.tagging.sidecar_state import OTHER, Row

TRIES = 4
"""How often a sidecar is read anew that somebody else changes meanwhile [count]."""


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
        forget: also forget what the user declined.
    """

    photo: str
    wish: xmp.Wish | None
    place: Place
    found: list[Found]
    known: list[Row]
    forget: bool

    def run(self) -> Done:
        """Do it."""
        done = Done()
        known = {row.sidecar: row for row in self.known}
        wish, digest = self.wish, self.wish.digest if self.wish else ""
        for found in self.found:
            row = known.pop(found.path, None)
            if row is not None and row.version == found.version and not self.forget:
                if row.digest == OTHER:
                    continue
                near = wish is None or abs(row.confidence - wish.confidence) < xmp.STEP
                if row.digest == digest and near:
                    if wish is not None:
                        done.count("declined" if row.declined else "unchanged")
                    wish, digest = None, ""
                    continue
            if self._merge(done, found, wish, digest):
                wish, digest = None, ""
        if wish is not None and self.place.exists(self.photo):
            self._merge(done, Found(f"{self.photo}.xmp", "", False), wish, digest)
        elif wish is not None:
            done.fail(self.photo, "", "the photo is gone")
        done.delete += known.values()
        return done

    def _merge(self, done: Done, found: Found, wish: xmp.Wish | None, digest: str) -> bool:
        """Bring one sidecar to what is wished; whether the wish has found its place."""
        path = found.path
        for number in range(TRIES):
            try:
                data, version = self.place.read(path) if found.version else (None, None)
                applied = xmp.apply(data, extension(self.photo), wish, shared=found.shared, forget=self.forget)
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
                done.put.append(Row(self.photo, path, found.version, OTHER, 0.0, False))
                return False
            except xmp.NotXmp as error:
                done.fail(self.photo, path, f"{error}; left as it is")
                return True
            except Refused as error:
                done.fail(self.photo, path, str(error))
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
        row = Row(self.photo, path, now, digest, wish.confidence if wish else 0.0, applied.declined)
        if applied.data is None or self.forget:
            done.delete.append(row)
        else:
            done.put.append(row)
        return True


def left(place: Place, photo: str, rows: list[Row]) -> Job | None:
    """A photo that is in the collection no more: if it is deleted, ours goes from what it left behind."""
    if place.exists(photo):
        return None
    found = [Found(row.sidecar, row.version, False) for row in rows if row.digest != OTHER and place.exists(row.sidecar)]
    return Job(photo, None, place, found, [], False) if found else None
