"""The land covers that the simulator knows, each with the LUCAS land-cover codes it stands for.

Codes are LUCAS 2018 LC1 (Eurostat, *LUCAS 2018 Technical reference document C3*). Every LC1 code of the
survey belongs to exactly one cover, so that a caption can name every class of the survey; codes whose
fields look alike from space and from the roadside share a cover.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class SimulatedClass:
    """One land cover of the simulator.

    Attributes:
        name: key used all over the simulator, in plain lower-case words.
        lc1: LUCAS LC1 codes that this cover stands for; the first is the one written on its points.
        share: relative frequency among simulated points (normalised over all classes).
    """

    name: str
    lc1: tuple[str, ...]
    share: float = 1.0


SIMULATED_CLASSES: tuple[SimulatedClass, ...] = (
    SimulatedClass("buildings", ("A11", "A12"), 2.0),
    SimulatedClass("greenhouses", ("A13",), 0.5),
    SimulatedClass("roads", ("A21", "A22"), 1.0),
    SimulatedClass("quarry", ("A30",), 0.5),
    SimulatedClass("wheat", ("B11", "B12"), 2.5),
    SimulatedClass("barley", ("B13",), 1.5),
    SimulatedClass("rye", ("B14", "B18", "B19", "B54"), 0.8),
    SimulatedClass("oats", ("B15",), 0.8),
    SimulatedClass("maize", ("B16",), 2.5),
    SimulatedClass("rice", ("B17",), 1.0),
    SimulatedClass("potatoes", ("B21",), 1.2),
    SimulatedClass("sugar beet", ("B22", "B23"), 1.2),
    SimulatedClass("sunflower", ("B31",), 1.8),
    SimulatedClass("rapeseed", ("B32",), 1.8),
    SimulatedClass("soya", ("B33",), 1.2),
    SimulatedClass("cotton", ("B34",), 0.5),
    SimulatedClass("flax", ("B35", "B37"), 0.6),
    SimulatedClass("tobacco", ("B36",), 0.4),
    SimulatedClass("peas and beans", ("B41",), 1.2),
    SimulatedClass("vegetables", ("B42", "B43", "B44", "B45"), 0.8),
    SimulatedClass("clover and lucerne", ("B51", "B52", "B53"), 0.7),
    SimulatedClass("temporary grassland", ("B55", "BX1"), 1.0),
    SimulatedClass("orchard", ("B71", "B72", "B73", "B74", "B75", "B83", "BX2"), 1.0),
    SimulatedClass("citrus", ("B76", "B77"), 0.6),
    SimulatedClass("olive grove", ("B81", "B84"), 1.0),
    SimulatedClass("vineyard", ("B82",), 1.2),
    SimulatedClass("broadleaved woodland", ("C10",), 2.0),
    SimulatedClass("spruce woodland", ("C21", "C23"), 1.2),
    SimulatedClass("pine woodland", ("C22",), 1.2),
    SimulatedClass("mixed woodland", ("C31", "C32", "C33"), 1.0),
    SimulatedClass("shrubland", ("D10", "D20"), 1.2),
    SimulatedClass("grassland", ("E10", "E20"), 2.5),
    SimulatedClass("fallow", ("E30",), 0.8),
    SimulatedClass("rocks", ("F10", "F30"), 0.8),
    SimulatedClass("sand", ("F20",), 0.8),
    SimulatedClass("bare soil", ("F40",), 0.8),
    SimulatedClass("lake", ("G11", "G12", "G30"), 1.0),
    SimulatedClass("river", ("G21", "G22"), 0.7),
    SimulatedClass("glacier", ("G50",), 0.5),
    SimulatedClass("marsh", ("H11", "H21"), 0.8),
    SimulatedClass("peatbog", ("H12",), 0.7),
    SimulatedClass("salt flat", ("H22", "H23"), 0.5),
)

CLASS_NAMES: tuple[str, ...] = tuple(cover.name for cover in SIMULATED_CLASSES)
