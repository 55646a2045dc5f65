"""Virtual time for concurrent processes: one runs at a time, until it sleeps longer than another."""

from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from threading import Lock, Thread


class Clock:
    """The time in seconds. Each process is a thread; `sleep` hands over to the one that wakes first."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self._sleeping: list[tuple[float, int, Lock]] = []
        self._order = 0
        self._error: BaseException | None = None

    def __call__(self) -> float:
        """Return the time."""
        return self.now_s

    def sleep(self, seconds: float) -> None:
        """Let this process sleep."""
        self.sleep_until(self.now_s + seconds)

    def sleep_until(self, wake_s: float) -> None:
        """Let this process sleep until a time; without effect where that has passed."""
        wake_s = max(wake_s, self.now_s)
        if not self._sleeping or wake_s < self._sleeping[0][0]:
            self.now_s = wake_s
            return
        turn = self._enter(wake_s)
        self._hand_over()
        turn.acquire()

    def run(self, processes: Sequence[Callable[[], None]]) -> None:
        """Run processes to their ends. Raises the first error of any."""
        if len(processes) == 1:
            processes[0]()
            return
        threads = [Thread(target=self._run, args=(process, self._enter(self.now_s))) for process in processes]
        for thread in threads:
            thread.start()
        self._hand_over()
        for thread in threads:
            thread.join()
        if self._error:
            raise self._error

    def _run(self, process: Callable[[], None], turn: Lock) -> None:
        turn.acquire()
        try:
            process()
        except BaseException as error:  # noqa: BLE001 (raised by `run`)
            self._error = self._error or error
        self._hand_over()

    def _enter(self, wake_s: float) -> Lock:
        """Enter a process into the order; returns the lock that it waits for."""
        turn = Lock()
        turn.acquire()
        self._order += 1
        heappush(self._sleeping, (wake_s, self._order, turn))
        return turn

    def _hand_over(self) -> None:
        if self._sleeping:
            self.now_s, _, turn = heappop(self._sleeping)
            turn.release()
