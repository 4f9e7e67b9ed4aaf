"""Compute the reflectance of leaves and plant canopies at the ten Sentinel-2 bands, in plain numpy.

Leaves follow the PROSPECT generalised plate model (Jacquemoud & Baret 1990, Remote Sens. Environ. 34:75;
Feret et al. 2008, Remote Sens. Environ. 112:3030), evaluated straight at the bands with band-effective
constants. Canopies follow four-stream SAIL in closed form for a nadir view (Verhoef 1984, Remote Sens.
Environ. 16:125; Verhoef et al. 2007, IEEE TGRS 45:1808) with ellipsoidal leaf angles (Campbell 1990,
Agric. For. Meteorol. 49:173) and Kuusk's hot spot.

Written by hand, because the packages that have these models run one canopy at a time over 2,101 wavelengths, where the
simulator needs millions of canopies at ten bands; a development test holds the figures against `prosail`'s.

Band order everywhere: B02 B03 B04 B05 B06 B07 B08 B8A B11 B12. Reflectances are fractions of one.
"""

import numpy as np

from .reading import read_table

NUM_BANDS = 10
Array = np.ndarray

_TABLE = read_table("bands")
_REFRACTIVE_INDEX = np.array(_TABLE["refractive_index"])
# Rows: chlorophyll, carotenoids, brown pigment, water, dry matter.
_ABSORPTION = np.array(list(_TABLE["absorption"].values()))
_DIFFUSE_SHARE = np.array(_TABLE["diffuse_share"])
# Below this the two eigenvalues of the diffuse streams meet and the closed form loses its digits.
_SMALLEST_EIGENVALUE_SQUARED = 1e-8


def _unit_gauss_nodes(num_nodes: int) -> tuple[Array, Array]:
    nodes, weights = np.polynomial.legendre.leggauss(num_nodes)
    return (nodes + 1) / 2, weights / 2


def _mean_interface_transmittance(largest_angle: float) -> Array:
    """Average Fresnel's transmissivity of unpolarised light over a cone of incidence, per band."""
    nodes, weights = _unit_gauss_nodes(64)
    angle = nodes * np.radians(largest_angle)
    index = _REFRACTIVE_INDEX[:, None]
    inside = np.sqrt(1 - (np.sin(angle) / index) ** 2)
    across = ((np.cos(angle) - index * inside) / (np.cos(angle) + index * inside)) ** 2
    along = ((index * np.cos(angle) - inside) / (index * np.cos(angle) + inside)) ** 2
    weights = weights * np.sin(angle) * np.cos(angle)
    return np.asarray((1 - (across + along) / 2) @ weights / weights.sum())


# 2 E3(k), the transmittance of an absorbing layer for isotropic light; dense near zero, where leaves live.
_LAYER_ABSORPTION = np.linspace(0, 1, 2001) ** 2 * 12
_COSINE, _COSINE_WEIGHTS = _unit_gauss_nodes(64)
_LAYER_TRANSMITTANCE = 2 * np.exp(-_LAYER_ABSORPTION[:, None] / _COSINE) @ (_COSINE_WEIGHTS * _COSINE)
_FIRST_ENTRY = _mean_interface_transmittance(40.0)
_DIFFUSE_ENTRY = _mean_interface_transmittance(90.0)
_LEAF_ANGLE_NODES, _LEAF_ANGLE_WEIGHTS = _unit_gauss_nodes(6)
_DEPTH_NODES, _DEPTH_WEIGHTS = _unit_gauss_nodes(8)


def leaf_optics(
    layers: Array, chlorophyll: Array, carotenoids: Array, brown: Array, water: Array, dry_matter: Array
) -> tuple[Array, Array]:
    """Compute reflectance and transmittance of leaves, each (N, 10).

    Args:
        layers: structure parameter N, from 1 (compact) to about 3, (N,).
        chlorophyll: micrograms per cm2, (N,).
        carotenoids: micrograms per cm2, (N,).
        brown: brown pigments, 0 (fresh) to about 1, (N,).
        water: equivalent water thickness in cm, (N,).
        dry_matter: g per cm2, (N,).
    """
    layers = np.asarray(layers, dtype=np.float64)[:, None]
    content = np.stack([chlorophyll, carotenoids, brown, water, dry_matter], axis=1)
    inner = np.interp(content @ _ABSORPTION / layers, _LAYER_ABSORPTION, _LAYER_TRANSMITTANCE)
    exit_transmittance = _DIFFUSE_ENTRY / _REFRACTIVE_INDEX**2
    exit_reflectance = 1 - exit_transmittance
    bounces = inner / (1 - (exit_reflectance * inner) ** 2)

    first_t = _FIRST_ENTRY * exit_transmittance * bounces
    first_r = 1 - _FIRST_ENTRY + exit_reflectance * inner * first_t
    t = _DIFFUSE_ENTRY * exit_transmittance * bounces
    r = 1 - _DIFFUSE_ENTRY + exit_reflectance * inner * t

    # Stokes' solution for the remaining N - 1 layers; a layer that absorbs nothing has its own limit.
    delta = np.sqrt(np.maximum((1 + r + t) * (1 + r - t) * (1 - r + t) * (1 - r - t), 0))
    a = (1 + r**2 - t**2 + delta) / (2 * r)
    b_power = ((1 - r**2 + t**2 + delta) / (2 * t)) ** (layers - 1)
    determinant = a**2 * b_power**2 - 1
    lossless = (r + t > 1 - 1e-6) | (determinant < 1e-9)
    determinant = np.where(lossless, 1.0, determinant)
    rest_t = np.where(lossless, t / (t + (1 - t) * (layers - 1)), b_power * (a**2 - 1) / determinant)
    rest_r = np.where(lossless, 1 - rest_t, a * (b_power**2 - 1) / determinant)
    between = 1 - rest_r * r
    return first_r + first_t * rest_r * t / between, first_t * rest_t / between


def _leaf_angle_means(mean_angle: Array, sun: Array) -> tuple[Array, ...]:
    """Average SAIL's geometric factors over the leaf angles of a nadir-viewed canopy.

    Returns:
        Extinction of the sun beam, extinction along the view, mean squared cosine of the leaf angle,
        and the back- and forward-scattering weights of the sun beam into the view, each (M,).
    """
    # Campbell's axis ratio of the ellipsoid from the mean leaf angle in degrees.
    ratio = np.exp(-1.6184e-5 * mean_angle**3 + 2.1145e-3 * mean_angle**2 - 0.1239 * mean_angle + 3.2491)
    leaf = _LEAF_ANGLE_NODES * np.pi / 2
    cos_leaf, sin_leaf = np.cos(leaf), np.sin(leaf)
    density = sin_leaf / (cos_leaf**2 + (ratio[:, None] * sin_leaf) ** 2) ** 2 * _LEAF_ANGLE_WEIGHTS
    density /= density.sum(axis=1, keepdims=True)

    cos_sun = np.cos(sun)[:, None]
    c, s = cos_leaf * cos_sun, sin_leaf * np.sin(sun)[:, None]
    turn = np.arccos(np.clip(-c / np.maximum(s, 1e-9), -1, 1))
    swing = np.sin(turn) * s
    sun_extinction = 2 / np.pi * ((turn - np.pi / 2) * c + swing) / cos_sun
    back = np.maximum(cos_leaf * (turn * c + swing), 0) / (np.pi * cos_sun)
    forward = np.maximum(cos_leaf * ((turn - np.pi) * c + swing), 0) / (np.pi * cos_sun)

    sun_extinction, back, forward = ((values * density).sum(axis=1) for values in (sun_extinction, back, forward))
    return sun_extinction, density @ cos_leaf, density @ cos_leaf**2, back, forward


def _beam_and_decay(k: Array, m: Array, lai: Array) -> Array:
    """Integrate a beam (k) against a decaying stream (m), with the limit where the two rates meet."""
    gap = (k - m) * lai
    beam, stream = np.exp(-k * lai), np.exp(-m * lai)
    close = np.abs(gap) < 1e-3
    apart = (stream - beam) / np.where(close, 1.0, k - m)
    return np.asarray(np.where(close, 0.5 * lai * (beam + stream) * (1 - gap**2 / 12), apart))


def _hot_spot(k_sun: Array, k_view: Array, lai: Array, size: Array, sun: Array) -> tuple[Array, Array]:
    """Average over depth, and take at the ground, the chance to be sunlit and seen, each (M, 1)."""
    shape = np.clip(np.tan(sun)[:, None] / size[:, None] * 2 / (k_sun + k_view), 1e-3, 200)

    def both_clear(depth: Array | float) -> Array:
        shared = np.sqrt(k_sun * k_view) * (1 - np.exp(-shape * depth)) / shape
        return np.asarray(np.exp(lai * (shared - (k_sun + k_view) * depth)))

    return (both_clear(_DEPTH_NODES) @ _DEPTH_WEIGHTS)[:, None], both_clear(1.0)


def canopy_reflectance(
    leaf_reflectance: Array, leaf_transmittance: Array, lai: Array, leaf_angle: Array, hot_spot_size: Array,
    sun_zenith: Array, background: Array,
) -> Array:  # fmt: skip
    """Compute the nadir reflectance of canopies over a background, (M, 10).

    Args:
        leaf_reflectance: of the leaves, (M, 10).
        leaf_transmittance: of the leaves, (M, 10).
        lai: leaf area index, m2 of leaf per m2 of ground, (M,).
        leaf_angle: mean leaf inclination in degrees, 0 flat to 90 upright, (M,).
        hot_spot_size: leaf width over canopy height, (M,).
        sun_zenith: degrees, (M,).
        background: reflectance of what lies below the canopy, (M, 10).
    """
    sun = np.radians(sun_zenith)
    k_sun, k_view, cos2, sun_back, sun_forward = (factor[:, None] for factor in _leaf_angle_means(leaf_angle, sun))
    lai = np.maximum(lai, 1e-6)[:, None]
    r, t, ground = leaf_reflectance, leaf_transmittance, background

    half_sum, half_difference = (r + t) / 2, (r - t) / 2 * cos2
    backscatter = half_sum + half_difference
    attenuation = 1 - half_sum + half_difference
    sun_b, sun_f = k_sun * half_sum + half_difference, k_sun * half_sum - half_difference
    view_b, view_f = k_view * half_sum + half_difference, k_view * half_sum - half_difference

    m = np.sqrt(np.maximum(attenuation**2 - backscatter**2, _SMALLEST_EIGENVALUE_SQUARED))
    deep = (attenuation - m) / backscatter  # reflectance of an endlessly deep canopy
    decay = np.exp(-m * lai)
    once = deep * decay
    closure = 1 - once**2
    j1_sun, j1_view = (_beam_and_decay(k, m, lai) for k in (k_sun, k_view))
    # A beam against a growing stream.
    j2_sun, j2_view = ((1 - np.exp(-(k + m) * lai)) / (k + m) for k in (k_sun, k_view))
    sun_down, sun_up = (sun_f + sun_b * deep) * j1_sun, (sun_f * deep + sun_b) * j2_sun
    view_down, view_up = (view_f + view_b * deep) * j1_view, (view_f * deep + view_b) * j2_view

    r_dd, t_dd = deep * (1 - decay**2) / closure, (1 - deep**2) * decay / closure
    t_sd = (sun_down - once * sun_up) / closure
    r_do, t_do = (view_up - once * view_down) / closure, (view_down - once * view_up) / closure
    t_ss, t_oo = np.exp(-k_sun * lai), np.exp(-k_view * lai)

    both = (1 - t_ss * t_oo) / (k_sun + k_view)
    up_then_seen = (view_f * deep + view_b) * (both - j1_sun * t_oo) / (k_view + m)
    down_then_seen = (view_f + view_b * deep) * (both - j1_view * t_ss) / (k_sun + m)
    many = up_then_seen * (sun_f + sun_b * deep) + down_then_seen * (sun_f * deep + sun_b)
    many = (many - (r_do * sun_up + t_do * sun_down) * deep) / (1 - deep**2)
    seen_sunlit, ground_seen_sunlit = _hot_spot(k_sun, k_view, lai, hot_spot_size, sun)
    single = (sun_back * r + sun_forward * t) * lai * seen_sunlit

    trapped = 1 - ground * r_dd
    from_ground = ((t_ss + t_sd) * t_do + (t_sd + t_ss * ground * r_dd) * t_oo) * ground / trapped
    direct = single + many + ground_seen_sunlit * ground + from_ground
    diffuse = r_do + t_dd * ground * (t_do + t_oo) / trapped
    return np.asarray(direct + _DIFFUSE_SHARE * (diffuse - direct))
