"""Whether a process that was noted down still works."""


def creation_time(pid: int) -> float:
    """When process `pid` began, which tells it from a later one with its number; 0 for none."""
    import psutil  # a notebook's first cell is not to wait for it

    try:
        return psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return 0.0


def is_alive(pid: int, started: float) -> bool:
    """Whether process `pid` that began at `started` still works."""
    import psutil

    try:
        process = psutil.Process(pid)
        return abs(process.create_time() - started) < 0.1 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
