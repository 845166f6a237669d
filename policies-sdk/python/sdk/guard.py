"""Makes what was frozen when the policy was built fail instead: imports, the clock and randomness."""

import builtins
import contextlib
import datetime
import random
import sys
import time


def _refuse(name, instead):
    def refused(*_args, **_kwargs):
        raise RuntimeError(f"{name} is not there in a policy: {instead}")

    return refused


class _DateTime(datetime.datetime):
    now = classmethod(_refuse("datetime.now", "declare the input /now"))
    utcnow = now
    today = now


@contextlib.contextmanager
def building():
    """Replaces clock and randomness before the policy's own modules can take references to them."""
    clock = "declare the input /now"
    varies = "everything that varies is an input"
    for name in ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "localtime", "gmtime"):
        setattr(time, name, _refuse(f"time.{name}", clock))
    time.sleep = _refuse("time.sleep", "a policy answers at once")
    for name in ("random", "randint", "randrange", "choice", "choices", "shuffle", "sample", "uniform", "getrandbits"):
        setattr(random, name, _refuse(f"random.{name}", varies))
    datetime.datetime = _DateTime
    random.SystemRandom = _refuse("random.SystemRandom", varies)
    with contextlib.suppress(ImportError):
        import os

        os.urandom = _refuse("os.urandom", varies)
    yield


def seal():
    """No module can be imported from here on but those that are there: the files are not part of the component."""
    find = builtins.__import__

    def only_known(name, globals=None, locals=None, fromlist=(), level=0):
        if level == 0 and name not in sys.modules:
            raise ImportError(f"import {name} at the top of policy.py: what is imported late is not in the component")
        return find(name, globals, locals, fromlist, level)

    builtins.__import__ = only_known
