//! Registering: a login becomes a patron with an actor of its own.
//!
//! Owns what a name may be. Names stand in addresses and handles, so they are short, plain and never change.

use crate::domain::id::{ActorId, PatronId};
use crate::domain::money::Amount;
use crate::domain::time::Timestamp;
use crate::flows::Instance;
use crate::storage::people::{ActorKind, NewActor, NewPatron};
use crate::storage::{self, Tx, flow_error, people};

#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    #[error("`{0}` cannot be a name: use 2 to 30 of a-z, 0-9 and _, starting with a letter")]
    BadName(String),
    #[error("the name `{0}` is taken")]
    NameTaken(String),
    #[error("a budget of {asked} is below the minimum of {minimum}")]
    BelowMinimum { asked: Amount, minimum: Amount },
    #[error("budgets on this instance are in {expected}, not in {asked}")]
    WrongCurrency { asked: String, expected: String },
    #[error("could not read or write people")]
    Storage(#[from] storage::Error),
}

flow_error!(RegisterError);

/// Who registers.
#[derive(Clone, Debug)]
pub struct Registration {
    pub name: String,
    pub budget: Amount,
    pub is_public: bool,
    pub is_operator: bool,
}

/// Names that would stand in the way of an address or pass for the instance.
const RESERVED: [&str; 8] = ["instance", "admin", "operator", "support", "root", "bridge", "fedflattr", "me"];

/// Refuses what cannot be the name of anybody here.
pub fn check_name(name: &str) -> Result<(), RegisterError> {
    let fits = (2..=30).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && !RESERVED.contains(&name);
    if fits { Ok(()) } else { Err(RegisterError::BadName(name.chars().take(40).collect())) }
}

/// Checks a budget against the operator's policy.
pub fn check_budget(instance: &Instance, budget: Amount) -> Result<(), RegisterError> {
    let minimum = instance.policy.minimum_budget;
    if budget.currency() != minimum.currency() {
        let (asked, expected) = (budget.currency().to_string(), minimum.currency().to_string());
        return Err(RegisterError::WrongCurrency { asked, expected });
    }
    if budget.units() < minimum.units() {
        return Err(RegisterError::BelowMinimum { asked: budget, minimum });
    }
    Ok(())
}

/// Makes a login with a patron and its actor.
///
/// - errors: a bad or taken name, a budget below the minimum; nothing is made.
pub fn register(
    tx: &mut Tx,
    instance: &Instance,
    registration: &Registration,
    now: Timestamp,
) -> Result<PatronId, RegisterError> {
    let name = &registration.name;
    check_name(name)?;
    check_budget(instance, registration.budget)?;
    let Some(login) = people::make_login(tx, name, registration.is_operator, now)? else {
        return Err(RegisterError::NameTaken(name.clone()));
    };
    let uri = instance.patron_uri(name);
    let actor = make_local_actor(tx, instance, &uri, ActorKind::Patron, "Person", name, name, "", now)?;
    let deposit_reference = format!("FF-{}-{}", login.0, name.to_uppercase());
    let patron = NewPatron {
        login,
        actor,
        name,
        budget: registration.budget,
        is_public: registration.is_public,
        deposit_reference: &deposit_reference,
    };
    Ok(people::make_patron(tx, &patron, now)?)
}

/// Makes a local actor without keys; they are generated when they are first needed.
#[allow(clippy::too_many_arguments, reason = "the columns of one row; a struct would only repeat NewActor")]
pub fn make_local_actor(
    tx: &mut Tx,
    instance: &Instance,
    uri: &str,
    kind: ActorKind,
    actor_type: &str,
    username: &str,
    display_name: &str,
    summary: &str,
    now: Timestamp,
) -> Result<ActorId, storage::Error> {
    let actor = NewActor {
        uri: uri.to_owned(),
        kind: kind.as_str().to_owned(),
        actor_type: actor_type.to_owned(),
        host: instance.host.clone(),
        username: username.to_lowercase(),
        display_name: display_name.to_owned(),
        summary: summary.to_owned(),
        inbox: format!("{uri}/inbox"),
        shared_inbox: Some(format!("{}/inbox", instance.base_url)),
        rsa_key_id: format!("{uri}#main-key"),
        rsa_public_pem: String::new(),
        ed25519_key_id: Some(format!("{uri}#ed25519-key")),
        ed25519_multikey: None,
        document: None,
        fetched_at: now.micros(),
        gone_at: None,
    };
    Ok(people::save_actor(tx, &actor)?.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain() {
        for name in ["alice", "bob_2", "zz"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in ["", "a", "Alice", "1st", "a b", "ä", "admin", "a-b", &"x".repeat(31)] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }
}
