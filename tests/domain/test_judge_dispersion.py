"""How much more errors scatter than chance would have them."""

from random import Random

import pytest
from test_judge_comparison import drawn

from phasegate.domain.judge.dispersion import Following, Scatter, dispersion, neighbours
from phasegate.domain.judge.history import scatter


def test_errors_by_chance_scatter_as_chance_does():
    """
    A service whose requests fail one by one gives up no evidence.
    """
    random = Random(1)

    assert dispersion(neighbours([drawn(random, 6000, 0.001) for _ in range(1440)])).plain == pytest.approx(
        1, abs=0.15
    )


def test_clusters_are_as_heavy_as_they_are_large():
    """
    A client that tries eight times makes eight errors of one cause.
    """
    random = Random(1)
    clusters = [drawn(random, 6000, 0.0002) for _ in range(1440)]

    assert dispersion(neighbours([(8 * bad, total) for bad, total in clusters])).plain == pytest.approx(
        8, rel=0.15
    )


def test_a_burst_is_not_a_cluster():
    """
    What hits both arms alike cancels in the comparison and must not blunt it.
    """
    random = Random(1)
    rows = [drawn(random, 6000, 0.001) for _ in range(1440)]
    rows[100:103] = [(2000, 6000), (3000, 6000), (1000, 6000)]

    assert dispersion(neighbours(rows)).plain < 1.3


def test_a_cluster_in_thin_traffic_is_not_a_burst():
    """
    Five failures of sixty requests look like an outage, but it was over in a minute.
    """
    rows = [(0, 60)] * 1440
    for at in range(50, 1440, 160):
        rows[at] = (5, 60)

    assert dispersion(neighbours(rows)).plain == pytest.approx(5)


@pytest.mark.parametrize("rows", [[], [(0, 0)] * 10, [(0, 100)] * 100, [(4, 100), (0, 100)]])
def test_few_errors_tell_nothing_of_their_scatter(rows):
    """
    Without five errors there is no claim that they cluster.
    """
    assert dispersion(neighbours(rows)).plain == 1


def test_hours_tell_of_clusters_where_minutes_have_too_few_errors():
    """
    At one request a second a day has nine clusters of five, and the last hour most likely none.
    """
    quiet, hours = [(0, 60)] * 60, [(5, 3600), (0, 3600), (0, 3600), (5, 3600), (0, 3600), (0, 3600)]

    assert scatter(quiet, hours).plain == pytest.approx(5)
    assert scatter(quiet, []).plain == 1


def test_hours_with_many_errors_drift_too_much_to_tell():
    """
    A rate that rises during the day is no cluster.
    """
    minutes = [(1, 6000)] * 60

    assert scatter(minutes, [(60, 360_000), (600, 360_000)]) == scatter(minutes, [])


def test_evidence_is_never_blown_up():
    """
    Counts that scatter less than chance are not worth more.
    """
    even = Scatter(errors=100, seen=10, expected=25, variance=50)

    assert even.plain < 1
    assert even.eta == 1


def test_a_little_more_scatter_than_expected_is_mostly_chance():
    """
    Half of all services would otherwise be judged more slowly for nothing.
    """
    chance = Scatter(errors=43, seen=14, expected=10, variance=32)
    clusters = Scatter(errors=400, seen=900, expected=100, variance=600)

    assert 1 < chance.phi < 1.2
    assert clusters.phi > clusters.plain == 9


def test_the_scatter_is_learned_on_while_the_control_serves():
    """
    A history without errors tells nothing of clusters; the rollout itself does.
    """
    found = Following(Scatter(), 0.01)
    for at in range(200):
        found = found.add((10 if at % 2 else 0, 6000))

    assert found.scatter.plain == pytest.approx(10)


def test_a_burst_during_the_rollout_is_left_out_with_its_edges():
    """
    Both arms have it; taken for a cluster it would blind the comparison for the rest of the release.
    """
    for begin in (20, 21):
        found = Following(Scatter(), 0.01)
        for at in range(60):
            found = found.add((2000, 6000) if begin <= at < begin + 5 else (at % 2, 6000))
        assert found.scatter.plain <= 1


def test_two_clusters_minutes_apart_are_no_burst():
    """
    Where traffic is thin each of them is far above the usual rate.
    """
    found = Following(Scatter(), 0.01)
    for at in range(60):
        found = found.add((6, 60) if at in (20, 22) else (0, 60))

    assert found.scatter.plain == pytest.approx(6)
