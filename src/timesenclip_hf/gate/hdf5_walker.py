"""Walk through an HDF5 file before anything else opens it, in a process of its own, which may be ended.

`watching.py` starts this module without the rest of the package. It answers a line of JSON for each object that it
is about to read, so that an object that HDF5 never comes to the end of is known by its name.
"""

import json
import math
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..extras import needs_extra
from .limits import Limits, check_count, check_declared
from .watching import ROOT, walk_by

with needs_extra("data"):
    import h5py
    from h5py import h5a, h5d, h5i, h5l, h5o, h5t, h5z

# gzip, shuffle, fletcher32, szip, nbit, scale-offset, and LZF, which h5py brings; HDF5 loads all others as plugins.
FILTERS = {h5z.FILTER_DEFLATE, h5z.FILTER_SHUFFLE, h5z.FILTER_FLETCHER32, h5z.FILTER_SZIP, 5, 6, 32000}
# Attributes by which variables name their axes: the only references, and to objects of the same file.
AXES = {"DIMENSION_LIST", "REFERENCE_LIST"}
MEMBERS = 256  # fields of a compound type
STEPS_PER_SIGN = 1_000  # objects and chunks between two signs of life
MEMORY = 3 * 2**30
_PLAIN_TYPES = {h5t.INTEGER, h5t.FLOAT, h5t.STRING, h5t.BITFIELD, h5t.ENUM}
_LINKS = {h5l.TYPE_SOFT: "a soft link", h5l.TYPE_EXTERNAL: "a link to another file"}


class Walk:
    """Check the objects of an open file one by one, and count what they declare."""

    def __init__(self, file: Any, path: Path, limits: Limits, beat: Callable[[], None]) -> None:
        self.file, self.name, self.size, self.limits = file, path.name, path.stat().st_size, limits
        self.beat = beat
        self.seen: set[int] = set()  # addresses in this file, as links to others are refused
        self.values = self.declared = self.objects = self.steps = 0
        if file.id.get_create_plist().get_userblock():
            raise ValueError(f"{self.name} begins with a block of foreign bytes: save it again with h5repack.")

    def names(self) -> list[str]:
        """List the entries of the root."""
        return [name.decode("utf-8", "surrogateescape") for name in self.file.id]

    def check(self, name: str) -> None:
        """Check the root ("/") or an entry of it with everything below; raise `ValueError` of what is refused."""
        if name == ROOT:
            self._check_attributes(self.file.id, ROOT)
        else:
            self._check_link(self.file.id, name.encode("utf-8", "surrogateescape"), f"/{name}", 1)

    def _check_link(self, parent: Any, name: bytes, path: str, depth: int) -> None:
        link = parent.links.get_info(name)
        if link.type != h5l.TYPE_HARD:
            kind = _LINKS.get(link.type, "a link of an unknown kind")
            raise self._refusal(path, f"is {kind}", "give the data itself")
        self.objects += 1
        self._step()
        check_count(self.name, self.objects, self.limits.variables, "variables")
        check_count(self.name, depth, self.limits.nesting, "groups inside each other")
        if link.u in self.seen:
            return
        self.seen.add(link.u)
        opened = h5o.open(parent, name)
        self._check_attributes(opened, path)
        if isinstance(opened, h5py.h5g.GroupID):
            for child in opened:
                self._check_link(opened, child, f"{path}/{child.decode('utf-8', 'replace')}", depth + 1)
        elif isinstance(opened, h5d.DatasetID):
            self._check_dataset(opened, path)
        elif h5i.get_type(opened) == h5i.DATATYPE:
            self._check_type(opened, path, depth=0)

    def _step(self) -> None:
        self.steps += 1
        if self.steps % STEPS_PER_SIGN == 0:
            self.beat()

    def _check_attributes(self, owner: Any, path: str) -> None:
        count = h5a.get_num_attrs(owner)
        check_count(f"{path} of {self.name}", count, self.limits.attributes, "attributes")
        for index in range(count):
            attribute = h5a.open(owner, index=index)
            name = attribute.name.decode("utf-8", "replace")
            if name in AXES:
                continue
            kind, shape = attribute.get_type(), attribute.shape
            size = 0 if shape is None else math.prod(shape) * kind.get_size()  # no shape: nothing, as netCDF writes ""
            check_count(f"{name} of {path} in {self.name}", size, self.limits.attribute_bytes, "bytes")
            self._check_type(kind, f"{path}@{name}", depth=0)
            # Text may lie elsewhere in the file, and HDF5 never come to the end of it; numbers have been read by now.
            if shape is not None and kind.detect_class(h5t.STRING):
                dtype = attribute.dtype
                attribute.read(np.empty(shape, dtype), mtype=h5t.py_create(dtype))

    def _check_dataset(self, dataset: Any, path: str) -> None:
        plist, kind = dataset.get_create_plist(), dataset.get_type()
        if plist.get_external_count():
            raise self._refusal(path, "keeps its values in another file", "give a file that holds them")
        layout = plist.get_layout()
        if layout == h5d.VIRTUAL:
            raise self._refusal(path, "is virtual, of values in other files", "give a file that holds them")
        self._check_type(kind, path, depth=0)
        shape = dataset.shape or ()
        size = kind.get_size()
        check_count(f"{path} of {self.name}", len(shape), self.limits.dimensions, "axes")
        check_count(f"{path} of {self.name}", max(shape, default=0), self.limits.axis, "numbers along an axis")
        self.values += math.prod(shape)
        self.declared += math.prod(shape) * size
        check_count(self.name, self.values, self.limits.values, "values")
        check_declared(self.name, self.declared, self.size, self.limits)
        for index in range(plist.get_nfilters()):
            if (code := plist.get_filter(index)[0]) not in FILTERS:
                raise self._refusal(path, f"is packed by the HDF5 plugin {code}", "repack it, h5repack -f GZIP=4")
        if layout == h5d.CHUNKED:
            self._check_chunks(dataset, plist.get_chunk(), shape, size, path)
        elif layout == h5d.CONTIGUOUS and (start := dataset.get_offset()) is not None:
            self._check_extent(start, dataset.get_storage_size(), path)

    def _check_chunks(self, dataset: Any, sides: tuple[int, ...], shape: tuple[int, ...], size: int, path: str) -> None:
        name = f"A chunk of {path} in {self.name}"
        check_count(name, math.prod(sides) * size, self.limits.piece_bytes, "bytes")
        most = math.prod(math.ceil(length / side) for length, side in zip(shape, sides, strict=True))
        check_count(f"{path} of {self.name}", most, self.limits.pieces, "chunks")
        count = 0

        def check(chunk: Any) -> None:
            nonlocal count
            count += 1
            self._check_extent(chunk.byte_offset, chunk.size, path)
            if count > most:  # an index that leads back to itself
                raise self._refusal(path, "has an index without end, it is damaged", "fetch it again")
            self._step()

        dataset.chunk_iter(check)

    def _check_extent(self, start: int, size: int, path: str) -> None:
        if start + size > self.size:
            raise self._refusal(path, "lies beyond the end of the file, which is damaged or cut", "fetch it again")

    def _check_type(self, kind: Any, path: str, depth: int) -> None:
        check_count(f"The type of {path} in {self.name}", depth, self.limits.nesting, "types inside each other")
        family = kind.get_class()
        if family == h5t.COMPOUND:
            check_count(f"{path} of {self.name}", kind.get_nmembers(), MEMBERS, "fields")
            for index in range(kind.get_nmembers()):
                self._check_type(kind.get_member_type(index), path, depth + 1)
        elif family == h5t.ARRAY:
            self._check_type(kind.get_super(), path, depth + 1)
        elif family == h5t.REFERENCE:
            raise self._refusal(path, "refers to another part of the file", "give the values themselves")
        elif family not in _PLAIN_TYPES:
            raise self._refusal(path, "has a type of values that is not read", "give numbers or text")

    def _refusal(self, path: str, reason: str, remedy: str) -> ValueError:
        return ValueError(f"{path} of {self.name} {reason}: {remedy}.")


def walk_here() -> None:
    """Have this process walk by itself, because whoever started it ends it where it comes to no end."""
    walk_by(lambda limits, path, entries: _answers(limits, path, entries, lambda: None))


def serve() -> None:
    """Answer the questions of `watching.py`, a line of JSON each, until they end."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # nothing that a library prints may be taken for an answer
    if sys.platform != "win32":
        import resource

        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        most = MEMORY if hard == resource.RLIM_INFINITY else min(MEMORY, hard)
        resource.setrlimit(resource.RLIMIT_AS, (most, hard))
        # Whoever started this process may have blocked or ignored what is to end it.
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGPROF})
    for line in sys.stdin:
        question = json.loads(line)
        limits = Limits(**question["limits"])

        def tell(answer: Mapping[str, Any], seconds: float = limits.seconds) -> None:
            if sys.platform != "win32":  # ends this process after so much CPU time, also where whoever asked has ended
                signal.setitimer(signal.ITIMER_PROF, seconds)
            answers.write(json.dumps(answer) + "\n")
            answers.flush()

        for answer in _answers(limits, Path(question["path"]), question["entries"], lambda: tell({})):
            tell(answer)
        if sys.platform != "win32":
            signal.setitimer(signal.ITIMER_PROF, 0)


def _answers(
    limits: Limits, path: Path, entries: Sequence[str] | None, beat: Callable[[], None]
) -> Iterator[dict[str, Any]]:
    """Check entries of a file, or list them where none are named, and say before each what it is about."""
    yield {"at": ROOT}
    try:
        with h5py.File(path, "r", locking=False) as file:
            walk = Walk(file, path, limits, beat)
            if entries is None:
                yield {"names": walk.names()}
            else:
                for name in entries:
                    yield {"at": name}
                    yield {"checked": name, "fault": _fault(walk, name)}
            yield {"at": ROOT}  # closing reads, too
    except Exception as error:  # HDF5 meets damage with almost any built-in error
        yield {"failed": _sentence(error, path.name)}
    yield {"end": True}


def _fault(walk: Walk, name: str) -> str | None:
    walk.objects = walk.values = walk.declared = 0 if name != ROOT else walk.objects
    try:
        walk.check(name)
    except Exception as error:  # as above
        return _sentence(error, walk.name)
    return None


def _sentence(error: Exception, name: str) -> str:
    """Return the sentence of a refusal, or make one of what HDF5 says of damage."""
    text = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
    if isinstance(error, ValueError) and name in text:
        return f"{text}."
    return f"{name} is damaged, HDF5 cannot read it ({text[:150]}): fetch it again."
