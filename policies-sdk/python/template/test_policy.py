"""`python3 -m unittest`: the policy's functions without WebAssembly. The cases in cases/ run against the component."""

import pathlib
import unittest

from policy import POLICY
from sdk import portcullis

portcullis.check(POLICY, pathlib.Path(__file__).with_name("policy.json").read_text())


class PolicyTest(unittest.TestCase):
    def test_a_protected_environment_needs_a_ticket(self):
        portcullis.configure(POLICY, '{"protected": ["production"]}')
        answer = portcullis.evaluate(POLICY, ["deploy", "production", portcullis.MISSING, 10])
        self.assertEqual([(f.outcome, f.code) for f in answer.findings], [("deny", "example.{{name}}.ticket-missing")])

    def test_what_is_wrong_with_the_settings_is_said_with_its_place(self):
        with self.assertRaises(portcullis.SettingsProblems) as raised:
            portcullis.configure(POLICY, '{"protected": [""], "escalate": 1}')
        self.assertEqual([at for at, _ in raised.exception.problems], ["/escalate", "/protected/0"])


if __name__ == "__main__":
    unittest.main()
