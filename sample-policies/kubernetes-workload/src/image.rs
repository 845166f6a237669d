//! Image references: `registry.example.com:5000/team/app:1.2@sha256:...`.

/// The parts of a reference that are judged.
#[derive(Debug, PartialEq, Eq)]
pub struct Image<'i> {
    /// With `docker.io/` and `docker.io/library/` where they are left out, as the container runtime reads it.
    pub repository: String,
    /// The tag, where there is one.
    pub tag: Option<&'i str>,
    /// Whether it is pinned by `@sha256:` and 64 hexadecimal digits.
    pub pinned: bool,
}

impl<'i> Image<'i> {
    /// Takes a reference apart. `None` for an empty one, or one with anything but the characters of references.
    pub fn parse(reference: &'i str) -> Option<Image<'i>> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/:@[]+".contains(&byte);
        if reference.is_empty() || !reference.bytes().all(allowed) {
            return None;
        }
        let (name, digest) = match reference.split_once('@') {
            Some((name, digest)) => (name, Some(digest)),
            None => (reference, None),
        };
        // A colon after the last slash starts the tag; before it, it is a port.
        let path = name.rfind('/').map_or(0, |slash| slash + 1);
        let (repository, tag) = match name.get(path..).and_then(|last| last.find(':')) {
            Some(colon) => (name.get(..path + colon)?, name.get(path + colon + 1..)),
            None => (name, None),
        };
        let pinned = digest
            .and_then(|digest| digest.strip_prefix("sha256:"))
            .is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')));
        if repository.is_empty() || (digest.is_some() && !pinned) {
            return None;
        }
        Some(Image { repository: qualified(repository), tag, pinned })
    }

    /// Whether the repository is in one of these: `registry.example.com/team` takes in all below it, and no
    /// `registry.example.com/team-b`.
    pub fn is_from(&self, allowed: &[String]) -> bool {
        allowed.iter().any(|allowed| {
            let rest = self.repository.strip_prefix(allowed.trim_end_matches('/'));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }
}

/// With the registry that the container runtime assumes.
fn qualified(repository: &str) -> String {
    match repository.split_once('/') {
        None => format!("docker.io/library/{repository}"),
        Some((first, _)) if first.contains(['.', ':']) || first == "localhost" => repository.to_owned(),
        Some(_) => format!("docker.io/{repository}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_taken_apart() {
        let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let pinned = format!("localhost:5000/a:2@sha256:{hex}");
        for (reference, repository, tag, is_pinned) in [
            ("nginx", "docker.io/library/nginx", None, false),
            ("nginx:latest", "docker.io/library/nginx", Some("latest"), false),
            ("team/app:1.2", "docker.io/team/app", Some("1.2"), false),
            ("registry.example.com:5000/team/app", "registry.example.com:5000/team/app", None, false),
            (&pinned, "localhost:5000/a", Some("2"), true),
        ] {
            let image = Image { repository: repository.into(), tag, pinned: is_pinned };
            assert_eq!(Image::parse(reference), Some(image), "{reference}");
        }
        for reference in ["", "a b", "@sha256:00", "a@sha256:00", "a@md5:00", ":tag"] {
            assert_eq!(Image::parse(reference), None, "{reference}");
        }
    }

    #[test]
    fn a_registry_is_not_a_prefix() {
        let allowed = ["registry.example.com/team".to_owned(), "docker.io/library/".to_owned()];
        for (reference, is_from) in [
            ("registry.example.com/team/app:1", true),
            ("registry.example.com/team:1", true),
            ("registry.example.com/team-b/app:1", false),
            ("registry.example.com.evil.example/team/app:1", false),
            ("nginx", true),
            ("evil/nginx", false),
        ] {
            assert_eq!(Image::parse(reference).unwrap().is_from(&allowed), is_from, "{reference}");
        }
    }
}
