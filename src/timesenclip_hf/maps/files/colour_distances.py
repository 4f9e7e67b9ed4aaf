"""Measure how far colours lie apart, for people of whatever colour vision."""

import numpy as np

# Machado, Oliveira and Fernandes (2009), IEEE TVCG 15:1291, severity 1.0: what a dichromat sees, of linear sRGB.
DEFICIENCIES = {
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "tritanopia": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}
# IEC 61966-2-1: linear sRGB to CIE XYZ, and its white, D65.
_TO_XYZ = ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750), (0.0193339, 0.1191920, 0.9503041))
_WHITE = np.sum(_TO_XYZ, axis=1)
# CIE 15: where the cube root of CIELAB becomes a line.
_EPSILON, _KAPPA = 216 / 24389, 24389 / 27
# In which the four views stand: normal vision, then the deficiencies.
_VIEWS = np.stack([np.eye(3), *map(np.asarray, DEFICIENCIES.values())])


def seen(colours: np.ndarray) -> np.ndarray:
    """Return CIELAB (4, colours, 3) of sRGB colours (colours, 3), 0 to 255: as all see them, then each deficiency."""
    srgb = np.asarray(colours, dtype=np.float64).reshape(-1, 3) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    xyz = (linear @ _VIEWS.swapaxes(1, 2)).clip(0, 1) @ np.asarray(_TO_XYZ).T / _WHITE
    roots = np.where(xyz > _EPSILON, np.cbrt(xyz), (_KAPPA * xyz + 16) / 116)
    x, y, z = np.moveaxis(roots, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def smallest_distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return CIEDE2000 (first, second) between colours as [`seen`] gives them, the smallest of the four views."""
    distances: np.ndarray = ciede2000(first[:, :, None], second[:, None]).min(axis=0)
    return distances


def ciede2000(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return CIEDE2000 between CIELAB colours (..., 3), by Sharma, Wu and Dalal (2005), Color Res. Appl. 30:21."""
    (light1, a1, b1), (light2, a2, b2) = (np.moveaxis(np.asarray(each, np.float64), -1, 0) for each in (first, second))
    chroma7 = ((np.hypot(a1, b1) + np.hypot(a2, b2)) / 2) ** 7
    stretch = 1.5 - 0.5 * np.sqrt(chroma7 / (chroma7 + 25.0**7))
    a1, a2 = a1 * stretch, a2 * stretch
    chroma1, chroma2 = np.hypot(a1, b1), np.hypot(a2, b2)
    hue1, hue2 = np.degrees(np.arctan2(b1, a1)) % 360, np.degrees(np.arctan2(b2, a2)) % 360
    grey = chroma1 * chroma2 == 0  # a grey has no hue
    turn = np.where(grey, 0, (hue2 - hue1 + 180) % 360 - 180)
    hue = np.where(grey, hue1 + hue2, (hue1 + turn / 2) % 360)
    light, chroma = (light1 + light2) / 2, (chroma1 + chroma2) / 2
    weight = 1 - 0.17 * _cosine(hue - 30) + 0.24 * _cosine(2 * hue) + 0.32 * _cosine(3 * hue + 6)
    weight -= 0.20 * _cosine(4 * hue - 63)
    d_light = (light2 - light1) / (1 + 0.015 * (light - 50) ** 2 / np.sqrt(20 + (light - 50) ** 2))
    d_chroma = (chroma2 - chroma1) / (1 + 0.045 * chroma)
    d_hue = 2 * np.sqrt(chroma1 * chroma2) * np.sin(np.radians(turn / 2)) / (1 + 0.015 * chroma * weight)
    bend = -2 * np.sqrt(chroma**7 / (chroma**7 + 25.0**7))
    bend = bend * np.sin(np.radians(60 * np.exp(-(((hue - 275) / 25) ** 2))))
    return np.asarray(np.sqrt((d_light**2 + d_chroma**2 + d_hue**2 + bend * d_chroma * d_hue).clip(0)))


def _cosine(degrees: np.ndarray) -> np.ndarray:
    return np.asarray(np.cos(np.radians(degrees)))
