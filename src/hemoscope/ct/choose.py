"""Which series of a study to analyse: the axial one without contrast, soft kernel, slices of 3 to 7 mm.

Every rule that applies adds its points; the highest sum is chosen and the rules that applied explain it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from hemoscope.ct.frames import text
from hemoscope.ct.series import MAX_VOXELS, Series
from hemoscope.ct.spacing import FEWEST_SLICES

NO_AGENT = r"(N|NO|NON.*|WITHOUT.*|OFF|0|C ?-|PLAIN|NATIVE?)?"  # upper case
SUITABLE_THICKNESS_MM = (3.0, 7.0)  # what the detector was trained on
FEW_SLICES = 10
SMALL_COVERAGE_MM = 100.0  # an adult brain is about 130 mm high
WIDE_FIELD_MM = 320.0  # a head is reconstructed on 200 to 280 mm, a trunk on 350 to 500 mm

# The kernels of the vendors: the whole of ConvolutionKernel, upper case -> sharpness.
KERNELS: tuple[tuple[str, Literal["soft", "sharp"]], ...] = (
    (r"SOFT|STANDARD|STND|STD\+?", "soft"),  # GE
    (r"BONE(PLUS)?\+?|EDGE|LUNG|ULTRA|HD ?BONE.*", "sharp"),
    (r"FC[01246]\d.*", "soft"),  # Toshiba, Canon
    (r"FC[3578]\d.*", "sharp"),
    (r"[A-Z][A-Z]?[1-4]\d.*", "soft"),  # Siemens: the number grows with sharpness (H31s, J40s, Hr38)
    (r"[A-Z][A-Z]?[5-9]\d.*", "sharp"),
    (r"A|B|C|UA|UB|SB|EA|EB", "soft"),  # Philips
    (r"D|E|F|L|YA|YB|YC|YD|YE|EC", "sharp"),
)  # fmt: skip

WITHOUT_CONTRAST = (
    r"\b(NON|NO|WO|W O|WITHOUT|OHNE|SANS|SIN)( IV)? ?(CONTRAST\w*|CON|CM|KM|C)\b|\bNC ?CT\b|\bPLAIN\b|\bNATI[VF]\w*"
    r"|UNENHANCED|\bC ?-(?!\w)"
)
WITH_CONTRAST = (
    r"\bCT[AVP]\b|ANGIO|PERF|VENO|ARTERI|DELAY|CONTRAST|ENHANCED|\bPOST ?(CON|IV|INJ|CM|KM|GAD)|\bC ?\+|\bCE\b"
    r"|\bCM\b|\bKM\b|\d ?CC\b|BOLUS|TIMING|SMART ?PREP|TRACK|MONITOR|CAROTID|VESSEL|WILLIS|ANEURYSM|PHASE"
)
REFORMATTED = r"\bCOR\b|CORONAL|\bSAG\b|SAGIT|\bMPV?R\b|REFORMAT|\bMIP\b|\b3 ?D\b|\bVRT?\b|\bSSD\b|OBLIQUE|CURVED"
NOT_HOUNSFIELD = r"SUBTRACT|IODINE|\bVNC\b|MONO\w*|\bKEV\b|\bCB[FV]\b|\bMTT\b|\bTMAX\b|\bTTP\b|COLOU?R|\bMAPS?\b"
OTHER_REGION = (
    r"NECK|SPINE|SINUS|\bFACE\b|FACIAL|\bORBITS?\b|\bIAC\b|PETROUS|MASTOID|DENTAL|CHEST|THORAX|ABD|PELV|TRUNK"
)
SHARP_WORDS = r"\bBONES?\b|KNOCHEN|\bOS\b|\bSHARP\b|\bEDGE\b|\bLUNG\b"
HEAD_WORDS = r"HEAD|BRAIN|NEURO|CEREBR|CRANI|SKULL|SCHADEL|CABEZA|STROKE"


@dataclass(frozen=True)
class Rule:
    """Points for a series, and the words that explain them."""

    points: int
    because: str
    applies: Callable[[Series], bool]


def kernel_sharpness(kernel: str) -> Literal["soft", "sharp"] | None:
    """Whether a ConvolutionKernel is soft or sharp; None: not known."""
    name = kernel.split("\\")[0].strip().upper()
    return next((sharpness for pattern, sharpness in KERNELS if re.fullmatch(pattern, name)), None)


def names_contrast(series: Series) -> bool:
    """Whether a tag or the description of the series says that contrast medium was given."""
    agents = (text(frame.header, "ContrastBolusAgent").upper() for frame in series.frames)
    if any(not re.fullmatch(NO_AGENT, agent) for agent in agents):
        return True
    words = _words(series)
    return bool(re.search(WITH_CONTRAST, re.sub(WITHOUT_CONTRAST, " ", words)))


def _words(series: Series) -> str:
    header = series.frames[0].header
    words = " ".join(text(header, keyword) for keyword in ("SeriesDescription", "ImageType"))
    return re.sub(r"[\s_/\\.,;:()\[\]]+|(?<=\w)-(?=\w)", " ", words.upper())


def _says(pattern: str) -> Callable[[Series], bool]:
    return lambda series: bool(re.search(pattern, _words(series)))


def _thickness_mm(series: Series) -> float | None:
    return series.acquisition.slice_thickness_mm or series.acquisition.spacing_mm


def _suitable_thickness(series: Series) -> bool:
    low, high = SUITABLE_THICKNESS_MM
    return low <= (_thickness_mm(series) or 0) <= high


def _small_coverage(series: Series) -> bool:
    positions = series.positions_mm
    return len(positions) > 0 and positions[-1] - positions[0] + (_thickness_mm(series) or 0) < SMALL_COVERAGE_MM


def _wide_field(series: Series) -> bool:
    plane = series.frames[0].plane
    return bool(plane and plane.spacing_mm and plane.shape[1] * plane.spacing_mm[1] > WIDE_FIELD_MM)


def _body_part(series: Series) -> str:
    return text(series.frames[0].header, "BodyPartExamined").upper()


RULES = (
    Rule(-1000, "too large to read", lambda series: series.voxels > MAX_VOXELS),
    Rule(-100, "contrast medium is named", names_contrast),
    Rule(20, "said to be without contrast", _says(WITHOUT_CONTRAST)),
    Rule(-80, "not plain Hounsfield units by its name", _says(NOT_HOUNSFIELD)),
    Rule(-60, "a reformat or projection by its name", _says(REFORMATTED)),
    Rule(-60, "several images at one position", lambda series: 2 * len(series.twins) > len(series.frames)),
    Rule(-60, "another region by its name", _says(OTHER_REGION)),
    Rule(-60, "another body part", lambda s: bool(_body_part(s) and not re.search(HEAD_WORDS, _body_part(s)))),
    Rule(20, "head by its name", lambda s: _says(HEAD_WORDS)(s) or bool(re.search(HEAD_WORDS, _body_part(s)))),
    Rule(-50, "sharp kernel", lambda series: kernel_sharpness(series.acquisition.kernel) == "sharp"),
    Rule(-50, "bone or lung by its name", _says(SHARP_WORDS)),
    Rule(15, "soft kernel", lambda series: kernel_sharpness(series.acquisition.kernel) == "soft"),
    Rule(15, "slices of 3 to 7 mm", _suitable_thickness),
    Rule(-200, "too few slices for an answer", lambda series: len(series.frames) < FEWEST_SLICES),
    Rule(-40, f"fewer than {FEW_SLICES} slices", lambda series: len(series.frames) < FEW_SLICES),
    Rule(-30, f"covers less than {SMALL_COVERAGE_MM:g} mm", _small_coverage),
    Rule(-20, "field of view wider than a head needs", _wide_field),
    Rule(-10, "derived from another series", _says(r"\bDERIVED\b")),
    Rule(-50, "slice positions unknown", lambda series: not series.positions_mm),
)


@dataclass(frozen=True)
class Score:
    """The sum of a series' points and why, for example "35 (soft kernel +15, slices of 3 to 7 mm +20)"."""

    points: int
    explanation: str

    @classmethod
    def of(cls, series: Series) -> Score:
        """Apply all rules to a series."""
        applied = [rule for rule in RULES if rule.applies(series)]
        points = sum(rule.points for rule in applied)
        because = ", ".join(f"{rule.because} {rule.points:+d}" for rule in applied) or "no rule applies"
        return cls(points, f"{points:+d} points for the detector: {because}")


def choose(candidates: Sequence[Series]) -> tuple[Series, tuple[tuple[Series, str], ...]]:
    """Choose among the series of one study: (the chosen one, the others each with one sentence why not).

    Equal points: the one with more slices, then the first.
    """
    scores = [Score.of(series) for series in candidates]
    best = max(range(len(candidates)), key=lambda i: (scores[i].points, len(candidates[i].frames), -i))
    chosen = f"{candidates[best].label} ({scores[best].explanation})"
    others = tuple(
        (series, f"{series.label} ({score.explanation}) was not analysed: {chosen} suits better.")
        for index, (series, score) in enumerate(zip(candidates, scores, strict=True))
        if index != best
    )
    return candidates[best], others
