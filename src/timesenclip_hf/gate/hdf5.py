"""Check HDF5 files, NetCDF-4 among them: nothing in another file, no plugins, nothing absurd, nothing without end."""

from pathlib import Path

from ..extras import needs_extra
from .limits import Limits
from .watching import ROOT, check_entries, list_entries


def check_hdf5(path: Path, limits: Limits) -> None:
    """Check the whole of a file; raise `ValueError` of the first entry that must not be read."""
    with needs_extra("data"):
        import h5py  # noqa: F401 (the process that walks needs it, and could not say so)
    names = list_entries(path, limits)
    if faults := check_entries(path, [ROOT, *names], limits):
        raise ValueError(next(iter(faults.values())))
