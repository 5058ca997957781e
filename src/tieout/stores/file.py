"""
The file that a store lives in: who may read it, and whether it can be one and still is the same.

A small file beside it is that by which an older copy is known.

What the store holds is not read here. The store's file itself is never opened here either:
closing it would drop the locks that the database holds on it.
"""

from __future__ import annotations

import errno
import logging
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from attrs import frozen

from tieout.errors import StoreError, StoreTrouble

log = logging.getLogger("tieout.stores")

MODE = 0o600
"""Readable and writable by its owner alone: the store holds grants."""

BESIDE = ("-wal", "-shm", ".life")
"""How the names of the files beside the store end: log, its index, sidecar."""

MOUNTS = Path("/proc/self/mountinfo")
"""Where Linux tells which file system a device number belongs to."""

NETWORK_SYSTEMS = frozenset(
    {
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "ceph", "lustre"),
        *("gpfs", "beegfs", "fuse.sshfs", "fuse.glusterfs", "fuse.davfs", "fuse.s3fs"),
    }
)
"""File systems of other machines, as Linux names them."""

_TROUBLES: Mapping[int | None, StoreTrouble] = {
    errno.ENOENT: StoreTrouble.NO_FOLDER,
    errno.ENOTDIR: StoreTrouble.NO_FOLDER,
    errno.EISDIR: StoreTrouble.NOT_A_FILE,
    errno.ELOOP: StoreTrouble.NOT_A_FILE,
    errno.EACCES: StoreTrouble.NOT_PERMITTED,
    errno.EPERM: StoreTrouble.NOT_PERMITTED,
    errno.EROFS: StoreTrouble.READ_ONLY,
    errno.ENOSPC: StoreTrouble.FULL,
    errno.EDQUOT: StoreTrouble.FULL,
    errno.EIO: StoreTrouble.DISK,
}


def refusal(path: Path, trouble: StoreTrouble, words: str = "") -> StoreError:
    """The error that names the file, the trouble, what the system said, and the remedy."""
    said = f" ({words})" if words else ""
    return StoreError(
        f"the store {path}: {trouble.meaning}{said} {trouble.remedy}", trouble
    )


def refused(path: Path, error: OSError) -> StoreError:
    """The same for what the operating system refused."""
    trouble = _TROUBLES.get(error.errno, StoreTrouble.OTHER)
    return refusal(path, trouble, error.strerror or str(error))


class StoreFile:
    """
    The file under its one real name, with the files that are kept beside it.

    Making one makes the file where there is none. Raises `StoreError` for a path that can
    hold no store, and OSError.
    """

    def __init__(self, path: Path) -> None:
        if "\0" in str(path):
            raise refusal(path, StoreTrouble.NOT_A_FILE, "a NUL in its name")
        # A link elsewhere would give the file a second log under a second name.
        self.path = Path(os.path.realpath(path))
        self._identity: dict[str, tuple[int, int]] = {}
        self._make()
        self._check()

    @property
    def beside(self) -> tuple[Path, ...]:
        """The log, its index, and the sidecar."""
        name = self.path.name
        return tuple(self.path.with_name(name + end) for end in BESIDE)

    @property
    def inode(self) -> int:
        """The number of the file within its disk: a copy has another."""
        return self.path.stat().st_ino

    def _make(self) -> None:
        # Created by ourselves first, so that it never exists with other permissions.
        try:
            handle = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, MODE)
        except FileExistsError:
            return
        os.close(handle)

    def _check(self) -> None:
        found = self.path.stat()
        folder = self.path.parent
        if not stat.S_ISREG(found.st_mode):
            raise refusal(self.path, StoreTrouble.NOT_A_FILE)
        if found.st_nlink > 1:
            raise refusal(self.path, StoreTrouble.TWO_NAMES)
        if not _allowed(self.path, os.R_OK):
            raise refusal(self.path, StoreTrouble.NOT_PERMITTED)
        # Found out here: the database would open it for reading, and fail at the first write.
        if not _allowed(self.path, os.W_OK):
            raise refusal(self.path, StoreTrouble.READ_ONLY, "the file")
        if not _allowed(folder, os.W_OK | os.X_OK):
            raise refusal(self.path, StoreTrouble.READ_ONLY, f"the folder {folder}")
        system = _system_of(found.st_dev)
        if system in NETWORK_SYSTEMS:
            raise refusal(self.path, StoreTrouble.NETWORK, system)

    def narrow(self) -> None:
        """Take from everybody else what they may do with the files; it is logged."""
        if os.name != "posix":
            return
        for path in (self.path, *self.beside):
            try:
                mode = stat.S_IMODE(path.stat().st_mode)
            except FileNotFoundError:
                continue
            if mode & ~MODE:
                path.chmod(MODE)
                log.warning(
                    "%s had mode %o; now its owner alone can use it", path, mode
                )

    def remember(self) -> None:
        """From now on these very files are meant: the store and its log."""
        for path in (self.path, self.beside[0]):
            found = path.stat()
            self._identity[str(path)] = (found.st_dev, found.st_ino)

    def changed(self) -> str:
        """The name of a file that is no longer the one remembered, or nothing."""
        for path, identity in self._identity.items():
            try:
                found = os.stat(path)  # noqa: PTH116 - in every commit; a Path's takes longer
            except FileNotFoundError:
                return f"{Path(path).name} is gone"
            if (found.st_dev, found.st_ino) != identity:
                return f"{Path(path).name} is another file"
        return ""


def _allowed(path: Path, how: int) -> bool:
    """Whether the user that this process acts as may."""
    return os.access(path, how, effective_ids=os.access in os.supports_effective_ids)


def _system_of(device: int) -> str:
    """The name of the file system of a device, or nothing where it cannot be told."""
    try:
        lines = MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in lines:
        # number, parent, device, root, place, options…, "-", system, source, options
        where, _, what = line.partition(" - ")
        if where.split()[2:3] == [wanted] and what:
            return what.split()[0]
    return ""


@frozen
class Life:
    """
    Which store it is, how many commits it has seen, and the inode of its file.

    ``writer`` is whoever committed last; the sidecar does not tell.
    """

    store: str
    commits: int
    inode: int
    writer: str = ""

    def leads_to(self, now: Life) -> bool:
        """Whether the store as it is now can be the one that this was noted of."""
        same = (self.store, self.inode) == (now.store, now.inode)
        return same and self.commits <= now.commits


class Sidecar:
    """
    The note beside the store of how far it has come: ``<name>.life``.

    It may lag behind the store and never leads: whoever finds it ahead holds an older copy
    of the store. It should be left out of backups.
    """

    def __init__(self, file: StoreFile) -> None:
        self.path = file.beside[-1]
        flags = os.O_RDWR | os.O_CREAT
        flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        self._handle = os.open(self.path, flags, MODE)

    def read(self) -> Life | None:
        """What was noted last, or nothing that can be read."""
        os.lseek(self._handle, 0, os.SEEK_SET)
        line, end, _ = os.read(self._handle, 200).partition(b"\n")
        try:
            name, store, commits, inode = line.split()
            if end and name == b"tieout":
                return Life(store.decode("ascii"), int(commits), int(inode))
        except ValueError:
            pass
        return None

    def note(self, life: Life) -> None:
        """Write down; not forced to the disk. Raises OSError."""
        # Always as long: what is overwritten is never half of two lines.
        line = f"tieout {life.store} {life.commits:020d} {life.inode:020d}\n"
        os.lseek(self._handle, 0, os.SEEK_SET)
        if os.write(self._handle, line.encode("ascii")) < len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def keep(self) -> None:
        """Force to the disk what is noted, and that the file is there."""
        os.fsync(self._handle)
        with suppress(OSError):  # not every system can force a folder
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._handle)
