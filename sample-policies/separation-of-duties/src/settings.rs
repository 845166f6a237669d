use portcullis_policy::prelude::*;

/// Whose duties are kept apart.
#[derive(Settings)]
#[settings(check = check)]
pub struct Settings {
    /// Types of resource that this policy decides about; it abstains on every other. Empty: all.
    #[setting(default = ["service"])]
    resource_types: Vec<String>,
    /// Where the request says who holds which duty.
    #[setting(default = [
        {"role": "requester", "id": "/subject/id", "issuer": "/subject/properties/issuer"},
        {"role": "author", "id": "/context/change/author"},
        {"role": "deployer", "id": "/context/deployer", "optional": true},
        {"role": "approver", "list": "/context/approvals", "id": "/by", "issuer": "/issuer", "optional": true}
    ], length = 1..=16)]
    roles: Vec<Role>,
    /// Pairs of roles that must not lie with the same person.
    #[setting(default = [["requester", "author"], ["requester", "approver"], ["author", "approver"], ["deployer", "author"]], length = 0..=64)]
    different: Vec<Vec<String>>,
    /// How many different people must take part, over all roles.
    #[setting(default = 2, range = 1..=64)]
    minimum_people: u32,
}

/// Where the request says who holds a duty.
#[derive(Settings)]
pub struct Role {
    /// The duty's name, for `different` and for messages.
    #[setting(length = 1..=64)]
    pub role: String,
    /// JSON pointer into the request: a list of people. Absent: the duty lies with one person.
    pub list: Option<String>,
    /// JSON pointer to the person: a text, or an object with `id` and perhaps `issuer`. With `list`, a pointer into
    /// each of its members; empty: the member itself.
    #[setting(default = "")]
    pub id: String,
    /// JSON pointer to who vouches for that id, such as the URL of an identity provider; into each member with `list`.
    pub issuer: Option<String>,
    /// Whether the request may leave the duty open.
    #[setting(default = false)]
    pub optional: bool,
}

/// The settings with their pointers turned into numbers of inputs.
pub struct Duties {
    settings: Settings,
    pub roles: Vec<Source>,
    pointers: Vec<String>,
}

/// Which inputs a role reads.
pub struct Source {
    pub person: usize,
    pub issuer: Option<usize>,
}

impl Duties {
    pub fn applies(&self, input: &Fields) -> bool {
        let types = &self.settings.resource_types;
        types.is_empty() || matches!(input.get(0), Value::Text(found) if types.contains(found))
    }

    /// The roles, with the inputs that they read.
    pub fn sources(&self) -> impl Iterator<Item = (&Role, &Source)> {
        self.settings.roles.iter().zip(&self.roles)
    }

    /// The pairs of roles that exclude each other.
    pub fn excluding(&self) -> impl Iterator<Item = (&Role, &Role)> {
        let find = |name: &String| self.settings.roles.iter().find(|role| role.role == *name);
        self.settings.different.iter().filter_map(move |pair| match pair.as_slice() {
            [one, other] => Some((find(one)?, find(other)?)),
            _ => None,
        })
    }

    pub fn minimum_people(&self) -> usize {
        usize::try_from(self.settings.minimum_people).unwrap_or(usize::MAX)
    }

    /// Where further people could be named.
    pub fn first_list(&self) -> Option<&str> {
        self.settings.roles.iter().find_map(|role| role.list.as_deref())
    }
}

impl Prepared for Duties {
    type Settings = Settings;

    fn prepare(settings: Settings) -> Result<Duties, Vec<Problem>> {
        let mut pointers = vec!["/resource/type".to_owned()];
        let mut index = |pointer: &str| match pointers.iter().position(|known| known == pointer) {
            Some(n) => n,
            None => {
                pointers.push(pointer.to_owned());
                pointers.len().saturating_sub(1)
            }
        };
        let roles = settings.roles.iter().map(|role| match &role.list {
            Some(list) => Source { person: index(list), issuer: None },
            None => Source { person: index(&role.id), issuer: role.issuer.as_deref().map(&mut index) },
        });
        let roles = roles.collect();
        Ok(Duties { settings, roles, pointers })
    }
}

impl NamesInputs for Duties {
    fn input_pointers(&self) -> Vec<String> {
        self.pointers.clone()
    }
}

fn check(settings: &Settings, problems: &mut Vec<Problem>) {
    let names: Vec<&str> = settings.roles.iter().map(|role| role.role.as_str()).collect();
    for (n, role) in settings.roles.iter().enumerate() {
        let pointers = [role.list.as_deref(), Some(role.id.as_str()), role.issuer.as_deref()];
        let whole = role.list.is_some();
        for pointer in pointers.into_iter().flatten() {
            if !(pointer.starts_with('/') || (whole && pointer.is_empty())) {
                let message = format!("{} is no JSON pointer: write, for example, /subject/id", quote(pointer));
                problems.push(Problem::new(format!("/roles/{n}"), message));
            }
        }
        if names.iter().take(n).any(|name| *name == role.role) {
            problems.push(Problem::new(format!("/roles/{n}/role"), "this role is there already"));
        }
    }
    for (n, pair) in settings.different.iter().enumerate() {
        let message = match pair.as_slice() {
            [one, other] if one == other => "name two different roles".to_owned(),
            [one, other] => match [one, other].into_iter().find(|name| !names.contains(&name.as_str())) {
                Some(name) => format!("{} is not among the roles", quote(name)),
                None => continue,
            },
            _ => "a pair names two roles".to_owned(),
        };
        problems.push(Problem::new(format!("/different/{n}"), message));
    }
}
