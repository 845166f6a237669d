// Changes to protected environments need a ticket, and approval where the risk is high.

#include "portcullis.h"

#define CODE "example.{{name}}"

// What the policy reads of a request, in the order of policy.json.
enum { ACTION, ENVIRONMENT, TICKET, RISK };
const char *const pc_inputs[] = {"/action/name", "/context/environment", "/context/change/ticket", "/context/change/risk"};
const size_t pc_inputs_length = sizeof pc_inputs / sizeof *pc_inputs;

// The settings: they stay in memory for every decision.
static pc_texts protected;
static int64_t escalate_from;

void policy_configure(const pc_json *settings) {
  static const char *const names[] = {"protected", "escalate_from"};
  pc_settings_are(settings, names, 2);
  protected = pc_setting_texts(settings, "protected", 1);
  escalate_from = pc_setting_integer(settings, "escalate_from", 70, 0, 100);
}

void policy_evaluate(const pc_value *inputs) {
  pc_string action, environment, ticket;
  int64_t risk;
  // All of them first: a field of another type is a fault, whatever the others say.
  bool has_action = pc_read_text(inputs, ACTION, &action);
  bool has_environment = pc_read_text(inputs, ENVIRONMENT, &environment);
  bool has_ticket = pc_read_text(inputs, TICKET, &ticket);
  bool has_risk = pc_read_integer(inputs, RISK, &risk);
  if (!has_action) {
    pc_fail("/action/name is missing");
    return;
  }
  if (!pc_equal(action, pc_text("deploy"))) {
    pc_abstain();
    return;
  }
  if (!has_environment || environment.length == 0) {
    pc_provide(pc_deny(CODE ".environment-missing", "say which environment"), "/context/environment");
    return;
  }
  if (!pc_contains(protected, environment)) {
    pc_allow(CODE ".open", "%s is not protected", environment.data);
    return;
  }
  if (!has_ticket || ticket.length == 0) {
    pc_finding *finding = pc_deny(CODE ".ticket-missing", "%s is protected: name the ticket", environment.data);
    pc_provide(pc_at(finding, "/context/change/ticket"), "/context/change/ticket");
    return;
  }
  pc_at(pc_allow(CODE ".ticketed", "the ticket is %s", ticket.data), "/context/change/ticket");
  if (!has_risk) {
    pc_provide(pc_warn(CODE ".risk-unknown", "say how risky the change is"), "/context/change/risk");
  } else if (risk >= escalate_from) {
    static const char *const roles[] = {"release-manager"};
    pc_finding *finding = pc_escalate(CODE ".risk-high", "the risk is %lld, and from %lld on it needs approval",
                                      (long long)risk, (long long)escalate_from);
    pc_approve(pc_at(finding, "/context/change/risk"), roles, 1, 1, 60);
  }
  pc_param(pc_param(pc_oblige("notify"), "channel", pc_text("releases")), "ticket", ticket);
}
