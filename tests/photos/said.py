"""Corrections for tests."""

from __future__ import annotations

from landmark.photos.corrections import Correction, Corrections

A, B, C = ("a" * 64, "b" * 64, "c" * 64)
Said = tuple[str, str, str]


def say(file: Corrections, sha256: str, verdict: str = "confirm", landmark: str = "Eiffel Tower") -> Correction:
    return file.add(
        sha256, f"/photos/{sha256[:1]}.jpg", verdict, landmark if verdict != "reject" else "", "Eiffel Tower", "m/3"
    )


def held(file: Corrections) -> dict[str, tuple[str, str]]:
    return {sha256: (said.verdict, said.landmark) for sha256, said in file.current.items()}
