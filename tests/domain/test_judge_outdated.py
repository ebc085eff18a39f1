"""What a history is worth that may be outdated: believed as long as the control is as it says."""

import json
from dataclasses import replace
from math import exp, log

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phasegate.domain.judge import climate, stream
from phasegate.domain.judge.comparison import begin, compared
from phasegate.domain.judge.course import Course, Leg, Past
from phasegate.domain.judge.setting import TIMES_BEFORE, Setting, setting

COURSE = Course((Leg(0.1, 120), Leg(0.5, 240)), 1.0)
USUAL = setting(Past((43, 86_400), 60.0), COURSE)
EACH = climate.pace(1)


def believing(how: Setting) -> Setting:
    """The history is not doubted."""
    return replace(how, prior=climate.certain(how.prior.likeliest))


def harm_by_history(rows, how):
    """ln E_hier after minutes in which 6 requests are the canary's and 54 the control's."""
    found = begin(how)
    for failed, failed_control in rows:
        found = compared(found, (failed, 6), (failed_control, 54), how=how)
    return found.log_hierarchy


def test_a_history_that_the_control_contradicts_is_given_up():
    """
    Ten times the usual errors on both arms since the release began, and by chance some more on the canary:
    believed to the end the history makes a certainty of what the control contradicts within minutes.
    """
    rows = [(int(at % 15 == 14), int(at % 4 == 0)) for at in range(120)]

    trusted, doubted = harm_by_history(rows, believing(USUAL)), harm_by_history(rows, USUAL)

    assert trusted > log(1000)
    assert doubted < log(10)


def test_where_the_control_is_as_ever_its_history_is_believed():
    """
    The other explanation costs next to nothing: a canary that is worse is found about as soon.
    """
    rows = [(int(at % 20 == 19), int(at % 40 == 0)) for at in range(120)]

    trusted, doubted = harm_by_history(rows, believing(USUAL)), harm_by_history(rows, USUAL)

    assert trusted - 0.3 < doubted


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**9)).map(sorted), max_size=30))
def test_the_histories_share_one_belief(rows):
    """
    Whatever is counted, one of them is true.
    """
    belief = USUAL.prior

    for bad, total in rows:
        belief = climate.taught(belief, (bad, total), each=EACH)

    assert sum(exp(chance) for chance, _ in belief.histories) == pytest.approx(1)


def test_what_was_begun_when_no_history_could_be_outdated_goes_on_so():
    """
    A release that runs while phasegate is updated keeps its one climate and its factor of ten.
    """
    how = replace(believing(USUAL), times=TIMES_BEFORE)
    kept = stream.begin(how)
    written = json.loads(json.dumps(stream.state(kept)))
    written[1] = written[1][:7]
    written[4] = [*written[4][:4], *written[4][5:9]]

    assert stream.load(written, each=EACH) == kept
