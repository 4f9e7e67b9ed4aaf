"""Confine a process on Linux: memory, time and files that it may use, files that it may see, and no network.

The limits always hold. What the process may see is confined by Landlock and by namespaces, where the kernel and the
container allow them to a process without rights: a second wall, behind the gate that refuses files which point
elsewhere.
The calls go through ctypes, because Python has none and no maintained package does.
"""

import ctypes
import os
import resource
import signal
import struct
import sys
import sysconfig
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from .limits import READING_FILES, READING_MB, READING_SECONDS

# linux/sched.h
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
# linux/prctl.h
PR_SET_NO_NEW_PRIVS = 38
# The numbers of these system calls are the same on every architecture; the rest is of linux/landlock.h.
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
RULESET_VERSION, RULE_PATH_BENEATH = 1, 1
EXECUTE, READ_FILE, READ_DIR = 1 << 0, 1 << 2, 1 << 3
# Rights over files and folders that the first and the third version of Landlock know, TCP of the fourth (bind and
# connect), and of the sixth sockets and signals of processes outside.
FILES_FIRST, FILES_THIRD, TCP, OUTSIDE = (1 << 13) - 1, (1 << 15) - 1, 3, 3
# Where libraries, time zones and the like lie, and what they ask of the machine.
SYSTEM = (
    *("/usr/lib", "/usr/local/lib", "/usr/share", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/localtime"),
    *("/sys/devices/system/cpu", "/proc/cpuinfo", "/proc/meminfo", "/dev/null", "/dev/urandom"),
)

_C = ctypes.CDLL(None, use_errno=True)


def leave_network() -> bool:
    """Move this process and those that it forks into a network of no devices; return whether that was allowed."""
    return bool(_C.unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0)


def limit() -> None:
    """Limit this process to the page's limits of reading; it can write no file, and leaves no image of its memory."""
    held = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    limits = {
        resource.RLIMIT_AS: held + READING_MB * 2**20,
        resource.RLIMIT_CPU: int(READING_SECONDS) + 2,  # the wall clock, which the server watches, comes first
        resource.RLIMIT_NOFILE: READING_FILES,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
    }
    for what, most in limits.items():
        resource.setrlimit(what, (most, most))
    signal.alarm(int(READING_SECONDS) + 2)  # should the server end meanwhile


def landlock() -> int:
    """Return the version of the kernel's Landlock, below 1 where it has none."""
    return int(_C.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), RULESET_VERSION))


def see_only(folders: Iterable[str]) -> bool:
    """Let this process read these folders and installed libraries and nothing else; return whether that was allowed."""
    if (version := landlock()) < 1:
        return False
    handled = [FILES_THIRD if version >= 3 else FILES_FIRST]
    handled += [TCP] if version >= 4 else []
    handled += [OUTSIDE] if version >= 6 else []
    attributes = struct.pack(f"={len(handled)}Q", *handled)
    ruleset = _C.syscall(CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    if ruleset < 0:
        return False
    seen = [*folders]
    seen += [path for name in ("stdlib", "platstdlib", "purelib", "platlib") if (path := sysconfig.get_path(name))]
    seen += [path for path in sys.path if path.endswith("-packages")]  # site-packages, and Debian's dist-packages
    for path in (*seen, str(Path(__file__).parents[1]), *SYSTEM):
        with suppress(OSError):  # what is not on this machine cannot be read anyway
            opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
            rights = READ_FILE | READ_DIR | EXECUTE if os.path.isdir(path) else READ_FILE
            _C.syscall(ADD_RULE, ruleset, RULE_PATH_BENEATH, struct.pack("=Qi", rights, opened), 0)
            os.close(opened)
    _C.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    confined = _C.syscall(RESTRICT_SELF, ruleset, 0) == 0
    os.close(ruleset)
    return bool(confined)
