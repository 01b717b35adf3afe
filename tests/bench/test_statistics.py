from heliograph.bench.statistics import bucket_quantile, quantile


def test_quantiles_of_values() -> None:
    assert quantile([], 0.5) == 0
    assert quantile(range(101), 0.5) == 50
    assert quantile(range(101), 1) == 100


def test_quantiles_of_buckets_are_linear_inside_a_bucket() -> None:
    buckets = {1.0: 0.0, 2.0: 100.0, float("inf"): 100.0}
    assert bucket_quantile(buckets, 0.5) == 1.5
    assert bucket_quantile({1.0: 0.0, float("inf"): 10.0}, 0.5) == 1.0
    assert bucket_quantile({}, 0.5) == 0
