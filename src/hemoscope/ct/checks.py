"""The checks on a scan that has been read: is it a whole, plain head CT in Hounsfield units?

The thresholds were set with 255 whole head scans, 1,270 single slices and 30 files of other bodies and modalities in
view, so that the figures beside them are margins on known data, not error rates on unseen data.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np

from hemoscope.ct.anatomy import AIR_HU, SliceAnatomy, slice_anatomy
from hemoscope.ct.contrast import contrast_suspected, contrast_visible, vessels
from hemoscope.ct.neighbours import misfits
from hemoscope.ct.scan import Scan
from hemoscope.ct.spacing import spacing_checks
from hemoscope.ct.texture import brain_texture_hu
from hemoscope.reasons import Check, Reason

# A slice shows a head when 70% of the rays end on the skull (a craniectomy opens 30%), when the inside of the skull is
# 45% of the slice (at the vertex it is bone, in other bodies below 10%), and when the picture does not cut it off.
SKULL_SHARE = 0.70
INSIDE_SHARE = 0.45
CUT_SHARE = 0.10
INSIDE_CM2 = (30.0, 330.0)  # a preterm infant's and a very large head; 77 to 245 were measured
# Whole scans of heads have 8 or more such slices and 25% of all; neck and vertex alone, and other bodies, none.
HEAD_SLICES = 3
HEAD_SLICES_SHARE = 0.15
# One slice alone may lie in the posterior fossa or show a wide craniectomy; other bodies have 0.38 and 0.10 at most.
# The mandible closes 75% of a ring around 15%, but what it holds is muscle, at 58 HU.
SINGLE_SKULL_SHARE = 0.45
SINGLE_INSIDE_SHARE = 0.15
SINGLE_INSIDE_CM2 = (15.0, 330.0)

# An end slice that still holds this share of the largest section of the skull is not the end of the brain.
END_SHARE = 0.40
# Heads that touch the border of the picture with their scalp have rays cut in a slice or two.
CUT_RAYS_SHARE, CUT_SLICES_SHARE = 0.05, 0.30

# Brain is 20 to 46 HU in the median of a scan, with hydrocephalus and with contrast medium.
BRAIN_HU = (8.0, 54.0)
# Around every head there is air, at -1000 HU; grey levels and stored values without rescale have none.
AIR_SHARE = 0.005

CONTRAST_SLICES = 24  # looked at for bright vessels, evenly spread

# Brain varies by 1.7 HU or more about its local mean in real CT, JPEG pictures of it among them; by 0.5 and less in
# JPEG 2000 at 1:75 and beyond.
TEXTURE_HU = 1.0
TEXTURE_SLICES = 5


def check_scan(scan: Scan) -> tuple[Check, ...]:
    """Everything that is doubtful about a scan, each with one sentence that gives the figures.

    Independent slices are not checked for count, gaps and neighbours. `scan.checks` is not read and not repeated.
    """
    views = _Views(scan)
    checks = [*spacing_checks(scan), *_neighbours(views)]
    if not views.read:
        return tuple(checks)
    no_head = [*_units(views)] or [*_head(views)]
    if no_head:
        return (*checks, *no_head)
    return (*checks, *_coverage(views), *_brain_level(views), *(_lossy(views) or _contrast(views)))


class _Views:
    """The anatomy of a scan's readable slices, found once for all checks."""

    def __init__(self, scan: Scan) -> None:
        self.scan = scan
        self.read = [i for i, slice_ in enumerate(scan.slices) if slice_.readable]
        self.anatomy = [slice_anatomy(scan.hu[i], scan.pixel_spacing_mm, scan.window) for i in self.read]

    @cached_property
    def heads(self) -> list[int]:
        """Positions in `read` of the slices that show a head."""
        return [k for k, anatomy in enumerate(self.anatomy) if self._shows_head(anatomy)]

    def _shows_head(self, anatomy: SliceAnatomy) -> bool:
        single = self.scan.independent
        cm2 = SINGLE_INSIDE_CM2 if single else INSIDE_CM2
        return (
            anatomy.skull_share >= (SINGLE_SKULL_SHARE if single else SKULL_SHARE)
            and anatomy.inside_share >= (SINGLE_INSIDE_SHARE if single else INSIDE_SHARE)
            and anatomy.cut_share < CUT_SHARE
            and (not anatomy.spacing_known or cm2[0] <= anatomy.inside_cm2 <= cm2[1])
            and not (anatomy.inside_share < INSIDE_SHARE and _brain_hu(anatomy) > BRAIN_HU[1])
        )

    def spread(self, most: int) -> list[int]:
        """Up to `most` of the `heads`, evenly spread."""
        if len(self.heads) <= most:
            return self.heads
        return [self.heads[round(k)] for k in np.linspace(0, len(self.heads) - 1, most)]

    def largest_cm2(self) -> float:
        """The largest section of the skull."""
        return max(self.anatomy[k].inside_cm2 for k in self.heads)


def _neighbours(views: _Views) -> Iterator[Check]:
    if views.scan.independent:
        return
    strange = tuple(views.read[k] for k in np.flatnonzero(misfits([anatomy.hu for anatomy in views.anatomy])))
    if strange:
        named = ", ".join(str(i) for i in strange[:5]) + (" ..." if len(strange) > 5 else "")
        yield Check(
            Reason.SLICE_HU_IMPLAUSIBLE,
            f"{len(strange)} of {len(views.read)} slices differ from their neighbours more than those differ from each "
            f"other (slice {named}).",
            strange,
        )


def _units(views: _Views) -> Iterator[Check]:
    """Values that cannot be HU: no air anywhere."""
    if views.scan.window is not None:
        return
    air = float(np.mean([np.mean(anatomy.hu <= AIR_HU) for anatomy in views.anatomy]))
    if air < AIR_SHARE:
        low, high = int(views.scan.hu.min()), int(views.scan.hu.max())
        yield Check(
            Reason.HU_IMPLAUSIBLE,
            f"The values run from {low} to {high} and only {air:.1%} of them are below -200 HU, where air should be: "
            f"grey levels or stored values, not HU.",
        )


def _head(views: _Views) -> Iterator[Check]:
    found, total = len(views.heads), len(views.read)
    least = max(min(HEAD_SLICES, (total + 1) // 2), HEAD_SLICES_SHARE * total)
    if found >= least:
        return
    best = max(views.anatomy, key=lambda anatomy: anatomy.skull_share * anatomy.inside_share)
    yield Check(
        Reason.NOT_HEAD,
        f"Brain inside a closed skull was found in {found} of {total} slice{'s' if total > 1 else ''}. "
        f"In the most likely one, bone closes {best.skull_share:.0%} of a ring around {_area(best)}.",
    )


def _area(anatomy: SliceAnatomy) -> str:
    """The area within the skull, in cm2 where they are known, and as a share of the slice."""
    share = f"{anatomy.inside_share:.0%} of the body section"
    cut = f", cut off by the picture over {anatomy.cut_share:.0%}" if anatomy.cut_share >= CUT_SHARE else ""
    return (f"{anatomy.inside_cm2:.0f} cm2, {share}" if anatomy.spacing_known else share) + cut


def _coverage(views: _Views) -> Iterator[Check]:
    """Brain that the scan does not show: beyond its ends or its sides."""
    missing = []
    largest = views.largest_cm2()
    if not views.scan.independent:
        for k, name in ((0, "lowest"), (-1, "highest")):
            end = views.anatomy[k]
            if end.skull_share >= SKULL_SHARE and end.inside_cm2 > END_SHARE * largest:
                missing.append(
                    f"its {name} slice still holds {end.inside_cm2 / largest:.0%} of the largest brain section"
                )
    cut = [
        k
        for k, anatomy in enumerate(views.anatomy)
        if anatomy.skull_share >= 0.5 and anatomy.cut_share >= CUT_RAYS_SHARE
    ]
    if len(cut) > CUT_SLICES_SHARE * len(views.heads):
        missing.append(f"the side of the picture cuts the brain off in {len(cut)} slices")
    if missing:
        sentence = " and ".join(missing)
        yield Check(Reason.HEAD_CUT_OFF, f"The scan does not cover the whole brain: {sentence}.")


def _brain_level(views: _Views) -> Iterator[Check]:
    level = float(np.median([_brain_hu(views.anatomy[k]) for k in views.heads]))
    if not BRAIN_HU[0] <= level <= BRAIN_HU[1]:
        yield Check(
            Reason.HU_IMPLAUSIBLE,
            f"What the skull holds has a median of {level:.0f} HU; brain has {BRAIN_HU[0]:.0f} to {BRAIN_HU[1]:.0f}.",
        )


def _brain_hu(anatomy: SliceAnatomy) -> float:
    return float(np.median(anatomy.hu[anatomy.inside]))


def _lossy(views: _Views) -> list[Check]:
    measured = [brain_texture_hu(views.scan.hu[views.read[k]], views.anatomy[k]) for k in views.spread(TEXTURE_SLICES)]
    textures = [texture for texture in measured if texture is not None]
    if not textures or (level := float(np.median(textures))) >= TEXTURE_HU:
        return []
    return [
        Check(
            Reason.LOSSY_STRONG,
            f"Brain varies by {level:.1f} HU about its local mean, far less than in any CT (1.7 HU and more): strong "
            f"compression or smoothing has removed its detail.",
        )
    ]


def _contrast(views: _Views) -> list[Check]:
    """Bright vessels. Not looked for in strongly compressed slices, whose ringing looks like them."""
    if not contrast_visible(views.scan.window):
        return []
    looked_at = views.spread(CONTRAST_SLICES)
    slices = [views.anatomy[k] for k in looked_at]
    found = [vessels(anatomy) for anatomy in slices]
    if not contrast_suspected(found, slices):
        return []
    lengths = np.array(found).sum(axis=1)  # mm, one a slice
    with_vessels = np.flatnonzero(lengths > 0)
    return [
        Check(
            Reason.CONTRAST_SUSPECTED,
            f"Bright vessels inside the skull in {len(with_vessels)} of {len(looked_at)} slices looked at, up to "
            f"{lengths.max():.0f} mm of them in one slice, suggest contrast medium, which looks like blood.",
            tuple(views.read[looked_at[k]] for k in with_vessels),
        )
    ]
