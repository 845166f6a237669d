//! A second implementation of how a decision is made, written from the design's text alone (law 8).
//!
//! It shares no type and no code with `portcullis-gate`. Matchers are data here: a case says whether each `when`
//! matches. Comments that begin with "Reading:" say how that text was read where it leaves more than one way.

/// By rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rank {
    Allow,
    Warn,
    Defer,
    Acknowledge,
    Escalate,
    Deny,
}

/// A policy set with what its policies said. `policies` stand in the manifest's order.
#[derive(Clone, Debug)]
pub struct Case {
    pub policies: Vec<Policy>,
    pub root: Tree,
    pub waivers: Vec<Waiver>,
}

/// A leaf: `enforce` is valid for its place in the tree.
#[derive(Clone, Debug)]
pub struct Policy {
    pub enforce: Rank,
    pub matches: bool,
    pub said: Said,
    /// Kinds; none where it faulted.
    pub obligations: Vec<String>,
}

/// `Findings` is not empty; a fault is its code.
#[derive(Clone, Debug)]
pub enum Said {
    Abstain,
    Findings(Vec<Finding>),
    Fault(&'static str),
}

/// The requirement is an opaque name.
#[derive(Clone, Debug)]
pub struct Finding {
    pub rank: Rank,
    pub code: String,
    pub requirement: Option<String>,
}

/// A leaf is an index into `policies`; each policy stands in the tree once.
#[derive(Clone, Debug)]
pub enum Tree {
    Leaf(usize),
    Node { rule: Rule, matches: bool, members: Vec<Tree> },
}

/// `any-of` is `AtLeast(1)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    AllOf,
    AtLeast(usize),
    FirstOf,
}

/// `ended`: the request came past its end.
#[derive(Clone, Debug)]
pub struct Waiver {
    pub policy: usize,
    pub code: String,
    pub matches: bool,
    pub becomes: Rank,
    pub ended: bool,
}

/// The decision of one case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    pub rank: Rank,
    pub proceed: bool,
    pub degraded: bool,
    pub ran: usize,
    pub abstained: usize,
    pub skipped: usize,
    pub faulted: usize,
    pub policies: Vec<Part>,
    pub findings: Vec<Shown>,
    /// Of the findings that stand in the way, in their order, each once.
    pub requirements: Vec<String>,
    /// Policy and kind.
    pub obligations: Vec<(usize, String)>,
    pub waivers: Vec<Status>,
}

/// One policy's part in a decision. `said` is empty for a policy that was skipped, abstained or faulted, and
/// `counted` for one that was skipped or abstained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub said: Option<Rank>,
    pub counted: Option<Rank>,
    pub contributes: bool,
}

/// A finding of the decision; the host's own have no policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    pub counted: Rank,
    pub code: String,
    pub policy: Option<usize>,
}

/// What became of a waiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    Applied,
    Expired,
    Unused,
}

/// Decides a case.
pub fn decide(case: &Case) -> Decided {
    let mut reached = vec![false; case.policies.len()];
    reach(&case.root, case, &mut reached);
    let mut waivers: Vec<Status> =
        case.waivers.iter().map(|w| if w.ended { Status::Expired } else { Status::Unused }).collect();
    let leaves: Vec<Option<Vec<(Rank, Finding)>>> = case
        .policies
        .iter()
        .enumerate()
        .map(|(index, policy)| if reached[index] { count(index, policy, &case.waivers, &mut waivers) } else { None })
        .collect();
    let counted: Vec<Option<Rank>> =
        leaves.iter().map(|leaf| leaf.as_ref().and_then(|f| f.iter().map(|(rank, _)| *rank).max())).collect();

    let mut hosts = Vec::new();
    let weight = weigh(&case.root, case, &counted);
    let (rank, mut contributing) = match weight {
        Some(weight) => {
            hosts.extend(std::iter::repeat_n("portcullis.too-few-applied", weight.too_few));
            (weight.rank, weight.policies)
        }
        None => {
            hosts.push("portcullis.no-policy-applied");
            (Rank::Deny, Vec::new())
        }
    };
    let proceed = rank <= Rank::Warn;
    // Reading: where ranks tie, the host's own findings come first, then the policies' in the manifest's order.
    contributing.sort_unstable();
    let host = |code: &&str| (Shown { counted: Rank::Deny, code: (*code).into(), policy: None }, None);
    let mut shown: Vec<(Shown, Option<String>)> = hosts.iter().map(host).collect();
    for &index in &contributing {
        for (counted, finding) in leaves[index].iter().flatten() {
            // Reading: a requirement is open where its finding, as counted, stands in the way.
            let open = finding.requirement.clone().filter(|_| *counted > Rank::Warn);
            shown.push((Shown { counted: *counted, code: finding.code.clone(), policy: Some(index) }, open));
        }
    }
    shown.sort_by_key(|(shown, _)| std::cmp::Reverse(shown.counted));
    let mut requirements: Vec<String> = Vec::new();
    for open in shown.iter().filter_map(|(_, open)| open.as_ref()) {
        if !requirements.contains(open) {
            requirements.push(open.clone());
        }
    }

    // Reading: only contributing members oblige, and one that abstains does not contribute.
    let obligations = contributing
        .iter()
        .filter(|_| proceed)
        .flat_map(|&index| case.policies[index].obligations.iter().map(move |kind| (index, kind.clone())));
    let said = |test: fn(&Said) -> bool| {
        case.policies.iter().zip(&reached).filter(|(policy, reached)| **reached && test(&policy.said)).count()
    };
    // Reading: a fault or a waiver degrades the decision wherever it stands in the tree.
    let lenient_fault = (0..counted.len()).any(|index| {
        matches!(case.policies[index].said, Said::Fault(_)) && counted[index].is_some_and(|c| c < Rank::Deny)
    });
    Decided {
        rank,
        proceed,
        degraded: lenient_fault || waivers.contains(&Status::Applied),
        ran: said(|_| true),
        abstained: said(|said| matches!(said, Said::Abstain)),
        skipped: reached.iter().filter(|reached| !**reached).count(),
        faulted: said(|said| matches!(said, Said::Fault(_))),
        policies: (0..counted.len())
            .map(|index| Part {
                said: leaves[index].as_ref().and_then(|_| strictest(&case.policies[index].said)),
                counted: counted[index],
                contributes: contributing.contains(&index),
            })
            .collect(),
        obligations: obligations.collect(),
        requirements,
        findings: shown.into_iter().map(|(shown, _)| shown).collect(),
        waivers,
    }
}

/// Marks the policies that run: those whose own matcher and whose ancestors' matchers all match.
fn reach(tree: &Tree, case: &Case, reached: &mut [bool]) {
    match tree {
        Tree::Leaf(index) => reached[*index] = case.policies[*index].matches,
        Tree::Node { matches: false, .. } => {}
        Tree::Node { members, .. } => members.iter().for_each(|member| reach(member, case, reached)),
    }
}

/// A policy's findings with the rank that each counts as; nothing for an abstention. A fault is one finding at the
/// enforcement level.
fn count(index: usize, policy: &Policy, waivers: &[Waiver], statuses: &mut [Status]) -> Option<Vec<(Rank, Finding)>> {
    let findings = match &policy.said {
        Said::Abstain => return None,
        Said::Findings(findings) => findings.clone(),
        Said::Fault(code) => vec![Finding { rank: Rank::Deny, code: (*code).into(), requirement: None }],
    };
    let counted = |finding: Finding, statuses: &mut [Status]| {
        let rank = finding.rank.min(policy.enforce);
        // Reading: of several waivers the most lenient applies, of equals the first; one that relaxes nothing does not.
        let relaxes = |waiver: &Waiver| {
            let names = waiver.policy == index && waiver.code == finding.code && waiver.matches;
            names && !waiver.ended && waiver.becomes < rank
        };
        let best = (0..waivers.len()).filter(|n| relaxes(&waivers[*n])).min_by_key(|n| waivers[*n].becomes);
        let Some(best) = best else { return (rank, finding) };
        statuses[best] = Status::Applied;
        (waivers[best].becomes, finding)
    };
    Some(findings.into_iter().map(|finding| counted(finding, statuses)).collect())
}

fn strictest(said: &Said) -> Option<Rank> {
    match said {
        Said::Findings(findings) => findings.iter().map(|finding| finding.rank).max(),
        Said::Abstain | Said::Fault(_) => None,
    }
}

/// What a member that does not abstain brings into its node.
struct Weight {
    rank: Rank,
    advisory: bool,
    policies: Vec<usize>,
    too_few: usize,
}

fn weigh(tree: &Tree, case: &Case, counted: &[Option<Rank>]) -> Option<Weight> {
    let (rule, members) = match tree {
        Tree::Leaf(index) => {
            let advisory = case.policies[*index].enforce <= Rank::Warn;
            return counted[*index].map(|rank| Weight { rank, advisory, policies: vec![*index], too_few: 0 });
        }
        // Reading: a skipped node does not count, as one that abstains.
        Tree::Node { matches: false, .. } => return None,
        Tree::Node { rule, members, .. } => (*rule, members),
    };
    let mut spoke: Vec<Weight> = members.iter().filter_map(|member| weigh(member, case, counted)).collect();
    // Reading: the node abstains before it can have too few members.
    if spoke.iter().all(|weight| weight.advisory) {
        return None;
    }
    let mut too_few = 0;
    match rule {
        Rule::AllOf => {}
        Rule::FirstOf => spoke.truncate(1),
        Rule::AtLeast(n) => {
            spoke.sort_by_key(|weight| weight.rank);
            too_few = usize::from(spoke.len() < n);
            spoke.truncate(n);
        }
    }
    let strictest = spoke.iter().map(|weight| weight.rank).max()?;
    Some(Weight {
        rank: if too_few > 0 { Rank::Deny } else { strictest },
        advisory: false,
        too_few: too_few + spoke.iter().map(|weight| weight.too_few).sum::<usize>(),
        policies: spoke.into_iter().flat_map(|weight| weight.policies).collect(),
    })
}
