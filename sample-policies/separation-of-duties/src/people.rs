use portcullis_policy::prelude::*;

use crate::settings::{Duties, Role};
use crate::{PERSON_MALFORMED, PERSON_MISSING, TOO_MANY_PEOPLE};

/// Most people of one request.
const MAX_PEOPLE: usize = 64;

/// Someone who holds a duty.
pub struct Person {
    /// The duty.
    pub role: String,
    /// In lower case, without spaces around it.
    pub id: String,
    /// Who vouches for the id, where the request says so.
    issuer: Option<String>,
    /// Where the request names the person: a JSON pointer.
    pub at: String,
}

impl Person {
    /// Whether the two may be the same human.
    pub fn is(&self, other: &Person) -> bool {
        self.id == other.id
            && match (&self.issuer, &other.issuer) {
                (Some(one), Some(other)) => one == other,
                (None, _) | (_, None) => true,
            }
    }
}

/// Everyone that the request names, and what is wrong with the names.
pub struct People {
    pub known: Vec<Person>,
    pub findings: Vec<Finding>,
}

impl People {
    /// # Errors
    /// The finding that ends the matter: more people than are compared.
    pub fn of(duties: &Duties, input: &Fields) -> Result<People, Finding> {
        let mut people = People { known: Vec::new(), findings: Vec::new() };
        for (role, source) in duties.sources() {
            let value = input.get(source.person);
            match &role.list {
                Some(list) => people.list(role, list, value)?,
                None => {
                    let issuer = source.issuer.map_or(&Value::Missing, |n| input.get(n));
                    people.one(role, &role.id, json(value), json(issuer));
                }
            }
        }
        if people.known.len() > MAX_PEOPLE {
            return Err(deny(TOO_MANY_PEOPLE, format!("more than {MAX_PEOPLE} people take part")));
        }
        Ok(people)
    }

    fn list(&mut self, role: &Role, list: &str, value: &Value) -> Result<(), Finding> {
        let members = match json(value) {
            Some(Json::Array(members)) => members,
            None => Vec::new(),
            Some(_) => {
                self.findings.push(malformed(role, list, "a list of people"));
                return Ok(());
            }
        };
        if members.is_empty() && !role.optional {
            self.findings.push(missing(role, list));
        }
        if members.len() > MAX_PEOPLE {
            return Err(deny(TOO_MANY_PEOPLE, format!("{list} names more than {MAX_PEOPLE} people")).at(list));
        }
        for (n, member) in members.iter().enumerate() {
            let issuer = role.issuer.as_deref().and_then(|pointer| member.pointer(pointer)).cloned();
            let person = member.pointer(&role.id).cloned();
            // A member of the list that names nobody is never merely left out.
            let at = format!("{list}/{n}{}", role.id);
            self.named(role, &at, person, issuer);
        }
        Ok(())
    }

    fn one(&mut self, role: &Role, at: &str, person: Option<Json>, issuer: Option<Json>) {
        if person.is_none() && role.optional {
            return;
        }
        self.named(role, at, person, issuer);
    }

    fn named(&mut self, role: &Role, at: &str, person: Option<Json>, issuer: Option<Json>) {
        let (id, own_issuer) = match person {
            None | Some(Json::Null) => return self.findings.push(missing(role, at)),
            Some(Json::Text(id)) => (id, None),
            Some(object @ Json::Object(_)) => match object.get("id") {
                Some(Json::Text(id)) => (id.clone(), object.get("issuer").cloned()),
                _ => return self.findings.push(malformed(role, at, "a text, or an object with an id")),
            },
            Some(_) => return self.findings.push(malformed(role, at, "a text, or an object with an id")),
        };
        let id: String = id.trim().chars().flat_map(char::to_lowercase).collect();
        if id.is_empty() {
            return self.findings.push(missing(role, at));
        }
        let issuer = match own_issuer.or(issuer) {
            None | Some(Json::Null) => None,
            Some(Json::Text(issuer)) => {
                Some(issuer.trim().trim_end_matches('/').to_owned()).filter(|one| !one.is_empty())
            }
            Some(_) => return self.findings.push(malformed(role, at, "a person whose issuer is a text")),
        };
        self.known.push(Person { role: role.role.clone(), id, issuer, at: at.to_owned() });
    }
}

/// How many people there are at least: of those with one id, as many as issuers vouch for it.
pub fn different(people: &[Person]) -> usize {
    let mut count = 0usize;
    for (n, person) in people.iter().enumerate() {
        let before = people.get(..n).unwrap_or_default();
        let same_id = || before.iter().filter(|earlier| earlier.id == person.id);
        let new = match &person.issuer {
            None => same_id().next().is_none(),
            // The first issuer of an id may stand for whoever named that id without one.
            Some(_) => {
                let vouched = same_id().any(|earlier| earlier.issuer.is_some());
                let known = same_id().any(|earlier| earlier.issuer == person.issuer);
                same_id().next().is_none() || (vouched && !known)
            }
        };
        if new {
            count = count.saturating_add(1);
        }
    }
    count
}

/// A request field as JSON; `None` where it is missing or null.
fn json(value: &Value) -> Option<Json> {
    match value {
        Value::Missing | Value::Null => None,
        other => other.clone().read::<Json>().ok(),
    }
}

fn missing(role: &Role, at: &str) -> Finding {
    defer(PERSON_MISSING, format!("the request does not say who the {} is: {at}", role.role)).at(at).provide(at)
}

fn malformed(role: &Role, at: &str, shape: &str) -> Finding {
    defer(PERSON_MALFORMED, format!("for the {}, {at} must be {shape}", role.role)).at(at).provide(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(id: &str, issuer: Option<&str>) -> Person {
        Person { role: String::new(), id: id.to_owned(), issuer: issuer.map(str::to_owned), at: String::new() }
    }

    #[test]
    fn counts_people_and_not_names() {
        let (a, b) = (Some("https://a"), Some("https://b"));
        for (people, expected) in [
            (vec![], 0),
            (vec![person("x", None), person("x", None)], 1),
            (vec![person("x", a), person("x", None)], 1),
            (vec![person("x", None), person("x", a), person("x", b)], 2),
            (vec![person("x", a), person("x", b), person("x", a), person("y", a)], 3),
        ] {
            assert_eq!(different(&people), expected);
        }
    }
}
