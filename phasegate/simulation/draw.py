"""Draws rollouts of a scenario. The same scenario and seed give the same counts."""

import zlib
from dataclasses import replace

import numpy as np
from numpy.random import Generator

from phasegate.simulation import latency
from phasegate.simulation.rollouts import DAY, Arm, Floats, History, Ints, Rollouts
from phasegate.simulation.scenario import ENDPOINTS, Disturbance, Regression, Scenario

CLUSTER = 5.0
SAMPLE = 10
LAG = 2
BURSTS, LONGEST_BURST, PAUSE = 3, 15, 15
ARRIVED = 0.6
# A release stores the last hours before it, and of the last intervals each one.
FINE, HOURS, HOUR = 60, 12, 3600.0


def draw(scenario: Scenario, rollouts: int, *, seed: int = 1) -> Rollouts:
    """*rollouts* rollouts of *scenario*; the seed of each cell is its own."""
    rng = np.random.default_rng([seed, zlib.crc32(scenario.key.encode())])
    disturbed = _Disturbed(scenario, rng, rollouts)
    history = disturbed.history()
    canary, control = disturbed.arms()
    drawn = Rollouts(
        canary, control, history, scenario.course, onset=scenario.regression.onset, cuts=scenario.cuts
    )
    if scenario.disturbance is Disturbance.SAMPLED:
        return replace(drawn, sample=SAMPLE)
    if scenario.disturbance is Disturbance.LATE:
        return replace(drawn, lag=LAG, early=(_early(rng, canary), _early(rng, control)))
    return drawn


class _Disturbed:
    """The random machinery of one scenario."""

    def __init__(self, scenario: Scenario, rng: Generator, rollouts: int) -> None:
        self.scenario, self.rng, self.rollouts = scenario, rng, rollouts
        self.course = scenario.course
        self.shape = (rollouts, self.course.intervals)

    def arms(self) -> tuple[Arm, Arm]:
        """Counts of canary and control."""
        rng, requests = self.rng, self._requests()
        served = rng.poisson(requests, self.shape) * self._present()
        canary = rng.binomial(served, self.course.shares)
        weather = self._weather()
        regression = self.scenario.regression
        return (
            self._arm(canary, weather, regression),
            self._arm(served - canary, weather, Regression()),
        )

    def history(self) -> History:
        """A day of the control alone, cut as a release stores it."""
        per_hour = max(1, round(HOUR / self.course.seconds))
        wander = self._wander(HOURS * per_hour + FINE)
        hourly = wander[:, :-FINE].reshape(self.rollouts, HOURS, per_hour).mean(axis=2)
        long = DAY / self.course.seconds - HOURS * per_hour - FINE
        fine = self._past(1, wander[:, -FINE:])
        parts = self._past(long, np.ones((self.rollouts, 1))), self._past(per_hour, hourly)
        errors, total = (np.concatenate([parts[0][at], parts[1][at]], axis=1) for at in (0, 1))
        whole, failed = total.sum(axis=1) + fine[1].sum(axis=1), errors.sum(axis=1) + fine[0].sum(axis=1)
        return History(
            coarse=(errors, total),
            fine=fine,
            by_endpoint=self._spread(whole, failed) if self.scenario.regression.endpoint else None,
            slow=self._slow(total[:, 0], latency.shares(self.scenario.cuts)) if self.scenario.cuts else None,
        )

    def _past(self, intervals: float, wander: Floats) -> tuple[Ints, Ints]:
        """(errors, total) of stretches of so many *intervals*; *wander* multiplies the error rate of each."""
        total = self.rng.poisson(self._requests() * intervals, wander.shape)
        return self._failed(total, np.minimum(self.scenario.errors * wander, 1.0)), total

    def _spread(self, total: Ints, errors: Ints) -> tuple[Ints, Ints]:
        equal = np.full(ENDPOINTS, 1 / ENDPOINTS)
        failed = self.rng.multinomial(errors, equal)
        return self.rng.multinomial(total - errors, equal) + failed, failed

    def _slow(self, total: Ints, shares: Floats) -> Ints:
        return latency.slower_than(self.rng.multinomial(total, shares))

    def _requests(self) -> float:
        sampled = self.scenario.disturbance is Disturbance.SAMPLED
        return self.scenario.traffic * self.course.seconds / (SAMPLE if sampled else 1)

    def _arm(self, total: Ints, weather: Floats, regression: Regression) -> Arm:
        scale = SAMPLE if self.scenario.disturbance is Disturbance.SAMPLED else 1
        hit = np.minimum(regression.rate(self.scenario.errors, self.shape[1]) + weather, 1.0)
        calm = np.minimum(self.scenario.errors + weather, 1.0)
        ends = None
        if self.scenario.regression.endpoint:
            served = self.rng.multinomial(total, np.full(ENDPOINTS, 1 / ENDPOINTS))
            failed = np.stack(
                [self._failed(served[..., n], hit if n == 0 else calm) for n in range(ENDPOINTS)], axis=-1
            )
            errors, ends = failed.sum(axis=-1), (served * scale, failed * scale)
        else:
            errors = self._failed(total, hit)
        return Arm(total * scale, errors * scale, ends, self._latencies(total, regression, scale))

    def _latencies(self, total: Ints, regression: Regression, scale: int) -> Ints | None:
        cuts, since = self.scenario.cuts, regression.onset
        if not cuts:
            return None
        good, bad = latency.shares(cuts), latency.shares(cuts, slower=regression.slower, tail=regression.tail)
        parts = self._slow(total[:, :since], good), self._slow(total[:, since:], bad)
        return np.concatenate(parts, axis=1) * scale

    def _failed(self, total: Ints, rate: Floats) -> Ints:
        """Failed of *total* requests; in clusters there are fewer causes, each failing several."""
        if self.scenario.disturbance is not Disturbance.CLUSTERS:
            return self.rng.binomial(total, rate)
        causes = self.rng.poisson(total * rate / CLUSTER)
        more = self.rng.negative_binomial(np.maximum(causes, 1), 1 / CLUSTER)
        return np.minimum(np.where(causes > 0, causes + more, 0), total)

    def _weather(self) -> Floats:
        """What is added to the error rate of both arms, shape (rollouts, intervals)."""
        errors = self.scenario.errors
        match self.scenario.disturbance:
            case Disturbance.BURST:
                return self._bursts()
            case Disturbance.NOISE:
                return errors * (self._wander(self.shape[1]) - 1)
            case Disturbance.STEP:
                return np.full(self.shape, 9 * errors)
            case _:
                return np.zeros(self.shape)

    def _wander(self, length: int) -> Floats:
        """Common noise: a factor around 1 that forgets itself within ten intervals."""
        if self.scenario.disturbance is not Disturbance.NOISE:
            return np.ones((self.rollouts, length))
        keep, sigma = 0.9, 0.7
        steps = self.rng.normal(0, sigma * (1 - keep**2) ** 0.5, (self.rollouts, length))
        steps[:, 0] = self.rng.normal(0, sigma, self.rollouts)
        for at in range(1, length):
            steps[:, at] += keep * steps[:, at - 1]
        return np.exp(steps - sigma**2 / 2)

    def _bursts(self) -> Floats:
        """Apart from each other: bursts that touch are one that is longer."""
        at = np.arange(self.shape[1])
        rate = np.zeros(self.shape)
        part = self.shape[1] // BURSTS
        for number in range(BURSTS):
            room = max(1, part - LONGEST_BURST - PAUSE)
            start = number * part + self.rng.integers(0, room, (self.rollouts, 1))
            length = self.rng.integers(3, LONGEST_BURST + 1, (self.rollouts, 1))
            height = self.rng.uniform(0.1, 0.5, (self.rollouts, 1))
            rate = np.where((at >= start) & (at < start + length), height, rate)
        return rate

    def _present(self) -> Ints:
        if self.scenario.disturbance is not Disturbance.MISSING:
            return np.ones(self.shape, dtype=np.int64)
        there = self.rng.random(self.shape) >= 0.1
        gap = self.rng.integers(0, max(1, self.shape[1] - 20), (self.rollouts, 1))
        at = np.arange(self.shape[1])
        return np.asarray(there & ~((at >= gap) & (at < gap + 20)), dtype=np.int64)


def _early(rng: Generator, arm: Arm) -> Arm:
    """What of the newest interval has arrived when somebody looks at it at once."""
    errors = rng.binomial(arm.errors, ARRIVED)
    return Arm(errors + rng.binomial(arm.total - arm.errors, ARRIVED), errors)
