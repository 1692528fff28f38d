"""Private files of one user: checked, read, replaced atomically, locked; links not followed.

`sxhost-emit` and `sxhost hook`, which must be quick, import this, so it imports little.
"""

# ruff: noqa: PTH105, PTH108, PTH109, PTH114, PTH115, PTH118, PTH119, PTH120

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import PathLike

    Place = str | PathLike[str]

__all__ = [
    "UnsafeFile",
    "check_directory",
    "check_path",
    "lock_descriptor",
    "lock_file",
    "open_unlinked",
    "read_private",
    "replace_private",
    "sync_directory",
]

ROOT = 0
"""Root's uid.  Root can change everything anyway, so what it owns is as good as our own."""

OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
OTHERS_READ = stat.S_IRWXG | stat.S_IRWXO
MOST_LINKS = 40
"""Symbolic links in one path, as Linux limits them."""

SECRETS = ("token", "tokens.json")
"""Names of files that other users may not read."""


class UnsafeFile(PermissionError):
    """Another user could change a file, or read a secret one; the message is a sentence."""


def check_path(place: Place, uid: int) -> str:
    """Check that only root and `uid` control where a path leads; return the resolved path.

    Components that do not exist yet are not checked.

    :raises UnsafeFile: a directory or a link in the path belongs to another user, or others
        may write to a directory and rename what is in it.
    """
    here, links = "/", 0
    remaining = _components(os.path.join(os.getcwd(), place))
    _check_step(here, os.lstat(here), uid)
    while remaining:
        name = remaining.pop()
        there = os.path.dirname(here) if name == ".." else os.path.join(here, name)
        try:
            found = os.lstat(there)
        except FileNotFoundError:
            return os.path.join(there, *reversed(remaining))
        if stat.S_ISLNK(found.st_mode):
            links += 1
            if links > MOST_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), there)
            _check_link(there, found, uid, is_last=not remaining)
            target = os.readlink(there)
            here = "/" if target.startswith("/") else here
            remaining += _components(target)
            continue
        _check_step(there, found, uid)
        here = there
    return here


def check_directory(place: Place, uid: int) -> None:
    """Check that a directory and all its entries belong to `uid`, and only it may change them.

    :raises UnsafeFile: one does not, or others may.
    """
    here = check_path(place, uid)
    _check_rights(here, os.lstat(here), uid)
    with os.scandir(here) as entries:
        for entry in entries:
            _check_rights(entry.path, entry.stat(follow_symlinks=False), uid)


def read_private(path: Place, most: int = 1 << 20) -> bytes:
    """Read up to `most` bytes of a file that belongs to this user or root.

    :raises UnsafeFile: it is a link, not a regular file, or another user's, or others may
        write to it.
    """
    file = open_unlinked(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        _check_file(path, os.fstat(file))
        return os.read(file, most)
    finally:
        os.close(file)


def replace_private(
    path: Place,
    content: bytes,
    *,
    synced: bool = True,
    mode: int = 0o600,
    draft_suffix: str = ".new",
) -> None:
    """Write a file for this user alone, or with another `mode`: whole or not at all.

    `synced`: it outlives a power cut from when this returns.  After an error the old file
    stands, and nothing of the new one is left.  The new one is written beside the old one,
    under its name and `draft_suffix`; what has that name already is removed.
    """
    path = os.fspath(path)
    draft = f"{path}{draft_suffix}"
    if os.path.lexists(draft):
        os.unlink(draft)
    file = open_unlinked(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        try:
            os.fchmod(file, mode)
            written = 0
            while written < len(content):
                written += os.write(file, content[written:])
            if synced:
                os.fsync(file)
        finally:
            os.close(file)
        os.replace(draft, path)
    except OSError:
        with suppress(OSError):
            os.unlink(draft)  # on a full disk what there is of it takes room
        raise
    if synced:
        with suppress(OSError):  # the new file is in its place already, and counts
            sync_directory(os.path.dirname(path) or ".")


def lock_file(path: Place) -> int:
    """Lock a file for this process, creating it if needed; return its descriptor.

    The caller writes it in place: the lock is of the file, and a replaced one has none.

    :raises BlockingIOError: another process holds it; `errno` and `filename` are set.
    :raises UnsafeFile: as for `read_private`, or the file has another name too.
    """
    file = open_unlinked(path, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK)
    try:
        _check_file(path, os.fstat(file), names=1)
        lock_descriptor(file)
    except BaseException:
        os.close(file)
        raise
    return file


def lock_descriptor(file: int) -> None:
    """Lock an open file for this process, without waiting; closing it gives the lock back.

    :raises BlockingIOError: another process holds it.
    """
    import fcntl

    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _components(path: str) -> list[str]:
    """Return the components of a path, the first at the end."""
    return [part for part in reversed(path.split("/")) if part not in ("", ".")]


def open_unlinked(path: Place, flags: int) -> int:
    """Open a file, or make it for this user alone, but not where a link leads to.

    :raises UnsafeFile: it is a symbolic link.
    """
    # O_NOFOLLOW alone would do, but its error (ELOOP) reads as if there were a circle of links.
    if os.path.islink(path):
        raise UnsafeFile(f"{os.fspath(path)} is a symbolic link: it is not followed")
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def sync_directory(place: Place) -> None:
    """Have what was renamed in a directory outlive a power cut."""
    directory = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _check_file(path: Place, found: os.stat_result, names: int = 0) -> None:
    """Check an open file; `names` is how many hard links it may have, 0 any number."""
    if not stat.S_ISREG(found.st_mode):
        raise UnsafeFile(f"{os.fspath(path)} is no file")
    if names and found.st_nlink > names:
        raise UnsafeFile(f"{os.fspath(path)} is another file, too: remove this name of it")
    _check_rights(os.fspath(path), found, os.geteuid())


def _check_rights(path: str, found: os.stat_result, uid: int) -> None:
    """Check an entry of a private directory, or the directory itself."""
    if stat.S_ISLNK(found.st_mode):
        raise UnsafeFile(f"{path} is a symbolic link: it is not followed")
    _check_owner(path, found, uid)
    # A socket's write permission is the permission to connect.
    if found.st_mode & OTHERS_WRITE and not stat.S_ISSOCK(found.st_mode):
        raise UnsafeFile(f"others may write to {path}; end that with: chmod go-w {path}")
    if found.st_mode & OTHERS_READ and os.path.basename(path) in SECRETS:
        raise UnsafeFile(
            f"others may read {path}; remove it if they may have, else: chmod 600 {path}"
        )


def _check_step(path: str, found: os.stat_result, uid: int) -> None:
    """Check a directory of a path; one with the sticky bit (as /tmp) may be open to all."""
    _check_owner(path, found, uid)
    mode = found.st_mode
    writers = mode & OTHERS_WRITE and not mode & stat.S_ISVTX
    if writers and (mode & stat.S_IWOTH or not _is_own_group(found.st_gid, uid)):
        raise UnsafeFile(f"others may write to {path}; end that with: chmod go-w {path}")


def _check_link(path: str, found: os.stat_result, uid: int, *, is_last: bool) -> None:
    """Check a link in a path: root's may be anywhere (systemd makes some), ours not last."""
    if is_last and uid in (ROOT, found.st_uid):
        raise UnsafeFile(f"{path} is a symbolic link: name the directory itself")
    _check_owner(path, found, uid)


def _check_owner(path: str, found: os.stat_result, uid: int) -> None:
    if found.st_uid not in (uid, ROOT) and found.st_uid != _hidden_root():
        owner = "root" if uid == ROOT else f"user {uid} or root"
        raise UnsafeFile(f"{path} belongs to user {found.st_uid}, not to {owner}")


def _hidden_root() -> int | None:
    """Return the uid that a user namespace without root (a sandbox) shows for root."""
    try:
        with open("/proc/self/uid_map", encoding="ascii") as file:  # noqa: PTH123
            if any(line.split()[1] == "0" for line in file):
                return None
        with open("/proc/sys/kernel/overflowuid", encoding="ascii") as file:  # noqa: PTH123
            return int(file.read())
    except OSError:  # no Linux, or no /proc
        return None


def _is_own_group(gid: int, uid: int) -> bool:
    """Tell whether a group is root's, or the user's private group without other members."""
    import grp
    import pwd

    if gid == ROOT:
        return True
    try:
        group, user = grp.getgrgid(gid), pwd.getpwuid(uid)
    except KeyError:
        return False
    return group.gr_name == user.pw_name and set(group.gr_mem) <= {user.pw_name}
