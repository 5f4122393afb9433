"""The folder of a run held by one training at a time."""

import errno
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from filelock import FileLock, SoftFileLock, Timeout

from lora_nb import events, files
from lora_nb.runs import RunFolder
from lora_nb.training import holder

# Seconds: the data loaders of a training that was killed hold its lock until they see that it is gone.
PATIENCE = 15.0
WITHOUT_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL)


@contextmanager
def claimed(run: RunFolder, tell: events.Tell) -> Iterator[None]:
    """Be the only training in the folder of a run. Raises ValueError saying who has it, and touches no file then.

    The lock is the system's and ends with its process, however that ends. Where the file system knows no locks, the
    person is told, and only a training of this machine that is known to work is refused.
    """
    files.check_writable(run.base, run.settings.name)
    lock = _lock(run, tell)
    try:
        holder.note(run)
        yield
    finally:
        with suppress(OSError):
            run.holder.unlink()
        if lock:
            lock.release()


def _lock(run: RunFolder, tell: events.Tell) -> FileLock | None:
    lock, before = FileLock(run.lock), holder.noted(run)
    try:
        with warnings.catch_warnings(action="ignore"):  # that a soft lock is taken instead: told below
            lock.acquire(timeout=PATIENCE if before and before.is_gone() else 0, poll_interval=0.1)
    except Timeout:
        raise ValueError(_taken(run)) from None
    except (NotImplementedError, OSError) as error:
        if isinstance(error, OSError) and error.errno not in WITHOUT_LOCKS:
            raise
    real = lock.is_locked and not isinstance(lock, SoftFileLock)
    # On a disk that was mounted anew the locks are new, and one who waited for it goes on.
    held = before is not None and before.is_here() and not (real and before.pid == os.getpid())
    if real and not held:
        return lock
    lock.release()  # a soft lock would stay when the process is killed
    if held:
        raise ValueError(_taken(run))
    text = f"{run.base} lies where files cannot be locked: see to it that no second training of this name is started"
    tell(events.Notice(text, "warning"))
    return None


def _taken(run: RunFolder) -> str:
    found = holder.noted(run)
    who = f"process {found.pid} on {found.host}, since {found.since}" if found else "another process"
    return (
        f'a training of "{run.base.name}" is at work already ({who}; {run.base}): wait for its end or stop it, '
        "or choose another output_name"
    )
