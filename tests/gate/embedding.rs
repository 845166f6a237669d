//! Every type in a public signature has a name for whoever depends on `portcullis` alone.

use portcullis::doors::{DoorOptions, Opened};
use portcullis::parts::{jiff::Timestamp, uuid::Uuid};
use portcullis::{
    DecideOptions, Decision, DecisionBody, Document, Effort, Engine, EngineOptions, Evaluation, Event, Faulted,
    FormatError, Gate, GateError, HistorySource, LedgerOptions, LoadError, Mark, Mask, Mismatch, PinnedSet, Policy,
    PolicySet, PostgresOptions, Redecided, ReplayError, Request, RequestErased, SetDefinition, SetError, SourceError,
    Stored, Substituted, Turn,
};

/// It compiles: that is the test.
#[expect(dead_code, reason = "only its types matter")]
fn named(set: &PolicySet, gate: &Gate, stored: &Stored, opened: Opened, substituted: Substituted) {
    let _: &PinnedSet = set.pinned();
    let _: &SetDefinition = &set.pinned().definition;
    let _: &[Result<Policy, Faulted>] = set.policies();
    let _: (&[Mark], Vec<Mark>) = (set.warnings(), gate.warnings());
    let _: &Engine = set.engine();
    let _: Vec<Mask> = opened.masks;
    let (_, _): (&Event, Result<&DecisionBody, ReplayError>) = (&stored.event, stored.body());
    type Erasure = Result<Option<(u64, RequestErased)>, ReplayError>;
    let _: fn(&Stored, &portcullis::Reader) -> Erasure = Stored::erasure;
    let _: Effort = EngineOptions::default().effort;
    let _: fn(PostgresOptions) = |_| {};
    let _: LedgerOptions = LedgerOptions::default();
    let _: (Option<Document>, Option<Uuid>, Timestamp) =
        (DoorOptions::default().context.remove("a"), DecideOptions::default().supersedes, portcullis::now());
    if let Substituted::Decided(redecided) = substituted {
        let _: Box<Redecided> = redecided;
    }
}

/// The reason of each error can be told apart.
#[expect(dead_code, reason = "only its types matter")]
fn reasons(error: GateError) -> Option<String> {
    match error {
        GateError::Set(SetError::Source(error)) => Some(SourceError::to_string(&error)),
        GateError::Set(SetError::Mismatch { mismatches, .. }) => mismatches.first().map(Mismatch::to_string),
        GateError::Format(error) => Some(FormatError::to_string(&error)),
        _ => None,
    }
}

/// One policy of a set, by hand.
#[expect(dead_code, reason = "only its types matter")]
fn evaluated(set: &PolicySet, request: &Request) -> (Option<Evaluation>, Decision, Option<LoadError>) {
    let turn: Turn<'_> = set.engine().turn();
    let evaluation = set.policies().iter().flatten().next().map(|policy| policy.evaluate_during(&turn, request, None));
    drop(turn);
    (evaluation, set.decide(request, &DecideOptions::default(), &HistorySource::None), None)
}
