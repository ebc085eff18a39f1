"""
Simulated rollouts, judges side by side, and what each of them would have done.

Not used by a release: it serves ``phasegate backtest``, the benchmarks and the tests.
"""
