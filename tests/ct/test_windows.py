"""Windows: what they show, and what can be restored from a picture of one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from hemoscope.ct.windows import BRAIN, SOFT_TISSUE, SUBDURAL, Window, from_grey, to_grey
from hemoscope.reasons import UsageError

windows = st.builds(Window, st.integers(-500, 500), st.integers(20, 2000))
slices = arrays.arrays(np.int16, (8, 8), elements=st.integers(-1024, 3071))


@given(windows, slices)
def test_grey_rises_with_hu_and_clips_at_both_ends(window: Window, hu: np.ndarray) -> None:
    grey = to_grey(hu, window)
    assert (grey[hu <= window.low] == 0).all()
    assert (grey[hu >= window.high] == 255).all()
    assert (np.diff(grey.ravel()[np.argsort(hu, axis=None)].astype(int)) >= 0).all()


@given(windows, slices)
def test_hu_inside_a_window_come_back_to_half_a_grey_level(window: Window, hu: np.ndarray) -> None:
    restored = from_grey(to_grey(hu, window), window)
    inside = (hu >= window.low) & (hu <= window.high)
    assert (np.abs(restored[inside].astype(float) - hu[inside]) <= window.width / 255 / 2 + 0.51).all()
    outside = np.clip(hu, round(window.low), round(window.high))
    assert (np.abs(restored[~inside].astype(float) - outside[~inside]) <= 1).all()


def test_the_named_windows_are_those_of_the_papers() -> None:
    assert [(w.low, w.high) for w in (BRAIN, SUBDURAL, SOFT_TISSUE)] == [(0, 80), (-20, 180), (-150, 230)]


@pytest.mark.parametrize(
    ("text", "window"), [("40/80", BRAIN), (" 40 / 80.0 ", BRAIN), ("-600/1500", Window(-600, 1500))]
)
def test_a_window_is_written_level_and_width(text: str, window: Window) -> None:
    assert Window.from_text(text) == window
    assert Window.from_text(str(window)) == window


@pytest.mark.parametrize("text", ["40", "40/0", "40/-80", "brain", "40/80/3", "", "nan/80", "1e3/5"])
def test_another_text_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match="window"):
        Window.from_text(text)
