"""The evidence that a canary is worse than its control in one stream of counts, interval by interval."""

from dataclasses import dataclass, replace
from math import inf, log

from phasegate.domain.judge import hierarchy, relative, starts
from phasegate.domain.judge.dispersion import Following
from phasegate.domain.judge.hierarchy import Climates
from phasegate.domain.judge.likelihood import log_or_never, log_sum
from phasegate.domain.judge.setting import Setting
from phasegate.domain.judge.starts import Purse
from phasegate.domain.judge.tally import Pair

# All errors of one interval may have one cause (a client that retries), also in a service that has shown none
# of it before. As .65 of the purse is staked, one interval alone never decides at alpha = 1 %.
MOST_AT_ONCE = log(100)


@dataclass(frozen=True, slots=True)
class Comparison:
    """
    One stream's evidence so far: ln of each component's stake, what is believed of the service, and how
    its errors scatter.

    Anytime-valid: one may look as often as one likes and stop at any time.
    """

    relative: tuple[float, ...]
    hierarchy: tuple[float, ...]
    climates: Climates
    purse: Purse
    scatter: Following

    @property
    def log_relative(self) -> float:
        """ln E_rel."""
        return starts.worth(self.relative, self.purse.cash)

    @property
    def log_hierarchy(self) -> float:
        """ln E_hier; never used alone."""
        return starts.worth(self.hierarchy, self.purse.cash)


def begin(how: Setting) -> Comparison:
    """No evidence yet: E = 1."""
    return Comparison(
        relative=(-inf,) * len(how.psis),
        hierarchy=(-inf,) * len(how.alternatives),
        climates=Climates(how.prior, how.prior),
        purse=starts.purse(how.intervals),
        scatter=how.scatter,
    )


def raised(before: Comparison) -> Comparison:
    """The canary's weight was raised: what starts now is looked for as well; evidence carries over."""
    return replace(before, purse=before.purse.step())


def compared(before: Comparison, canary: Pair, control: Pair, *, how: Setting) -> Comparison:
    """
    The evidence after one more interval, ``(bad, total)`` of each arm with bad <= total.

    Nothing is compared while one of the arms served nobody; what is believed of the service follows.
    An interval counts with what was known of the scatter before it: so E stays anytime-valid.
    """
    if not canary[1] and not control[1]:
        return before
    climates = hierarchy.follow(before.climates, canary, control, each=how.each)
    scatter = before.scatter.add(control)
    if not canary[1] or not control[1]:
        return replace(before, climates=climates, scatter=scatter)
    paid, purse = before.purse.pay()
    eta = before.scatter.scatter.eta
    ratios = relative.log_ratios(how.psis, canary, control, rho=how.rho)
    modelled = hierarchy.log_ratios(how.alternatives, before.climates, canary, control)
    return Comparison(
        starts.grown(before.relative, _tempered(ratios, eta), paid=paid),
        starts.grown(before.hierarchy, _tempered(modelled, eta), paid=paid),
        climates,
        purse,
        scatter,
    )


def log_evidence(found: Comparison, *, how: Setting) -> float:
    """
    ln E of the stream: v E_rel + (1 - v) min(E_hier, times E_rel).

    At ln(1/alpha) the canary is harmful.
    """
    plain = found.log_relative
    modelled = min(found.log_hierarchy, log(how.times) + plain)
    return log_sum((log(how.v) + plain, log_or_never(1 - how.v) + modelled))


def _tempered(ratios: list[float], eta: float) -> list[float]:
    """
    LR^eta, and no more than 100: less than a likelihood ratio is evidence too.

    *eta* below 1 takes back what over-dispersed counts would claim too much.
    """
    return [min(eta * ratio, MOST_AT_ONCE) for ratio in ratios]
