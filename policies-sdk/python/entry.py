"""What `portcullis policy build` gives to componentize-py: the contract's world, answered by policy.py."""

import portcullis_description
from wit_world.imports import types
from componentize_py_types import Err

import wit_world
from sdk import guard, portcullis

portcullis.attach(wit_world, types)
with guard.building():
    import policy as _policy

portcullis.check(_policy.POLICY, portcullis_description.TEXT)
guard.seal()


class WitWorld(wit_world.WitWorld):
    def configure(self, settings):
        try:
            return portcullis.configure(_policy.POLICY, settings)
        except portcullis.SettingsProblems as error:
            raise Err([types.Problem(at, message) for at, message in error.problems]) from None

    def evaluate(self, inputs):
        try:
            return portcullis.lower(portcullis.evaluate(_policy.POLICY, [portcullis.lift(value) for value in inputs]))
        except Exception as error:  # Each is a fault with its message; what escapes would be a trap without one.
            raise Err(portcullis.explain(error)) from None
