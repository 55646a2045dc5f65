"""The kernel's processor quota for the functions under measurement, as Lambda limits a function by its memory."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

WHOLE_PROCESSOR_MB = 1769  # source: AWS Lambda Developer Guide, "Configure Lambda function memory"
PERIOD_US = 20_000  # a quota is renewed in each period; in long ones, work would pause longer, but less often
VERSION_1, VERSION_2 = Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup")


class Quota:
    """A control group of Linux, whose processes share the quota (source: Linux, "CFS Bandwidth Control")."""

    def __init__(self, group: Path) -> None:
        self._group = group

    def command(self, *command: str) -> list[str]:
        """Return a command that runs another one in this group."""
        return ["sh", "-c", 'echo $$ >"$0" && exec "$@"', str(self._group / "cgroup.procs"), *command]

    def allow(self, processors: float) -> None:
        """Allow the processes this many processors, such as 0.29."""
        quota_us = round(processors * PERIOD_US)
        if self._group.parent == VERSION_2:
            (self._group / "cpu.max").write_text(f"{quota_us} {PERIOD_US}")
        else:
            (self._group / "cpu.cfs_period_us").write_text(str(PERIOD_US))
            (self._group / "cpu.cfs_quota_us").write_text(str(quota_us))


def share(memory_mb: int) -> float:
    """Return the processors that an invocation has with this memory."""
    return memory_mb / WHOLE_PROCESSOR_MB


@contextmanager
def create_quota() -> Iterator[Quota | None]:
    """Create a control group; None where the kernel has no quotas, or none for this user."""
    parent = VERSION_1 if VERSION_1.is_dir() else VERSION_2
    group = parent / f"bench-{uuid.uuid4()}"
    quota = Quota(group)
    try:
        group.mkdir()
        quota.allow(1)
    except OSError:
        yield None
    else:
        yield quota
    finally:
        with suppress(OSError):  # it was not created
            group.rmdir()
