"""What of a head one slice shows: the skull, the inside of it, and how far it is closed.

Rays from the middle of the largest patch of soft tissue look for bone. In a head they cross nothing but brain and end
all around on the skull; in a neck, chest or abdomen most of them cross fat or air first or leave the body. Rays bridge
what a flood fill runs out of: open sutures, burr holes, craniotomies, the gaps of the skull base. Everything is
measured on a copy of the slice reduced to about 1.6 mm, which is a millisecond of work.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from hemoscope.ct.windows import Window

PIXEL_MM = 1.6  # aimed at; the picture is reduced by a whole number, so that 0.49 mm become 1.46 mm
UNKNOWN_WIDTH_MM = 240.0  # of the picture, where the pixel spacing is unknown: the usual field of view of a head scan
RAYS = 72  # one every 5 degrees
RAY_LENGTH_MM = 160.0  # longer than any way through a brain, also from a middle that lies in one half of it

# Calvaria is 300...1500 HU; 150 still finds the 1 to 2 mm of an infant. No bleeding and few vessels reach it.
BONE_HU = 150.0
BONE_SHARE = 0.3  # of a reduced pixel
# In pictures that end below 150 HU, bone is what is white; JPEG noise is about 1% of the window.
WHITE_SHARE = 0.03
# Bone smaller than this inside the head is calcification, a drain or part of the skull base, and stops no ray.
WALL_CM2 = 3.0
SOFT_HU = (0.0, 100.0)  # CSF, brain, blood
PATH_HU = (-30.0, 110.0)  # a ray also crosses noise and beam hardening
PATH_SHARE = 0.8  # of a ray must be like that, up to the bone
AIR_HU = -199.0  # the reduced copy is clipped at -200 HU
OPENING_PIXELS = 5  # cuts bridges of soft tissue narrower than 8 mm
DEEP_MM = 6.0  # the middle is at least so far from the rim of the soft tissue


@dataclass(frozen=True, eq=False)
class SliceAnatomy:
    """The anatomy of one slice, on a reduced grid of square pixels.

    hu: reduced HU [row, column], clipped to -200...300; pixel_mm: side of its pixels, nominal where `spacing_known` is
    False. wall: large bones. skull_share: of all rays, those that end on bone having crossed brain-like tissue only;
    cut_share: those that leave the picture before they meet bone. inside_cm2: area within the skull; head_cm2: area of
    the whole head or body with skin; both from nominal pixels where the spacing is unknown.
    """

    hu: NDArray[np.int16]
    pixel_mm: float
    spacing_known: bool
    wall: NDArray[np.bool_]
    middle: tuple[float, float]  # column, row
    ray_pixels: NDArray[np.float64]  # [RAYS], length to the bone
    on_skull: NDArray[np.bool_]  # [RAYS]
    skull_share: float
    cut_share: float
    inside_cm2: float
    head_cm2: float

    @property
    def inside_share(self) -> float:
        """The area within the skull as a share of the head's: 0.6 to 0.9 at mid brain, up to 0.1 in other bodies.

        In pictures that begin above -50 HU the fat of the scalp is black and does not count: there it is 0.1 larger.
        """
        return self.inside_cm2 / self.head_cm2 if self.head_cm2 else 0.0

    @cached_property
    def inside(self) -> NDArray[np.bool_]:
        """The inside of the skull [row, column]; missing bone is bridged from its edges."""
        mask = np.zeros(self.hu.shape, np.uint8)
        if self.on_skull.any():
            rays = np.arange(RAYS)
            length = np.interp(rays, rays[self.on_skull], self.ray_pixels[self.on_skull], period=RAYS)
            angle = 2 * np.pi * rays / RAYS
            outline = np.stack((np.cos(angle), np.sin(angle)), axis=1) * length[:, None] + self.middle
            cv2.fillPoly(mask, [np.rint(outline).astype(np.int32)], 1)
        return mask.astype(np.bool_) & ~self.wall

    def depth_inside(self, margin_mm: float) -> NDArray[np.bool_]:
        """The inside of the skull without its outer `margin_mm`."""
        # The ring of zeros makes the border of the picture a rim as well.
        eroded = cv2.erode(self.inside.astype(np.uint8), disc(margin_mm / self.pixel_mm), borderValue=0)
        return eroded.astype(np.bool_)


def disc(radius_pixels: float) -> NDArray[np.uint8]:
    """A round structuring element, at least 3 x 3 pixels."""
    side = 2 * max(1, round(radius_pixels)) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), np.uint8)


def slice_anatomy(
    hu: NDArray[np.int16], pixel_spacing_mm: tuple[float, float] | None, window: Window | None
) -> SliceAnatomy:
    """Find the skull and what it holds.

    hu: HU [row, column]; pixel_spacing_mm: (row, column) or None; window: that the HU were restored from, or None for
    true HU. A slice without soft tissue has all shares and areas 0.
    """
    reduced, bone, pixel_mm = _reduce(hu, pixel_spacing_mm, window)
    floor = window.low if window else -1024.0
    wall = _large_parts(bone, WALL_CM2 * 100 / pixel_mm**2)
    soft = (reduced > max(SOFT_HU[0], floor + 1)) & (reduced < SOFT_HU[1]) & ~wall
    middle = _middle(soft, DEEP_MM / pixel_mm)
    length, on_skull, cut = _cast_rays(reduced, wall, middle, floor, pixel_mm)
    return SliceAnatomy(
        hu=reduced,
        pixel_mm=pixel_mm,
        spacing_known=pixel_spacing_mm is not None,
        wall=wall,
        middle=middle or (0.0, 0.0),
        ray_pixels=length,
        on_skull=on_skull,
        skull_share=float(on_skull.mean()),
        cut_share=float(cut.mean()),
        inside_cm2=float((length[on_skull] ** 2).sum() * np.pi / RAYS * pixel_mm**2 / 100),
        head_cm2=_largest_area(reduced > max(AIR_HU, floor + 8)) * pixel_mm**2 / 100,
    )


def _reduce(
    hu: NDArray[np.int16], spacing: tuple[float, float] | None, window: Window | None
) -> tuple[NDArray[np.int16], NDArray[np.bool_], float]:
    """Average to about PIXEL_MM: (HU clipped to -200...300, where bone is, pixel side in mm)."""
    row_mm, column_mm = spacing or (UNKNOWN_WIDTH_MM / max(hu.shape),) * 2
    if abs(row_mm - column_mm) > 0.01 * column_mm:
        square = (hu.shape[1], max(1, round(hu.shape[0] * row_mm / column_mm)))
        hu = np.asarray(cv2.resize(hu, square), np.int16)
    by = max(1, min(round(PIXEL_MM / column_mm), *hu.shape))
    rows, columns = hu.shape[0] // by, hu.shape[1] // by
    part = hu[: rows * by, : columns * by]
    bone_hu = min(BONE_HU, window.high - WHITE_SHARE * window.width) if window else BONE_HU
    bone = (part > bone_hu).astype(np.uint8) * 255
    shares = cv2.resize(bone, (columns, rows), interpolation=cv2.INTER_AREA)
    reduced = cv2.resize(np.clip(part, -200, 300), (columns, rows), interpolation=cv2.INTER_AREA)
    return np.asarray(reduced, np.int16), np.asarray(shares > 255 * BONE_SHARE, np.bool_), column_mm * by


def _large_parts(mask: NDArray[np.bool_], pixels: float) -> NDArray[np.bool_]:
    """The connected parts of at least so many pixels."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    keep = stats[:, cv2.CC_STAT_AREA] >= pixels
    keep[0] = False
    return np.asarray(keep[labels], np.bool_)


def _largest_area(mask: NDArray[np.bool_]) -> float:
    """Pixels of the largest connected part, without thin bridges to a head holder or table."""
    opened = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, disc(1))
    stats = cv2.connectedComponentsWithStats(opened, connectivity=4)[2]
    return float(stats[1:, cv2.CC_STAT_AREA].max(initial=0))


def _middle(soft: NDArray[np.bool_], deep_pixels: float) -> tuple[float, float] | None:
    """A point (column, row) well inside the largest patch of soft tissue: its centroid, else its deepest point."""
    opened = cv2.morphologyEx(
        soft.astype(np.uint8), cv2.MORPH_OPEN, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (OPENING_PIXELS,) * 2)
    )
    count, labels, stats, centroids = cv2.connectedComponentsWithStats(opened, connectivity=4)
    if count < 2:
        return None
    largest = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    left, top, width, height, _ = stats[largest]
    patch = np.pad((labels[top : top + height, left : left + width] == largest).astype(np.uint8), 1)
    depth = cv2.distanceTransform(patch, cv2.DIST_L2, 3)
    column, row = centroids[largest]
    if depth[round(row) - top + 1, round(column) - left + 1] >= deep_pixels:
        return float(column), float(row)
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    return float(column + left - 1), float(row + top - 1)


def _cast_rays(
    hu: NDArray[np.int16],
    wall: NDArray[np.bool_],
    middle: tuple[float, float] | None,
    floor: float,
    pixel_mm: float,
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]:
    """Follow the rays: (length in pixels to bone, border or end; ended on skull; left the picture), each [RAYS]."""
    nothing = np.zeros(RAYS, np.bool_)
    if middle is None:
        return np.zeros(RAYS), nothing, nothing
    outside, other, brain, bone = 0, 1, 2, 3
    kind = np.full(hu.shape, other, np.uint8)
    kind[(hu > max(PATH_HU[0], floor)) & (hu < PATH_HU[1])] = brain
    kind[wall] = bone
    reach = int(RAY_LENGTH_MM / pixel_mm)
    flags = cv2.WARP_POLAR_LINEAR | cv2.INTER_NEAREST | cv2.WARP_FILL_OUTLIERS
    polar = cv2.warpPolar(kind, (reach, RAYS), middle, reach, flags)  # [ray, distance]
    to_bone = _first(polar == bone)
    to_border = _first(polar == outside)
    length = np.minimum(to_bone, to_border)
    crossed = np.cumsum(polar == brain, axis=1)[np.arange(RAYS), np.maximum(length - 1, 0)]
    through_brain = crossed > PATH_SHARE * np.maximum(length, 1)
    # A ray of under DEEP_MM started beside bone and says nothing about a closed ring.
    on_skull = (to_bone < np.minimum(to_border, reach)) & through_brain & (length * pixel_mm >= DEEP_MM)
    return length.astype(np.float64), on_skull, (to_border < to_bone) & through_brain


def _first(mask: NDArray[np.bool_]) -> NDArray[np.intp]:
    """The first True of each row, or the row's length."""
    return np.asarray(np.where(mask.any(axis=1), mask.argmax(axis=1), mask.shape[1]), np.intp)
