"""Check HDF5 files, NetCDF-4 among them: nothing in another file, no plugins, nothing absurd, nothing without end."""

from pathlib import Path

from ..extras import needs_extra
from . import watching
from .kinds import HDF5, kind_of
from .limits import Limits, check_count


def check_hdf5(path: Path, limits: Limits) -> None:
    """Check all of a file; raise `ValueError` of the first entry that must not be read."""
    names = list_entries(path, limits)
    check_count(path.name, len(names), limits.variables, "variables")
    if faults := watching.check_entries(path, [watching.ROOT, *names], limits):
        raise ValueError(next(iter(faults.values())))


def list_entries(path: Path, limits: Limits) -> list[str]:
    """List the entries at the root of an HDF5 file.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is another kind of file, too large or damaged, or begins with a block of foreign bytes.
    """
    with needs_extra("data"):
        import h5py  # noqa: F401 (the process that walks needs it, and could not say so)
    if (kind := kind_of(path)) != HDF5:
        raise ValueError(f"{path.name} is no HDF5 file but {kind}, whatever its name says: fetch or convert it.")
    check_count(path.name, path.stat().st_size, limits.file_bytes, "bytes")
    return watching.list_entries(path, limits)
