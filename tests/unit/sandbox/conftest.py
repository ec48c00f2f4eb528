"""Hypothesis without a deadline: the first example pays for pyarrow's and numpy's imports."""

from hypothesis import settings

settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")
