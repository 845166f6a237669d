//! Demands that different people ask for a change, write it, deploy it and approve it.
//!
//! A person is an issuer and a subject id; ids are compared without case and without spaces around them. Someone who names no issuer is
//! taken for everyone of the same id: what cannot be told apart is the same person. Someone who is not named is a defer.

#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")
)]

mod people;
mod settings;

use portcullis_policy::prelude::*;

use people::{People, Person};
use settings::{Duties, Role};

#[policy(
    name = "sample.separation-of-duties",
    summary = "Different people must ask for a change, write it, deploy it and approve it.",
    codes(
        SEPARATED = "sample.separation-of-duties.separated": "The duties lie with different people.",
        SAME_PERSON = "sample.separation-of-duties.same-person": "One person holds two duties that exclude each other.",
        TOO_FEW_PEOPLE = "sample.separation-of-duties.too-few-people": "Fewer different people than the settings demand.",
        PERSON_MISSING = "sample.separation-of-duties.person-missing": "The request does not say who holds a duty.",
        PERSON_MALFORMED = "sample.separation-of-duties.person-malformed": "A person is neither a text nor an object with an id.",
        TOO_MANY_PEOPLE = "sample.separation-of-duties.too-many-people": "More people than this policy compares.",
    )
)]
fn evaluate(duties: &Duties, input: &Fields) -> Answer {
    if !duties.applies(input) {
        return abstain();
    }
    let people = match People::of(duties, input) {
        Ok(people) => people,
        Err(finding) => return Answer::from(finding),
    };
    let mut findings = people.findings;
    for (one, other) in duties.excluding() {
        for second in both(&people.known, one, other) {
            let message = format!(
                "the {} and the {} must be different people, but both are {}",
                one.role,
                other.role,
                quote(&second.id)
            );
            findings.push(deny(SAME_PERSON, message).at(&*second.at));
        }
    }
    let different = people::different(&people.known);
    let demanded = duties.minimum_people();
    if different < demanded {
        findings.push(too_few(duties, people.known.len(), different, demanded));
    }
    let message =
        format!("different people who take part: {different}; nobody holds two duties that exclude each other");
    Answer::findings(findings).or(allow(SEPARATED, message))
}

/// Where enough names are given and too few people stand behind them, more of the same names will not help.
fn too_few(duties: &Duties, named: usize, different: usize, demanded: usize) -> Finding {
    let message = format!("different people who take part: {different}; needed: {demanded}");
    match duties.first_list() {
        Some(list) if named < demanded => defer(TOO_FEW_PEOPLE, message).at(list).provide(list),
        _ => deny(TOO_FEW_PEOPLE, message),
    }
}

/// Those in the second role who may be someone in the first.
fn both<'a>(people: &'a [Person], one: &'a Role, other: &'a Role) -> impl Iterator<Item = &'a Person> {
    let ones = move || people.iter().filter(|person| person.role == one.role);
    let others = people.iter().filter(|person| person.role == other.role);
    others.filter(move |second| ones().any(|first| first.is(second)))
}

#[cfg(test)]
mod tests {
    use super::Policy;

    #[test]
    fn cases() {
        portcullis_policy::test::cases::<Policy>(concat!(env!("CARGO_MANIFEST_DIR"), "/cases"));
    }
}
