"""The benchmark: hilum against a floor that does the same durable work with nothing around it.

See docs/benchmarks.md.
"""
