use serde_json::json;

use crate::testing::*;
use crate::*;

use Outcome::{Acknowledge, Allow, Defer, Deny, Escalate, Warn};

fn all_of(names: &[&str]) -> SetParts {
    SetParts::new("test", policies(names))
}

fn at_least(n: u32, names: &[&str]) -> SetParts {
    let places: Vec<_> = (0..names.len()).collect();
    parts(names, node(Rule::AtLeast(n), leaves(&places)))
}

fn first_of(names: &[&str]) -> SetParts {
    let places: Vec<_> = (0..names.len()).collect();
    parts(names, node(Rule::FirstOf, leaves(&places)))
}

fn level(mut parts: SetParts, policy: usize, enforce: Outcome) -> SetParts {
    parts.policies[policy].enforce = enforce;
    parts
}

fn waived(mut parts: SetParts, waivers: Vec<Waiver>) -> SetParts {
    parts.waivers = waivers;
    parts
}

#[test]
fn all_of_the_strictest_decides_and_all_that_do_not_abstain_contribute() {
    let decision = decided(all_of(&["a", "b", "c", "d"]), vec![says(Allow), says(Escalate), abstains(), says(Warn)]);
    assert_eq!(decision.outcome(), Escalate);
    assert_eq!(contributing(&decision), ["a", "b", "d"]);
    assert_eq!(codes(&decision), ["sample.test.escalate", "sample.test.warn", "sample.test.allow"]);
    assert!(!decision.degraded());
}

#[test]
fn at_least_the_nth_most_lenient_decides() {
    let runs = || vec![says(Deny), says(Warn), says(Allow), says(Warn)];
    for (n, outcome, contribute) in
        [(1, Allow, &["c"][..]), (2, Warn, &["b", "c"]), (3, Warn, &["b", "c", "d"]), (4, Deny, &["a", "b", "c", "d"])]
    {
        let decision = decided(at_least(n, &["a", "b", "c", "d"]), runs());
        assert_eq!((decision.outcome(), contributing(&decision)), (outcome, contribute.to_vec()), "at-least {n}");
    }
}

#[test]
fn at_least_with_too_few_members_denies_and_says_so() {
    let mut set = at_least(3, &["a", "b", "c"]);
    set.root.name = Some("reviews".into());
    let decision = decided(set, vec![says(Allow), abstains(), says(Warn)]);
    assert_eq!(decision.outcome(), Deny);
    assert_eq!(codes(&decision), [TOO_FEW_APPLIED, "sample.test.warn", "sample.test.allow"]);
    let first = decision.findings().next().unwrap();
    assert_eq!(first.policy.as_deref(), Some("portcullis"));
    assert_eq!(first.message, "\"reviews\" needs 3 of its 3 members; only 2 applied");
    assert_eq!(contributing(&decision), ["a", "c"]);
}

#[test]
fn a_node_whose_members_all_abstain_abstains_and_a_root_that_abstains_denies() {
    for set in [all_of(&["a", "b"]), at_least(1, &["a", "b"]), at_least(2, &["a", "b"]), first_of(&["a", "b"])] {
        let decision = decided(set, vec![obliged(abstains(), "notify"), abstains()]);
        assert_eq!((decision.outcome(), codes(&decision)), (Deny, vec![NO_POLICY_APPLIED]));
        assert_eq!(contributing(&decision), [""; 0]);
        assert_eq!(decision.evaluated(), Evaluated { ran: 2, abstained: 2, skipped: 0, faulted: 0 });
        assert!(!decision.degraded());
    }
    let inner = Member::Node(node(Rule::AtLeast(2), leaves(&[1, 2])));
    let set = parts(&["a", "b", "c"], node(Rule::AllOf, vec![Member::Policy(0), inner]));
    assert_eq!(decided(set.clone(), vec![says(Allow), abstains(), abstains()]).outcome(), Allow);
    assert_eq!(decided(set, vec![says(Allow), says(Allow), abstains()]).outcome(), Deny);
}

#[test]
fn an_empty_set_denies() {
    let decision = decided(all_of(&[]), vec![says(Allow)]);
    assert_eq!((decision.outcome(), codes(&decision)), (Deny, vec![NO_POLICY_APPLIED]));
    assert_eq!(decision.evaluated(), Evaluated::default());
    assert!(!decision.proceeds());
}

#[test]
fn first_of_the_first_that_does_not_abstain_decides() {
    let names = &["a", "b", "c"];
    for (runs, outcome, contributes) in [
        (vec![abstains(), says(Warn), says(Deny)], Warn, "b"),
        (vec![says(Defer), says(Allow), says(Deny)], Defer, "a"),
        (vec![abstains(), faults(Fault::Fuel), says(Allow)], Deny, "b"),
        (vec![abstains(), abstains(), says(Acknowledge)], Acknowledge, "c"),
    ] {
        let decision = decided(first_of(names), runs);
        assert_eq!((decision.outcome(), contributing(&decision)), (outcome, vec![contributes]));
        assert_eq!(decision.evaluated().ran, 3);
    }
}

#[test]
fn only_what_contributes_from_the_root_on_has_its_findings_in_the_decision() {
    // any-of [ at-least 2 of [a, b], all-of [c, d] ]: the first has too few, the second decides.
    let too_few = Member::Node(node(Rule::AtLeast(2), leaves(&[0, 1])));
    let all = Member::Node(node(Rule::AllOf, leaves(&[2, 3])));
    let set = parts(&["a", "b", "c", "d"], node(Rule::AtLeast(1), vec![too_few, all]));
    let decision = decided(set.clone(), vec![says(Allow), abstains(), says(Warn), abstains()]);
    assert_eq!((decision.outcome(), codes(&decision)), (Warn, vec!["sample.test.warn"]));
    assert_eq!(contributing(&decision), ["c"]);
    // The same, and the second abstains: the deny of the first is all there is.
    let decision = decided(set, vec![says(Allow), abstains(), abstains(), abstains()]);
    assert_eq!((decision.outcome(), codes(&decision)), (Deny, vec![TOO_FEW_APPLIED, "sample.test.allow"]));
}

#[test]
fn ties_are_broken_in_the_trees_order_and_findings_keep_the_manifests() {
    let set = parts(&["a", "b", "c"], node(Rule::AtLeast(2), leaves(&[2, 0, 1])));
    let decision = decided(set, vec![says(Warn), says(Warn), says(Warn)]);
    assert_eq!(contributing(&decision), ["a", "c"]);
    let policies: Vec<_> = decision.findings().map(|finding| finding.policy.unwrap()).collect();
    assert_eq!(policies, ["a", "c"]);
}

#[test]
fn a_finding_above_the_level_is_recorded_as_said_and_counts_as_the_level() {
    let set = level(all_of(&["a", "b"]), 0, Escalate);
    let decision = decided(set, vec![answer(vec![finding(Deny, "x"), finding(Warn, "y")]), says(Allow)]);
    assert_eq!(decision.outcome(), Escalate);
    let finding = decision.findings().next().unwrap();
    assert_eq!((finding.outcome, finding.said, finding.waived), (Escalate, Deny, None));
    let trace = decision.policies().next().unwrap();
    assert_eq!((trace.said, trace.counted_as), (PolicySaid::Outcome(Deny), Some(Escalate)));
    assert!(!decision.degraded());
}

#[test]
fn a_fault_counts_as_the_level_and_below_deny_the_decision_is_degraded() {
    for enforce in Outcome::ALL {
        let set = level(all_of(&["a", "b"]), 0, enforce);
        let decision = decided(set, vec![faults(Fault::Time), says(Allow)]);
        assert_eq!((decision.outcome(), decision.degraded()), (enforce, enforce < Deny));
        let found = decision.findings().find(|finding| finding.policy.as_deref() == Some("a")).unwrap();
        assert_eq!((found.outcome, found.said, &*found.code), (enforce, enforce, "fault.time"));
        assert_eq!(found.message, Fault::Time.explain());
        let trace = decision.policies().next().unwrap();
        assert_eq!((trace.said, trace.counted_as), (PolicySaid::Fault, Some(enforce)));
        assert_eq!(
            trace.fault,
            Some(FaultTrace { code: "fault.time".into(), detail: "/secret/path: a detail".into() })
        );
        assert_eq!(decision.evaluated(), Evaluated { ran: 2, abstained: 0, skipped: 0, faulted: 1 });
    }
}

#[test]
fn the_faults_detail_is_nowhere_but_in_the_fault_of_its_policy() {
    let decision = decided(all_of(&["a"]), vec![faults(Fault::Abi)]);
    let mut json = serde_json::to_value(&decision).unwrap();
    let detail = json.pointer_mut("/policies/0/fault/detail").unwrap().take();
    assert_eq!(detail, "/secret/path: a detail");
    assert!(!json.to_string().contains("secret"));
}

#[test]
fn missing_and_empty_results_are_faults() {
    for runs in [vec![], vec![None], vec![None, says(Allow)], vec![answer(vec![])]] {
        let decision = decided(all_of(&["a"]), runs);
        assert_eq!(decision.outcome(), Deny);
        assert_eq!(decision.evaluated(), Evaluated { ran: 1, abstained: 0, skipped: 0, faulted: 1 });
    }
}

#[test]
fn advisory_policies_do_not_count_as_having_applied() {
    for enforce in [Allow, Warn] {
        let set = level(all_of(&["advisory", "real"]), 0, enforce);
        for run in [says(Allow), says(Deny), faults(Fault::Trap)] {
            let decision = decided(set.clone(), vec![run.clone(), abstains()]);
            assert_eq!((decision.outcome(), codes(&decision)), (Deny, vec![NO_POLICY_APPLIED]));
            assert!(decision.findings().next().unwrap().message.contains("only advisory"));
            // A fault that counted as less than deny is told even where it did not matter.
            assert_eq!(decision.degraded(), run == faults(Fault::Trap));
            let decision = decided(set.clone(), vec![run, says(Allow)]);
            assert!(decision.proceeds());
            assert_eq!(contributing(&decision), ["advisory", "real"]);
        }
    }
    // Nested: the inner node abstains, so it does not contribute beside a policy that applied.
    let inner = Member::Node(node(Rule::AllOf, leaves(&[0])));
    let set = level(parts(&["advisory", "real"], node(Rule::AllOf, vec![inner, Member::Policy(1)])), 0, Warn);
    let decision = decided(set, vec![says(Deny), says(Allow)]);
    assert_eq!((decision.outcome(), contributing(&decision)), (Allow, vec!["real"]));
}

#[test]
fn skipped_policies_and_nodes_are_not_looked_at() {
    let mut inner = node(Rule::AllOf, leaves(&[1, 2]));
    inner.when = when("/context/environment", "production");
    let mut set = parts(&["a", "b", "c"], node(Rule::AllOf, vec![Member::Policy(0), Member::Node(inner)]));
    set.policies[2].when = when("/action/name", "roll*");
    let request = request_in(&json!({ "environment": "staging" }));
    let pinned = pinned(set.clone());
    assert_eq!(select(&pinned, &request).policies().collect::<Vec<_>>(), [0]);
    let production = request_in(&json!({ "environment": "production" }));
    assert_eq!(select(&pinned, &production).policies().collect::<Vec<_>>(), [0, 1]);
    // A result of a skipped policy changes nothing.
    let decision = decided_in(&json!({ "environment": "staging" }), set, vec![says(Allow), says(Deny), says(Deny)]);
    assert_eq!((decision.outcome(), contributing(&decision)), (Allow, vec!["a"]));
    assert_eq!(decision.evaluated(), Evaluated { ran: 1, abstained: 0, skipped: 2, faulted: 0 });
    let trace = decision.policies().nth(1).unwrap();
    assert_eq!((trace.said, trace.counted_as, trace.fuel), (PolicySaid::Skipped, None, 0));
    assert!(trace.module_sha256.is_some());
}

#[test]
fn a_field_that_the_request_lacks_matches_unless_the_set_says_skip() {
    for context in [json!({}), json!({ "environment": null }), json!({ "environment": ["staging"] })] {
        for (absent, outcome) in [(Absent::Match, Deny), (Absent::Skip, Allow)] {
            let mut set = all_of(&["a", "b"]);
            set.absent = absent;
            set.policies[0].when = when("/context/environment", "production");
            assert_eq!(decided_in(&context, set, vec![says(Deny), says(Allow)]).outcome(), outcome, "{context}");
        }
    }
}

#[test]
fn a_waiver_relaxes_its_code_and_stays_visible() {
    let set = waived(all_of(&["a", "b"]), vec![waiver(0, "sample.test.deny", Warn)]);
    let decision = decided(set, vec![answer(vec![finding(Deny, "deny"), finding(Defer, "defer")]), says(Allow)]);
    assert_eq!(decision.outcome(), Defer);
    let waived = decision.findings().find(|finding| finding.code == "sample.test.deny").unwrap();
    assert_eq!((waived.outcome, waived.said), (Warn, Deny));
    assert_eq!(waived.waived.unwrap().owner, "alice@example.com");
    assert!(decision.degraded());
    assert_eq!(decision.waivers().next().unwrap().status, WaiverStatus::Applied);
    assert_eq!(decision.policies().next().unwrap().counted_as, Some(Defer));
}

#[test]
fn a_waiver_to_allow_lets_its_policy_count_as_having_applied() {
    let set = waived(all_of(&["a"]), vec![waiver(0, "sample.test.deny", Allow)]);
    let decision = decided(set, vec![says(Deny)]);
    assert_eq!((decision.outcome(), decision.degraded()), (Allow, true));
}

#[test]
fn a_waiver_of_a_fault_names_the_faults_code() {
    for (fault, outcome) in [(Fault::Time, Warn), (Fault::Fuel, Deny)] {
        let set = waived(all_of(&["a"]), vec![waiver(0, "fault.time", Warn)]);
        let decision = decided(set, vec![faults(fault)]);
        assert_eq!((decision.outcome(), decision.degraded()), (outcome, outcome == Warn));
        let found = decision.findings().next().unwrap();
        assert_eq!((&*found.code, found.said, found.waived.is_some()), (fault.code(), Deny, outcome == Warn));
        assert_eq!(decision.evaluated().faulted, 1);
    }
}

#[test]
fn a_waiver_that_makes_no_difference_is_unused() {
    let other_policy = waiver(1, "sample.test.deny", Warn);
    let other_code = waiver(0, "sample.test.other", Warn);
    let not_lower = Waiver { code: "sample.test.defer".into(), ..waiver(0, "", Acknowledge) };
    let set = waived(all_of(&["a", "b"]), vec![other_policy, other_code, not_lower]);
    let decision = decided(set, vec![answer(vec![finding(Deny, "deny"), finding(Defer, "defer")]), says(Allow)]);
    assert_eq!((decision.outcome(), decision.degraded()), (Deny, false));
    assert!(decision.waivers().all(|waiver| waiver.status == WaiverStatus::Unused));
    // Under a lowered level the finding already counts as what the waiver would make of it.
    let mut set = waived(level(all_of(&["a", "b"]), 0, Escalate), vec![waiver(0, "sample.test.deny", Acknowledge)]);
    set.policies[0].enforce = Acknowledge;
    set.waivers[0].becomes = Defer;
    assert_eq!(decided(set, vec![says(Deny), says(Allow)]).outcome(), Defer);
}

#[test]
fn the_most_lenient_of_several_waivers_applies() {
    let waivers = vec![
        waiver(0, "sample.test.deny", Escalate),
        waiver(0, "sample.test.deny", Warn),
        waiver(0, "sample.test.deny", Warn),
    ];
    let decision = decided(waived(all_of(&["a"]), waivers), vec![says(Deny)]);
    assert_eq!(decision.outcome(), Warn);
    let statuses: Vec<_> = decision.waivers().map(|waiver| waiver.status).collect();
    assert_eq!(statuses, [WaiverStatus::Unused, WaiverStatus::Applied, WaiverStatus::Unused]);
}

#[test]
fn a_waiver_applies_before_its_end_and_not_from_it_on() {
    for (until, status, outcome) in [
        ("2026-03-14T09:30:00.001Z", WaiverStatus::Applied, Warn),
        (NOW, WaiverStatus::Expired, Deny),
        ("2026-03-14T09:29:59Z", WaiverStatus::Expired, Deny),
    ] {
        let ending = Waiver { until: time(until), ..waiver(0, "sample.test.deny", Warn) };
        let decision = decided(waived(all_of(&["a"]), vec![ending]), vec![says(Deny)]);
        assert_eq!((decision.outcome(), decision.waivers().next().unwrap().status), (outcome, status), "{until}");
    }
}

#[test]
fn leaving_a_field_out_does_not_earn_a_waiver() {
    let staging = Waiver { when: when("/context/environment", "staging"), ..waiver(0, "sample.test.deny", Warn) };
    let set = waived(all_of(&["a"]), vec![staging]);
    assert_eq!(set.absent, Absent::Match);
    for (context, outcome) in [
        (json!({ "environment": "staging" }), Warn),
        (json!({ "environment": "production" }), Deny),
        (json!({ "environment": null }), Deny),
        (json!({}), Deny),
    ] {
        assert_eq!(decided_in(&context, set.clone(), vec![says(Deny)]).outcome(), outcome, "{context}");
    }
}

#[test]
fn a_proceeding_decision_holds_for_a_time_but_not_past_an_applied_waiver() {
    let ending = |until| Waiver { until: time(until), ..waiver(0, "sample.test.deny", Warn) };
    let holds = |waivers, run| decided(waived(all_of(&["a"]), waivers), vec![run]).valid_until();
    assert_eq!(holds(vec![], says(Allow)), Some(time("2026-03-14T09:35:00Z")));
    assert_eq!(holds(vec![], says(Deny)), None);
    assert_eq!(holds(vec![ending("2026-03-14T09:31:00Z")], says(Deny)), Some(time("2026-03-14T09:31:00Z")));
    assert_eq!(holds(vec![ending("2026-03-14T10:00:00Z")], says(Deny)), Some(time("2026-03-14T09:35:00Z")));
    assert_eq!(holds(vec![ending("2026-03-14T09:31:00Z")], says(Allow)), Some(time("2026-03-14T09:35:00Z")));
}

#[test]
fn open_requirements_are_listed_once_the_strictest_first() {
    let asking = |outcome, requirement: &Requirement| Finding {
        requirement: Some(requirement.clone()),
        ..finding(outcome, "asks")
    };
    let provide = Requirement::Provide { pointer: "/context/ticket".into() };
    let approve = Requirement::Approve { roles: vec!["cto".into()], count: 1, within_minutes: None };
    let wait = Requirement::WaitUntil { time: NOW.into() };
    let decision = decided(
        all_of(&["a", "b", "c"]),
        vec![
            answer(vec![asking(Defer, &provide), asking(Warn, &wait)]),
            answer(vec![asking(Escalate, &approve), asking(Defer, &provide)]),
            abstains(),
        ],
    );
    assert_eq!(decision.requirements(), [&approve, &provide]);
    // What does not contribute asks for nothing; what proceeds has nothing open.
    let decision = decided(at_least(1, &["a", "b"]), vec![answer(vec![asking(Escalate, &approve)]), says(Allow)]);
    assert!(decision.proceeds() && decision.requirements().is_empty());
    // A lowered level closes what it no longer asks for.
    let set = level(all_of(&["a", "b"]), 0, Warn);
    assert!(decided(set, vec![answer(vec![asking(Escalate, &approve)]), says(Allow)]).requirements().is_empty());
}

#[test]
fn obligations_count_from_contributing_policies_of_a_proceeding_decision() {
    let kinds = |decision: &Decision| {
        decision
            .obligations()
            .map(|obligation| format!("{}:{}", obligation.policy, obligation.kind))
            .collect::<Vec<_>>()
    };
    let runs = |last| vec![obliged(says(Allow), "tag"), obliged(abstains(), "review"), obliged(says(last), "notify")];
    let decision = decided(all_of(&["a", "b", "c"]), runs(Warn));
    assert_eq!(kinds(&decision), ["a:tag", "c:notify"]);
    assert!(kinds(&decided(all_of(&["a", "b", "c"]), runs(Defer))).is_empty());
    assert_eq!(kinds(&decided(at_least(1, &["a", "b", "c"]), runs(Warn))), ["a:tag"]);
}

#[test]
fn allow_and_warn_alone_proceed_and_hold_for_a_time() {
    for outcome in Outcome::ALL {
        let decision = decided(all_of(&["a"]), vec![says(outcome)]);
        assert_eq!(decision.proceeds(), matches!(outcome, Allow | Warn));
        assert_eq!(decision.valid_until().is_some(), matches!(outcome, Allow | Warn));
    }
}
