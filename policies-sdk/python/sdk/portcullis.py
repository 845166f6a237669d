"""Policies for Portcullis in Python.

A policy sees its settings and the request fields that it declares, and nothing else: no clock, no randomness, no files. An
exception is a fault with its message, and a fault counts as the strictest outcome that the policy set lets the policy cause.

    POLICY = Policy(inputs=[...], evaluate=evaluate)

in policy.py is what `portcullis policy build` looks for. Everything here works without WebAssembly too, for unit tests.
"""

from __future__ import annotations

import json as _json
from dataclasses import dataclass, field
from typing import Any, Callable, Iterable, Mapping, Sequence

OUTCOMES = ("deny", "escalate", "acknowledge", "defer", "warn", "allow")
MAX_TEXT_BYTES = 4096


# Answers


@dataclass
class Finding:
    """One thing that a policy has to say. Each method returns the finding itself."""

    outcome: str
    code: str
    message: str
    pointer: str | None = None
    requirement: tuple[str, Any] | None = None

    def at(self, pointer: str) -> Finding:
        """The request field that the finding is about, as a JSON pointer."""
        self.pointer = pointer
        return self

    def provide(self, pointer: str) -> Finding:
        """The request must carry this field: a JSON pointer."""
        self.requirement = ("provide", pointer)
        return self

    def approve(self, roles: Iterable[str], count: int = 1, within_minutes: int | None = None) -> Finding:
        """`count` people must approve, each with at least one of the roles."""
        self.requirement = ("approve", (list(roles), count, within_minutes))
        return self

    def statement(self, text: str) -> Finding:
        """The requester must accept this statement."""
        self.requirement = ("acknowledge", _cut(text))
        return self

    def wait_until(self, time: str) -> Finding:
        """Ask again at this time: RFC 3339."""
        self.requirement = ("wait-until", time)
        return self

    def oblige(self, kind: str, **params: Any) -> Answer:
        """An answer of this finding, with something that the host must do if it goes on."""
        return Answer([self]).oblige(kind, **params)


@dataclass
class Answer:
    """Findings, or an abstention (`None`), with obligations."""

    findings: list[Finding] | None
    obligations: list[tuple[str, str]] = field(default_factory=list)

    def oblige(self, kind: str, **params: Any) -> Answer:
        """Something that the host must do if it goes on: `notify`, `tag` ..."""
        self.obligations.append((kind, _json.dumps(params, ensure_ascii=False, separators=(",", ":"))))
        return self


def say(outcome: str, code: str, message: str) -> Finding:
    """A finding; the code is `team.policy.reason`."""
    if outcome not in OUTCOMES:
        raise ValueError(f"{outcome} is no outcome: one of {', '.join(OUTCOMES)}")
    return Finding(outcome, code, _cut(message))


def allow(code: str, message: str) -> Finding:
    return say("allow", code, message)


def warn(code: str, message: str) -> Finding:
    return say("warn", code, message)


def defer(code: str, message: str) -> Finding:
    return say("defer", code, message)


def acknowledge(code: str, message: str) -> Finding:
    return say("acknowledge", code, message)


def escalate(code: str, message: str) -> Finding:
    return say("escalate", code, message)


def deny(code: str, message: str) -> Finding:
    return say("deny", code, message)


def abstain() -> Answer:
    """Not my business. Never lets a request go on by itself."""
    return Answer(None)


def answer(findings: Iterable[Finding]) -> Answer:
    """Several findings; the strictest counts."""
    return Answer(list(findings))


# Inputs


class Json(str):
    """An object or a list, as JSON text."""


MISSING = object()
"""The value of a field that the request does not have."""


@dataclass(frozen=True)
class Input:
    """A request field. Where it is missing, null or of another type, that is a fault."""

    pointer: str
    kind: str
    read: Callable[[Any], Any]
    is_optional: bool = False

    def optional(self) -> Input:
        """Missing and null are `None`; another type is a fault still."""
        return Input(self.pointer, self.kind, self.read, True)


_WRONG = object()


def text(pointer: str) -> Input:
    return Input(pointer, "a string", lambda v: v if isinstance(v, str) and not isinstance(v, Json) else _WRONG)


def boolean(pointer: str) -> Input:
    return Input(pointer, "true or false", lambda v: v if isinstance(v, bool) else _WRONG)


def integer(pointer: str) -> Input:
    return Input(pointer, "an integer", lambda v: v if type(v) is int else _WRONG)


def number(pointer: str) -> Input:
    return Input(pointer, "a number", lambda v: float(v) if type(v) in (int, float) else _WRONG)


def json(pointer: str) -> Input:
    """An object or a list."""
    return Input(pointer, "an object or a list", lambda v: _json.loads(v) if isinstance(v, Json) else _WRONG)


def _read(declared: Input, value: Any) -> Any:
    if value is MISSING or value is None:
        if declared.is_optional:
            return None
        raise ValueError(f"{declared.pointer} is missing: expected {declared.kind}")
    read = declared.read(value)
    if read is _WRONG:
        raise ValueError(f"{declared.pointer} is not {declared.kind}")
    return read


# Policies


@dataclass
class Policy:
    """What a policy reads, and how it judges.

    `evaluate` is called with the inputs by keyword, and the settings as `settings`. `prepare` works on the settings once, at
    load, after they were checked by the schema in policy.json and have its defaults.
    """

    inputs: Mapping[str, Input]
    evaluate: Callable[..., Finding | Sequence[Finding] | Answer]
    prepare: Callable[[dict], Any] = lambda settings: settings
    schema: dict = field(default_factory=lambda: {"type": "object", "additionalProperties": False})
    settings: Any = None


class SettingsProblem(Exception):
    """Something wrong with the settings that the schema cannot say; raise it in `prepare`."""

    def __init__(self, at: str, message: str):
        super().__init__(message)
        self.at = at


class SettingsProblems(Exception):
    """Everything that is wrong with the settings: (JSON pointer, message)."""

    def __init__(self, problems: list[tuple[str, str]]):
        super().__init__("; ".join(f"{at}: {message}" for at, message in problems))
        self.problems = problems


def check(policy: Policy, description: str) -> None:
    """Called where the policy is built: the description lists the inputs, and its schema holds nothing that is not checked."""
    described = _json.loads(description)
    pointers = [declared.pointer for declared in policy.inputs.values()]
    if pointers != described["inputs"]:
        raise ValueError(f"policy.json lists the inputs {described['inputs']}, the policy reads {pointers}")
    policy.schema = described.get("settings_schema", policy.schema)
    _check_schema(policy.schema, "/settings_schema")


def configure(policy: Policy, settings: str) -> list[str]:
    problems: list[tuple[str, str]] = []
    given = _conform(_json.loads(settings), policy.schema, "", problems)
    if problems:
        raise SettingsProblems(problems)
    try:
        policy.settings = policy.prepare(given)
    except SettingsProblem as error:
        raise SettingsProblems([(error.at, str(error))]) from None
    except Exception as error:
        raise SettingsProblems([("", explain(error))]) from None
    return [declared.pointer for declared in policy.inputs.values()]


def evaluate(policy: Policy, values: Sequence[Any]) -> Answer:
    """Judges; `values` are those of the inputs, in order: str, int, float, bool, None, `Json`, or `MISSING`."""
    read = {name: _read(declared, value) for (name, declared), value in zip(policy.inputs.items(), values, strict=True)}
    said = policy.evaluate(**read, settings=policy.settings)
    whole = said if isinstance(said, Answer) else Answer([said] if isinstance(said, Finding) else list(said))
    if whole.findings is not None and not all(isinstance(finding, Finding) for finding in whole.findings):
        raise TypeError("evaluate returns a finding, a list of findings, answer(..) or abstain()")
    return whole


def explain(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _cut(text: str) -> str:
    return text.encode()[:MAX_TEXT_BYTES].decode(errors="ignore") if len(text) * 4 > MAX_TEXT_BYTES else text


# Settings: a subset of JSON schema, the same in every SDK

_KEYWORDS = {
    "type", "properties", "required", "additionalProperties", "items", "enum", "minimum", "maximum", "minItems",
    "maxItems", "minLength", "maxLength", "default", "title", "description", "$schema",
}  # fmt: skip
_TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda v: isinstance(v, dict),
    "array": lambda v: isinstance(v, list),
    "string": lambda v: isinstance(v, str),
    "integer": lambda v: type(v) is int,
    "number": lambda v: type(v) in (int, float),
    "boolean": lambda v: isinstance(v, bool),
}


def _check_schema(schema: dict, at: str) -> None:
    for keyword in schema:
        if keyword not in _KEYWORDS:
            raise ValueError(f"{at}/{keyword}: this keyword is not checked; leave it out")
    if schema.get("type") not in _TYPES:
        raise ValueError(f"{at}/type is not one of {', '.join(_TYPES)}")
    for name, inner in schema.get("properties", {}).items():
        _check_schema(inner, f"{at}/properties/{name}")
    if "items" in schema:
        _check_schema(schema["items"], f"{at}/items")


def _conform(value: Any, schema: dict, at: str, problems: list[tuple[str, str]]) -> Any:
    """The value with defaults; what is wrong with it goes into `problems`."""

    def bound(keyword: str, broken: Callable[[Any], bool], message: str) -> None:
        if keyword in schema and broken(schema[keyword]):
            problems.append((at, message.format(schema[keyword])))

    if not _TYPES[schema["type"]](value):
        problems.append((at, f"is not of the type {schema['type']}"))
        return value
    if "enum" in schema and value not in schema["enum"]:
        problems.append((at, f"is not one of {', '.join(map(str, schema['enum']))}"))
    if schema["type"] in ("integer", "number"):
        bound("minimum", lambda limit: value < limit, "is less than {}")
        bound("maximum", lambda limit: value > limit, "is more than {}")
    if schema["type"] == "string":
        bound("minLength", lambda limit: len(value) < limit, "is shorter than {}")
        bound("maxLength", lambda limit: len(value) > limit, "is longer than {}")
    if schema["type"] == "array":
        bound("minItems", lambda limit: len(value) < limit, "has fewer than {} entries")
        bound("maxItems", lambda limit: len(value) > limit, "has more than {} entries")
        inner = schema.get("items")
        return [_conform(v, inner, f"{at}/{n}", problems) for n, v in enumerate(value)] if inner else value
    if schema["type"] != "object":
        return value
    properties = schema.get("properties", {})
    if schema.get("additionalProperties") is False:
        problems.extend((f"{at}/{_escape(name)}", "is not known here") for name in value if name not in properties)
    whole = dict(value)
    for name, inner in properties.items():
        if name in value:
            whole[name] = _conform(value[name], inner, f"{at}/{_escape(name)}", problems)
        elif "default" in inner:
            whole[name] = inner["default"]
        elif name in schema.get("required", ()):
            problems.append((f"{at}/{_escape(name)}", "is missing"))
    return whole


def _escape(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


# The host. In a component, `attach` connects what follows with it; a unit test replaces `host`'s attributes.


class _Host:
    world: Any = None
    types: Any = None


host = _Host()


def attach(world: Any, types: Any) -> None:
    host.world, host.types = world, types


def lift(value: Any) -> Any:
    """The contract's value of a field as Python's."""
    kind = type(value).__name__
    if kind == "Value_Missing":
        return MISSING
    if kind == "Value_Null":
        return None
    return Json(value.value) if kind == "Value_Json" else value.value


def lower(said: Answer) -> Any:
    """An answer as the contract's."""
    types = host.types

    def requirement(required: tuple[str, Any] | None) -> Any:
        if required is None:
            return None
        kind, value = required
        if kind == "approve":
            return types.Requirement_Approve(types.Approval(*value))
        cases = {"acknowledge": "Acknowledge", "provide": "Provide", "wait-until": "WaitUntil"}
        return getattr(types, f"Requirement_{cases[kind]}")(value)

    obligations = [types.Obligation(kind, params) for kind, params in said.obligations]
    if said.findings is None:
        return types.Answer(types.Verdict_Abstain(), obligations)
    findings = [
        types.Finding(getattr(types.Outcome, f.outcome.upper()), f.code, f.message, f.pointer, requirement(f.requirement))
        for f in said.findings
    ]
    return types.Answer(types.Verdict_Findings(findings), obligations)


def _call(name: str, *args: Any) -> Any:
    function = getattr(host.world, name, None)
    if function is None:
        raise RuntimeError(f'policy.json does not list "{name}" in "imports"')
    return function(*args)


def _plain(value: Any) -> Any:
    value = lift(value)
    return _json.loads(value) if isinstance(value, Json) else value


def log(message: str) -> None:
    """Writes a line to the record of this evaluation."""
    _call("log", message)


def data(document: str, pointer: str = "") -> Any:
    """The value at a JSON pointer of a reference document; `MISSING` where there is none."""
    return _plain(_call("data", document, pointer))


def request(pointers: list[str]) -> list[Any]:
    """Request fields that could not be declared."""
    return [_plain(value) for value in _call("request", pointers)]


def history(
    within_minutes: int,
    action: str | None = None,
    resource_type: str | None = None,
    resource_id: str | None = None,
    outcomes: Iterable[str] = (),
) -> Any:
    """How often something was decided in the last `within_minutes`: `.count`, `.oldest`, `.latest`."""
    listed = [getattr(host.types.Outcome, outcome.upper()) for outcome in outcomes]
    return _call("history", host.types.HistoryQuery(action, resource_type, resource_id, listed, within_minutes))
