"""Settings for every test."""

import os

from hypothesis import settings

# The gate tries the same examples every time; STROMAL_EXPLORE=1 looks for new ones. No deadline:
# the first example of a property may have to compile a kernel.
explore = "STROMAL_EXPLORE" in os.environ
settings.register_profile(
    "stromal", deadline=None, derandomize=not explore, max_examples=1000 if explore else 100
)
settings.load_profile("stromal")
