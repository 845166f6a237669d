//! What a 401 asks for: the `WWW-Authenticate` header of [RFC 9110](https://www.rfc-editor.org/rfc/rfc9110#section-11.6.1).

/// How a registry wants to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// With a user's name and password.
    Basic,
    /// With a token of a token server.
    Bearer {
        /// Where tokens are given.
        realm: String,
        /// What the token server calls the registry.
        service: Option<String>,
    },
}

/// The challenge to answer: the first `Bearer` with a realm, or `Basic`. `None` where there is neither, or where a header
/// breaks the grammar.
pub(crate) fn choose<'h>(headers: impl Iterator<Item = &'h str>) -> Option<Challenge> {
    let mut basic = None;
    for header in headers.take(MAX_HEADERS) {
        for (scheme, parameters) in parse(header)? {
            if scheme.eq_ignore_ascii_case("basic") {
                basic = Some(Challenge::Basic);
            } else if scheme.eq_ignore_ascii_case("bearer") {
                let of = |name: &str| {
                    let mut found = parameters.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
                    let first = found.next().map(|(_, value)| value.clone());
                    // Two realms: whoever reads the first and whoever reads the last would differ.
                    if found.next().is_some() { None } else { first }
                };
                let (realm, service) = (of("realm"), of("service"));
                return Some(Challenge::Bearer { realm: realm?, service });
            }
        }
    }
    basic
}

type Parameters = Vec<(String, String)>;

/// The challenges in one header, each a scheme and its parameters.
fn parse(header: &str) -> Option<Vec<(String, Parameters)>> {
    if header.len() > MAX_HEADER_BYTES {
        return None;
    }
    let mut challenges: Vec<(String, Parameters)> = Vec::new();
    let mut rest = header.trim_start_matches([' ', '\t', ',']);
    while !rest.is_empty() {
        let (word, after) = token(rest)?;
        let spaced = after.trim_start_matches([' ', '\t']);
        rest = match spaced.strip_prefix('=') {
            Some(value) if !challenges.is_empty() => {
                let (value, after) = value_of(value.trim_start_matches([' ', '\t']))?;
                challenges.last_mut()?.1.push((word.to_owned(), value));
                after
            }
            Some(_) => return None,
            None => {
                challenges.push((word.to_owned(), Vec::new()));
                spaced
            }
        };
        rest = rest.trim_start_matches([' ', '\t', ',']);
    }
    Some(challenges)
}

fn token(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c))).unwrap_or(text.len());
    let (word, rest) = text.split_at_checked(end)?;
    (!word.is_empty()).then_some((word, rest))
}

fn value_of(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        return token(text).map(|(word, rest)| (word.to_owned(), rest));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return Some((value, quoted.get(at.checked_add(1)?..)?)),
            '\\' => value.push(characters.next()?.1),
            c => value.push(c),
        }
    }
    None
}

/// Most headers that are looked at.
const MAX_HEADERS: usize = 8;
/// Longest header, in bytes.
const MAX_HEADER_BYTES: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(realm: &str, service: Option<&str>) -> Option<Challenge> {
        Some(Challenge::Bearer { realm: realm.into(), service: service.map(str::to_owned) })
    }

    #[test]
    fn challenges_are_read_as_registries_write_them() {
        let one = |header: &str| choose([header].into_iter());
        assert_eq!(
            one(
                r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a:pull""#
            ),
            bearer("https://auth.docker.io/token", Some("registry.docker.io"))
        );
        assert_eq!(one(r#"bearer service = x , realm= "a\"b,c""#), bearer("a\"b,c", Some("x")));
        assert_eq!(one(r#"Basic realm="Registry Realm""#), Some(Challenge::Basic));
        assert_eq!(one("Basic"), Some(Challenge::Basic));
        assert_eq!(one(r#"Basic realm="x", Bearer realm="https://y""#), bearer("https://y", None));
        assert_eq!(
            choose([r#"Basic realm="x""#, r#"Bearer realm="https://y""#].into_iter()),
            bearer("https://y", None)
        );
    }

    #[test]
    fn what_cannot_be_read_in_one_way_is_no_challenge() {
        let long = format!("Basic realm=\"{}\"", "x".repeat(MAX_HEADER_BYTES));
        for header in [
            "",
            "Negotiate",
            "Bearer",
            r#"Bearer service="x""#,
            r#"Bearer realm="https://a",realm="https://b""#,
            r#"Bearer realm="https://a"#,
            r#"Bearer realm="https://a\"#,
            r#"realm="https://a""#,
            "Bearer realm=",
            "é",
            long.as_str(),
        ] {
            assert_eq!(choose([header].into_iter()), None, "{header:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_header_makes_it_panic(header in "(Bearer|Basic)?[ =,\"\\\\a-zé]{0,40}") {
            _ = choose([header.as_str()].into_iter());
        }

        #[test]
        fn a_realm_is_read_as_it_was_quoted(realm in "[ -~é]{0,40}") {
            let quoted = realm.replace('\\', "\\\\").replace('"', "\\\"");
            let header = format!("Bearer realm=\"{quoted}\"");
            proptest::prop_assert_eq!(choose([header.as_str()].into_iter()), bearer(&realm, None));
        }
    }
}
