import os

from hypothesis import settings

# no deadline: the first example of a property may have to compile a kernel
settings.register_profile("stromal", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("stromal")
