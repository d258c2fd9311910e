from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from landmark.tagging.plan import cut


@given(st.integers(0, 200), st.integers(1, 20))
def test_blocks_hold_every_photo_once_and_are_of_like_size(count: int, size: int) -> None:
    photos = [(b"%05d" % n, "v") for n in range(count)]
    made = list(cut(iter(photos), size))
    assert [photo for block, _ in made for photo in block] == photos
    assert all(1 <= len(block) <= 1.5 * size for block, _ in made)
    assert [rest for _, rest in made] == [block[0][0] for block, _ in made[1:]] + ([None] if made else [])


@given(st.integers(1, 200), st.integers(1, 20), st.data())
def test_taken_up_anywhere_it_cuts_alike(count: int, size: int, data: st.DataObject) -> None:
    photos = [(b"%05d" % n, "v") for n in range(count)]
    made = [block for block, _ in cut(photos, size)]
    done = data.draw(st.integers(0, len(made) - 1))
    left = photos[sum(map(len, made[:done])) :]
    assert [block for block, _ in cut(left, size)] == made[done:]
