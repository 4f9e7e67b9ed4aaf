"""Spectra of what is not a green canopy: soils, stalks, stone, town, water, snow, petals.

Reflectance at B02 B03 B04 B05 B06 B07 B08 B8A B11 B12. The numbers are our approximations of typical
values in public spectral libraries and Sentinel-2 scenes, rounded; mixtures and noise spread them.
"""

import numpy as np

ENDMEMBERS: dict[str, np.ndarray] = {
    name: np.array(values)
    for name, values in {
        # Dry soils: wetting darkens them, see `wet`.
        "loam": (0.096, 0.135, 0.176, 0.207, 0.228, 0.243, 0.263, 0.278, 0.375, 0.320),
        "chalky soil": (0.140, 0.195, 0.245, 0.275, 0.295, 0.310, 0.330, 0.345, 0.420, 0.365),
        "red soil": (0.065, 0.100, 0.180, 0.215, 0.240, 0.255, 0.270, 0.285, 0.370, 0.310),
        "dark soil": (0.055, 0.075, 0.100, 0.118, 0.132, 0.145, 0.160, 0.170, 0.240, 0.205),
        "peat": (0.030, 0.040, 0.055, 0.066, 0.078, 0.088, 0.100, 0.108, 0.150, 0.115),
        "straw": (0.085, 0.128, 0.175, 0.212, 0.248, 0.275, 0.310, 0.330, 0.410, 0.310),
        "litter": (0.035, 0.052, 0.075, 0.097, 0.125, 0.148, 0.175, 0.190, 0.260, 0.185),
        "asphalt": (0.080, 0.090, 0.100, 0.105, 0.110, 0.115, 0.122, 0.127, 0.155, 0.145),
        "concrete": (0.160, 0.190, 0.220, 0.235, 0.248, 0.255, 0.265, 0.272, 0.310, 0.290),
        "tiles": (0.065, 0.090, 0.155, 0.200, 0.230, 0.250, 0.275, 0.285, 0.320, 0.300),
        "slate": (0.060, 0.065, 0.070, 0.075, 0.080, 0.085, 0.092, 0.095, 0.115, 0.115),
        "metal roof": (0.330, 0.345, 0.355, 0.360, 0.365, 0.370, 0.380, 0.385, 0.380, 0.350),
        "plastic sheet": (0.290, 0.320, 0.335, 0.345, 0.365, 0.380, 0.400, 0.405, 0.370, 0.280),
        "limestone": (0.240, 0.290, 0.335, 0.355, 0.370, 0.380, 0.395, 0.405, 0.440, 0.400),
        "granite": (0.105, 0.125, 0.145, 0.153, 0.160, 0.165, 0.172, 0.178, 0.215, 0.200),
        "dark rock": (0.050, 0.058, 0.066, 0.072, 0.078, 0.082, 0.088, 0.092, 0.125, 0.115),
        "sand": (0.185, 0.245, 0.305, 0.335, 0.355, 0.370, 0.390, 0.400, 0.465, 0.435),
        "wet sand": (0.100, 0.135, 0.170, 0.180, 0.185, 0.188, 0.190, 0.192, 0.180, 0.140),
        "mud": (0.070, 0.090, 0.105, 0.110, 0.112, 0.114, 0.118, 0.120, 0.085, 0.060),
        "salt": (0.380, 0.430, 0.460, 0.470, 0.480, 0.485, 0.490, 0.485, 0.330, 0.220),
        "clear water": (0.032, 0.028, 0.016, 0.012, 0.010, 0.009, 0.008, 0.008, 0.004, 0.003),
        "green water": (0.030, 0.058, 0.030, 0.042, 0.026, 0.026, 0.021, 0.020, 0.006, 0.004),
        "silty water": (0.060, 0.088, 0.080, 0.072, 0.046, 0.046, 0.036, 0.032, 0.010, 0.007),
        "snow": (0.780, 0.790, 0.780, 0.775, 0.770, 0.760, 0.740, 0.730, 0.120, 0.100),
        "ice": (0.520, 0.530, 0.500, 0.480, 0.450, 0.430, 0.400, 0.380, 0.050, 0.045),
        "dirty ice": (0.250, 0.255, 0.250, 0.245, 0.240, 0.232, 0.222, 0.215, 0.070, 0.060),
    }.items()
}
SOILS = ("loam", "chalky soil", "red soil", "dark soil")
WATERS = ("clear water", "green water", "silty water")

# What the ground of a cover is made of: Dirichlet weights of its endmembers. Weights below one make most
# grounds nearly pure, as most fields have one soil; larger ones mix, as a town does in a 10 m pixel.
GROUNDS: dict[str, dict[str, float]] = {
    "soil": {"loam": 1.2, "chalky soil": 0.7, "red soil": 0.3, "dark soil": 0.5},
    "litter": {"litter": 3.0, "loam": 0.3, "dark soil": 0.4},
    "peat": {"peat": 2.0, "dark soil": 0.5, "litter": 0.5},
    "mud": {"mud": 2.0, "wet sand": 0.6, "dark soil": 0.4},
    "town": {"asphalt": 0.7, "concrete": 1.0, "tiles": 1.4, "slate": 0.5, "metal roof": 0.2, "loam": 0.5},
    "road": {"asphalt": 2.0, "concrete": 0.7, "loam": 0.25, "slate": 0.2},
    "greenhouse": {"plastic sheet": 2.0, "metal roof": 0.4, "concrete": 0.4, "loam": 0.3},
    "quarry": {"limestone": 0.8, "granite": 0.7, "sand": 0.6, "chalky soil": 0.4, "dark rock": 0.3},
    "rock": {"granite": 1.0, "limestone": 0.7, "dark rock": 0.8, "chalky soil": 0.15},
    "sand": {"sand": 2.5, "wet sand": 0.4, "chalky soil": 0.2},
    "salt": {"salt": 0.7, "mud": 0.9, "wet sand": 0.5, "sand": 0.3},
    "lake": {"clear water": 1.0, "green water": 0.8, "silty water": 0.3},
    "river": {"clear water": 0.6, "green water": 0.7, "silty water": 0.9},
    "glacier": {"ice": 0.8, "dirty ice": 0.7, "dark rock": 0.15},
}
# Grounds that darken when wet; water, ice, roofs and roads keep their look.
WETTED_GROUNDS = ("soil", "litter", "peat", "quarry", "sand", "rock")

# Share of dry reflectance lost in saturated soil, growing with the water absorption bands.
_WET_LOSS = np.array([0.42, 0.44, 0.46, 0.46, 0.46, 0.46, 0.46, 0.46, 0.56, 0.62])

PETALS: dict[str, np.ndarray] = {
    "yellow": np.array([0.06, 0.34, 0.32, 0.46, 0.52, 0.55, 0.58, 0.58, 0.28, 0.15]),
    "white": np.array([0.38, 0.44, 0.44, 0.48, 0.54, 0.57, 0.60, 0.60, 0.32, 0.20]),
    "blue": np.array([0.22, 0.17, 0.19, 0.34, 0.48, 0.53, 0.57, 0.57, 0.27, 0.15]),
    "mixed": np.array([0.14, 0.24, 0.26, 0.38, 0.50, 0.54, 0.57, 0.57, 0.28, 0.16]),
}


def wet(dry: np.ndarray, wetness: np.ndarray) -> np.ndarray:
    """Darkens dry ground (..., 10) by its moisture (...), 0 dry to 1 saturated."""
    return np.asarray(dry * (1 - wetness[..., None] * _WET_LOSS))


def draw_mixture(kind: str, num_points: int, rng: np.random.Generator) -> np.ndarray:
    """Draws ground spectra of a kind listed in `GROUNDS`, (num_points, 10)."""
    recipe = GROUNDS[kind]
    shares = rng.dirichlet(tuple(recipe.values()), num_points)
    spectra = shares @ np.stack([ENDMEMBERS[name] for name in recipe])
    brightness = np.exp(rng.normal(0, 0.16, (num_points, 1)))
    tilt = rng.normal(0, 0.06, (num_points, 1)) * np.linspace(-1, 1, spectra.shape[1])
    return np.asarray(spectra * brightness * (1 + tilt))
