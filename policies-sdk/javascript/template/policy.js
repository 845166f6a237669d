// Changes to protected environments need a ticket, and approval where the risk is high.
import description from "./policy.json" with { type: "json" };
import { abstain, allow, answer, definePolicy, deny, escalate, integer, text, warn } from "./sdk/portcullis.js";

const CODE = "example.{{name}}";

export const { configure, evaluate } = definePolicy({
  description,

  // What the policy reads of a request, in the order of policy.json. A field of another type is a fault.
  inputs: {
    action: text("/action/name"),
    environment: text("/context/environment").optional(),
    ticket: text("/context/change/ticket").optional(),
    risk: integer("/context/change/risk").optional(),
  },

  evaluate({ action, environment, ticket, risk }, settings) {
    if (action !== "deploy") return abstain();
    if (!environment) {
      return deny(`${CODE}.environment-missing`, "say which environment").provide("/context/environment");
    }
    if (!settings.protected.includes(environment)) {
      return allow(`${CODE}.open`, `${environment} is not protected`);
    }
    if (!ticket) {
      return deny(`${CODE}.ticket-missing`, `${environment} is protected: name the ticket`)
        .at("/context/change/ticket")
        .provide("/context/change/ticket");
    }
    const findings = [allow(`${CODE}.ticketed`, `the ticket is ${ticket}`).at("/context/change/ticket")];
    if (risk === undefined) {
      findings.push(warn(`${CODE}.risk-unknown`, "say how risky the change is").provide("/context/change/risk"));
    } else if (risk >= settings.escalate_from) {
      findings.push(
        escalate(`${CODE}.risk-high`, `the risk is ${risk}, and from ${settings.escalate_from} on it needs approval`)
          .at("/context/change/risk")
          .approve(["release-manager"], 1, 60),
      );
    }
    return answer(findings).oblige("notify", { channel: "releases", ticket });
  },
});
