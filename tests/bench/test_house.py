from heliograph.bench.house import buckets, read_metrics

EXPOSITION = """
# HELP a_seconds How long.
# TYPE a_seconds histogram
a_seconds_bucket{le="0.1"} 3.0
a_seconds_bucket{le="+Inf"} 5.0
a_seconds_count 5.0
depth{what="waiting"} 7.0
"""


def test_metrics_are_read_by_name_and_labels() -> None:
    found = read_metrics(EXPOSITION)
    assert found["depth"] == {'what="waiting"': 7.0}
    assert found["a_seconds_count"] == {"": 5.0}


def test_buckets_are_what_came_between_two_readings() -> None:
    after, before = read_metrics(EXPOSITION), read_metrics('a_seconds_bucket{le="0.1"} 1.0')
    assert buckets(after, before, "a_seconds") == {0.1: 2.0, float("inf"): 5.0}
