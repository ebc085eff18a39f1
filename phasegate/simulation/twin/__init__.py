"""
The judge's evidence for thousands of rollouts at once.

The same formulas as ``phasegate.domain.judge``, on arrays; a test holds both equal, minute by
minute. The domain stays the only judge of a release; this one makes its tables.
"""
