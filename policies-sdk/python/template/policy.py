"""Changes to protected environments need a ticket, and approval where the risk is high."""

from sdk.portcullis import Answer, Finding, Policy, abstain, allow, answer, deny, escalate, integer, text, warn

CODE = "example.{{name}}"


def evaluate(
    action: str, environment: str | None, ticket: str | None, risk: int | None, settings: dict
) -> Finding | Answer:
    if action != "deploy":
        return abstain()
    if not environment:
        return deny(f"{CODE}.environment-missing", "say which environment").provide("/context/environment")
    if environment not in settings["protected"]:
        return allow(f"{CODE}.open", f"{environment} is not protected")
    if not ticket:
        return (
            deny(f"{CODE}.ticket-missing", f"{environment} is protected: name the ticket")
            .at("/context/change/ticket")
            .provide("/context/change/ticket")
        )
    findings = [allow(f"{CODE}.ticketed", f"the ticket is {ticket}").at("/context/change/ticket")]
    escalate_from = settings["escalate_from"]
    if risk is None:
        findings.append(warn(f"{CODE}.risk-unknown", "say how risky the change is").provide("/context/change/risk"))
    elif risk >= escalate_from:
        findings.append(
            escalate(f"{CODE}.risk-high", f"the risk is {risk}, and from {escalate_from} on it needs approval")
            .at("/context/change/risk")
            .approve(["release-manager"], 1, within_minutes=60)
        )
    return answer(findings).oblige("notify", channel="releases", ticket=ticket)


# What the policy reads of a request, in the order of policy.json. A field of another type is a fault.
POLICY = Policy(
    inputs={
        "action": text("/action/name"),
        "environment": text("/context/environment").optional(),
        "ticket": text("/context/change/ticket").optional(),
        "risk": integer("/context/change/risk").optional(),
    },
    evaluate=evaluate,
)
