//! Decisions: what the scope and the roles of a token make of whoever shows it.
//!
//! A role counts where it was given. `admin` in a project of one's own is no more than `member` there; it makes an
//! administrator only in the system, or in the one project that the site names by its id.

use domain::rim::{Identity, TokenScope};
use serde::Deserialize;

/// What somebody may do, everything considered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// Sees and changes everything.
    Administrator,
    /// Sees everything and changes nothing: a reader in the whole system.
    Auditor,
    /// Sees and changes what its project has.
    Member,
    /// Sees what its project has.
    Reader,
}

/// The least standing that a route needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Least {
    /// None; not even a token.
    Anybody,
    /// To see what a project has.
    ReadOwn,
    /// To change what a project has.
    WriteOwn,
    /// To see everything, hardware and other projects' things too.
    ReadAll,
    /// To change everything.
    WriteAll,
    /// To read passwords of hardware, each with a reason that is kept.
    ReadSecrets,
}

impl Standing {
    /// In a word.
    pub fn word(self) -> &'static str {
        match self {
            Standing::Administrator => "administrator",
            Standing::Auditor => "auditor",
            Standing::Member => "member",
            Standing::Reader => "reader",
        }
    }

    /// Whether it suffices.
    pub fn may(self, least: Least) -> bool {
        match least {
            Least::Anybody | Least::ReadOwn => true,
            Least::WriteOwn => matches!(self, Standing::Administrator | Standing::Member),
            Least::ReadAll => self.sees_all(),
            Least::WriteAll | Least::ReadSecrets => self == Standing::Administrator,
        }
    }

    /// Whether it sees every project's things and the hardware.
    pub fn sees_all(self) -> bool {
        matches!(self, Standing::Administrator | Standing::Auditor)
    }
}

/// What a site calls its roles. Each may have several names; none of them is an administrator by its name alone.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RoleNames {
    /// Administrators, in the system or in the project of administrators.
    pub admin: Vec<String>,
    /// Those who may change what their project has.
    pub member: Vec<String>,
    /// Those who may see it.
    pub reader: Vec<String>,
}

impl Default for RoleNames {
    fn default() -> Self {
        let names = |name: &str| vec![name.to_owned()];
        Self { admin: names("admin"), member: names("member"), reader: names("reader") }
    }
}

/// Why a valid token gives nothing here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoStanding {
    /// It is for nothing.
    #[error(
        "the token of {user} is unscoped; request one scoped to a project or to the system from Keystone"
    )]
    Unscoped {
        /// User's name.
        user: String,
    },
    /// It is for a domain, which owns no server.
    #[error(
        "the token of {user} is scoped to the domain {domain}, which gives no rights here; request one scoped to a project \
         or to the system from Keystone"
    )]
    Domain {
        /// User's name.
        user: String,
        /// The domain's name.
        domain: String,
    },
    /// Its roles mean nothing here.
    #[error("{user} has none of the roles {wanted} in {place}; ask for one of them to be assigned there")]
    NoRole {
        /// User's name.
        user: String,
        /// Roles that would do.
        wanted: String,
        /// Where.
        place: String,
    },
}

/// What somebody may do. `admin_project`: the id of the project whose admins are administrators.
pub fn standing(identity: &Identity, names: &RoleNames, admin_project: &str) -> Result<Standing, NoStanding> {
    let has = |wanted: &[String]| identity.roles.iter().any(|role| wanted.contains(role));
    let no_role = || NoStanding::NoRole {
        user: identity.user_name.clone(),
        wanted: [&names.reader[..], &names.member, &names.admin].concat().join(", "),
        place: place(&identity.scope),
    };
    match &identity.scope {
        TokenScope::System if has(&names.admin) => Ok(Standing::Administrator),
        TokenScope::System if has(&names.member) || has(&names.reader) => Ok(Standing::Auditor),
        TokenScope::Project { id, .. } if has(&names.admin) && id == admin_project => {
            Ok(Standing::Administrator)
        }
        TokenScope::Project { .. } if has(&names.admin) || has(&names.member) => Ok(Standing::Member),
        TokenScope::Project { .. } if has(&names.reader) => Ok(Standing::Reader),
        TokenScope::System | TokenScope::Project { .. } => Err(no_role()),
        TokenScope::Domain { name } => {
            Err(NoStanding::Domain { user: identity.user_name.clone(), domain: name.clone() })
        }
        TokenScope::Nothing => Err(NoStanding::Unscoped { user: identity.user_name.clone() }),
    }
}

/// Why somebody may not, and who may.
pub fn refusal(identity: &Identity, names: &RoleNames, least: Least) -> String {
    let (user, place) = (&identity.user_name, place(&identity.scope));
    match least {
        // Nobody with a standing is refused these.
        Least::Anybody | Least::ReadOwn => format!("{user} has no role in {place}"),
        Least::WriteOwn => format!(
            "{user} can only read in {place}; this needs the role {} in a project",
            names.member.join(" or ")
        ),
        Least::ReadAll | Least::WriteAll | Least::ReadSecrets if identity.scope == TokenScope::System => {
            format!(
                "{user} can only read in {place}; this is for administrators, whose role there is {}",
                names.admin.join(" or ")
            )
        }
        Least::ReadAll | Least::WriteAll | Least::ReadSecrets => format!(
            "this is for administrators, and {user} is not one in {place}: they have the role {} in the whole system, or \
             in the project that the coordinator's api.admin_project names",
            names.admin.join(" or ")
        ),
    }
}

fn place(scope: &TokenScope) -> String {
    match scope {
        TokenScope::System => "the whole system".to_owned(),
        TokenScope::Project { name, .. } => format!("project {name}"),
        TokenScope::Domain { name } => format!("domain {name}"),
        TokenScope::Nothing => "no project".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(scope: TokenScope, roles: &[&str]) -> Identity {
        Identity {
            user_id: "u".into(),
            user_name: "eve".into(),
            scope,
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        }
    }

    fn project(id: &str) -> TokenScope {
        TokenScope::Project { id: id.into(), name: format!("named {id}") }
    }

    #[test]
    fn a_role_counts_where_it_was_given() {
        let check = |scope: TokenScope, roles: &[&str], expected: Result<Standing, &str>| {
            let found = standing(&identity(scope.clone(), roles), &RoleNames::default(), "a");
            match (found, expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{scope:?} {roles:?}"),
                (Err(why), Err(words)) => assert!(why.to_string().contains(words), "{why}"),
                (found, expected) => panic!("{scope:?} {roles:?}: {found:?}, expected {expected:?}"),
            }
        };
        let domain = || TokenScope::Domain { name: "d".into() };
        check(TokenScope::System, &["admin", "member", "reader"], Ok(Standing::Administrator));
        check(TokenScope::System, &["reader"], Ok(Standing::Auditor));
        check(TokenScope::System, &["member"], Ok(Standing::Auditor));
        check(TokenScope::System, &["service"], Err("none of the roles reader, member, admin in the whole"));
        check(project("a"), &["admin"], Ok(Standing::Administrator));
        check(project("a"), &["member"], Ok(Standing::Member));
        check(project("b"), &["admin", "member", "reader"], Ok(Standing::Member));
        check(project("b"), &["admin"], Ok(Standing::Member));
        check(project("b"), &["reader"], Ok(Standing::Reader));
        check(project("b"), &["Admin"], Err("in project named b"));
        check(project("b"), &[], Err("in project named b"));
        // The name of the project is nobody's proof.
        let named_so = TokenScope::Project { id: "b".into(), name: "a".into() };
        check(named_so, &["admin"], Ok(Standing::Member));
        check(domain(), &["admin", "member", "reader"], Err("the domain d, which gives no rights"));
        check(TokenScope::Nothing, &["admin"], Err("is unscoped"));
    }

    #[test]
    fn a_site_names_its_roles() {
        let names = RoleNames {
            admin: vec!["cloud_admin".into()],
            member: vec!["member".into(), "_member_".into()],
            ..RoleNames::default()
        };
        let check = |roles: &[&str], expected: Standing| {
            assert_eq!(standing(&identity(project("a"), roles), &names, "a"), Ok(expected), "{roles:?}");
        };
        check(&["cloud_admin"], Standing::Administrator);
        check(&["_member_"], Standing::Member);
        check(&["admin", "reader"], Standing::Reader);
    }
}
