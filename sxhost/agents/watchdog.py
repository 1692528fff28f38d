"""The watch on one agent: is it silent for too long, when is it started again."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from sxhost.model.limits import Limits

__all__ = ["Watchdog"]

STEADY_S = 60.0
"""Seconds after which an agent that was started again counts as well."""


class Watchdog:
    """Watches one agent for silence, and schedules its restarts.

    `stalled` and `sleepy` are called with the seconds of silence once they are too many, of an
    agent at work and of an idle one; `restart` when it is time to start the agent again.
    """

    def __init__(
        self,
        clock: IReactorTime,
        limits: Limits,
        stalled: Callable[[float], object],
        restart: Callable[[], object],
        sleepy: Callable[[float], object],
    ) -> None:
        self._clock = clock
        self._limits = limits
        self._stalled = stalled
        self._restart = restart
        self._sleepy = sleepy
        self._active_at = self._started_at = clock.seconds()
        self._silence_timer: IDelayedCall | None = None
        self._restart_timer: IDelayedCall | None = None
        self._tries = 0

    def note_activity(self) -> None:
        """Note that the agent reported something."""
        self._active_at = self._clock.seconds()

    def watch(self) -> None:
        """Watch for silence from now on: the agent is at work."""
        self._watch(self._limits.stall_after, self._stalled)

    def watch_idle(self) -> None:
        """Watch for long idleness from now on: the agent has nothing to do."""
        self._watch(self._limits.sleep_after, self._sleepy)

    def _watch(self, seconds: float, silent_for: Callable[[float], object]) -> None:
        self.pause()
        self.note_activity()
        self._silence_timer = self._clock.callLater(
            seconds, self._check_silence, seconds, silent_for
        )

    def pause(self) -> None:
        """Watch no more: the agent is not there, or waits for somebody else."""
        if self._silence_timer is not None:
            self._silence_timer.cancel()
            self._silence_timer = None

    def _check_silence(self, seconds: float, silent_for: Callable[[float], object]) -> None:
        self._silence_timer = None
        silent = self._clock.seconds() - self._active_at
        if silent < seconds:
            self._silence_timer = self._clock.callLater(
                seconds - silent, self._check_silence, seconds, silent_for
            )
        else:
            silent_for(silent)

    def started(self) -> None:
        """Note that the agent was started."""
        self.note_activity()
        self._started_at = self._active_at

    def schedule_restart(self) -> float | None:
        """Start it again, each time after twice the delay; return it, or None: that was it."""
        if self._clock.seconds() - self._started_at > STEADY_S:
            self._tries = 0
        if self._tries >= self._limits.restarts:
            return None
        delay = self._limits.restart_after * float(2**self._tries)
        self._tries += 1
        self._restart_timer = self._clock.callLater(delay, self._restart_now)
        return delay

    @property
    def restart_pending(self) -> bool:
        """Whether it will be started again by itself."""
        return self._restart_timer is not None

    def _restart_now(self) -> None:
        self._restart_timer = None
        self._restart()

    def cancel_restart(self) -> None:
        """Do not start it again: it is being started already, or is not wanted."""
        if self._restart_timer is not None:
            self._restart_timer.cancel()
            self._restart_timer = None
