"""What a process and its descendants use: CPU time, memory, descriptors, threads. Reads Linux's /proc."""

from __future__ import annotations

import os
from pathlib import Path

_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
_GONE = (FileNotFoundError, ProcessLookupError)


def tree(pid: int) -> list[int]:
    """The process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (stat := _stat(int(entry.name))):
            children.setdefault(int(stat[1]), []).append(int(entry.name))
    found = [pid]
    for parent in found:
        found += children.get(parent, [])
    return found


def cpu_s(pid: int) -> float:
    """User and system time of the tree so far, with that of children that have ended."""
    ticks = 0
    for member in tree(pid):
        if stat := _stat(member):
            ticks += sum(map(int, stat[11:15]))  # utime, stime, cutime, cstime
    return ticks / _TICKS_A_SECOND


def pss_bytes(pid: int) -> int:
    """Memory of the tree; what several processes share is divided among them."""
    return sum(_pss_bytes(member) for member in tree(pid))


def threads(pid: int) -> int:
    return sum(len(list(Path(f"/proc/{member}/task").iterdir())) for member in tree(pid))


def open_files(pid: int) -> list[str]:
    """What the tree's descriptors point to, one entry a descriptor."""
    found = []
    for member in tree(pid):
        for link in Path(f"/proc/{member}/fd").iterdir():
            try:
                found.append(str(link.readlink()))
            except _GONE:
                continue  # closed meanwhile
    return found


def _stat(pid: int) -> list[str] | None:
    """The fields after the process's name, which may itself hold blanks and brackets; None if it has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except _GONE:
        return None


def _pss_bytes(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except _GONE:
        return 0
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
