//! Proving an account: a patron shows that an account on a platform is theirs before its likes are read.
//!
//! Owns that nobody's likes are read, and nobody is locked out, on somebody's bare word: an account is connected when
//! its profile shows the patron's own address, or when the operator vouches for it. A proof takes over from a connection
//! without one, also one at another instance: an account is the source of one patron at one home. What was flattred before stays with whom it was. Then [`connect`](super::connect) applies what is read.

use crate::domain::id::PatronId;
use crate::domain::identity::{ExternalId, Platform};
use crate::domain::time::Timestamp;
use crate::flows::Instance;
use crate::storage::claims::{self, ConnectionProof};
use crate::storage::connections::{self, Connection};
use crate::storage::grants::{self, Purpose};
use crate::storage::like_sources::{self, LikeSource};
use crate::storage::{self, Tx, flow_error, outbox, settlement};

#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    #[error("no account waits to be connected with this token")]
    NoSuchProof,
    #[error("{0} is the source of another patron's likes")]
    Taken(ExternalId),
    #[error("could not read or write connections")]
    Storage(#[from] storage::Error),
}

flow_error!(ProveError);

/// The address that a patron puts into the profile to connect the account.
pub fn proof_url(instance: &Instance, token: &str) -> String {
    format!("{}/connect/{token}", instance.base_url)
}

/// How an account stands after it was asked for, or looked at.
#[derive(Clone, Debug)]
pub enum Standing {
    Connected(Connection),
    /// The profile does not show the address of this proof.
    Pending(ConnectionProof),
    /// The profile shows the addresses of two patrons, here or at two instances: one must go.
    Contested(ConnectionProof),
    /// Another instance names the account as a source of its patron's likes: only the profile can say whose it is.
    Elsewhere(ConnectionProof),
}

/// Begins to connect an account: nothing is read yet.
///
/// - `token`: random, chosen by the caller; a proof that was begun before keeps its own.
pub fn begin(
    tx: &mut Tx,
    patron: PatronId,
    account: &ExternalId,
    handle: &str,
    token: &str,
    now: Timestamp,
) -> Result<Standing, ProveError> {
    if let Some(own) = claims::connection_of(tx, account)?.filter(|known| known.patron_id == patron) {
        return Ok(Standing::Connected(own));
    }
    Ok(Standing::Pending(claims::make_proof(tx, patron, account, handle, token, now)?))
}

/// Judges a proof by the account's profile, read by its stable id.
///
/// - `shows`: whether an address stands in the profile.
/// - effects: the account is connected; a connection of somebody else, whose address is not there, ends with what that
///   person has granted.
pub fn look(
    tx: &mut Tx,
    instance: &Instance,
    token: &str,
    shows: &dyn Fn(&str) -> bool,
    now: Timestamp,
) -> Result<Standing, ProveError> {
    let proof = claims::proof_by_token(tx, token)?.ok_or(ProveError::NoSuchProof)?;
    let account = account_of(&proof)?;
    if !shows(&proof_url(instance, token)) {
        let own = claims::connection_of(tx, &account)?.filter(|known| known.patron_id == proof.patron_id);
        return Ok(own.map_or(Standing::Pending(proof), Standing::Connected));
    }
    let mut others = claims::proofs_for(tx, &account)?.into_iter().filter(|other| other.id != proof.id);
    let elsewhere = named_elsewhere(tx, &account)?;
    if others.any(|other| shows(&proof_url(instance, &other.token)))
        || elsewhere.iter().any(|source| shows(&source.backlink))
    {
        return Ok(Standing::Contested(proof));
    }
    if let Some(other) = claims::connection_of(tx, &account)?.filter(|known| known.patron_id != proof.patron_id) {
        disconnect(tx, other.patron_id, &account, now)?;
    }
    let connection = connections::connect(tx, proof.patron_id, &account, &proof.handle, now)?;
    claims::set_proof_state(tx, proof.id, "proved", Some(now))?;
    announce(tx, &account, token, now)?;
    connection.map(Standing::Connected).ok_or(ProveError::Taken(account))
}

/// Connects an account whose owner has signed in at the platform: as good a proof as any.
///
/// - `shows`: whether an address stands in the profile.
/// - returns: [`Standing::Elsewhere`] when another instance names the account too, and the address of this patron does
///   not stand in the profile alone: a sign-in proves nothing to the other instance. Nothing is connected then.
/// - effects: a connection of somebody else ends; the platform has said whose account it is. What was granted is stored
///   before, by the caller.
pub fn signed_in(
    tx: &mut Tx,
    instance: &Instance,
    (patron, account, handle): (PatronId, &ExternalId, &str),
    token: &str,
    shows: &dyn Fn(&str) -> bool,
    now: Timestamp,
) -> Result<Standing, ProveError> {
    let own = claims::connection_of(tx, account)?.filter(|known| known.patron_id == patron);
    let elsewhere = named_elsewhere(tx, account)?;
    if own.is_none() && !elsewhere.is_empty() {
        let proof = claims::make_proof(tx, patron, account, handle, token, now)?;
        if elsewhere.iter().any(|source| shows(&source.backlink)) {
            return Ok(Standing::Contested(proof));
        }
        if !shows(&proof_url(instance, &proof.token)) {
            return Ok(Standing::Elsewhere(proof));
        }
    }
    if let Some(other) = claims::connection_of(tx, account)?.filter(|known| known.patron_id != patron) {
        end(tx, other.patron_id, account, now)?;
    }
    let connection = connections::connect(tx, patron, account, handle, now)?;
    let connection = connection.ok_or_else(|| ProveError::Taken(account.clone()))?;
    let proof = claims::make_proof(tx, patron, account, handle, token, now)?;
    claims::set_proof_state(tx, proof.id, "proved", Some(now))?;
    announce(tx, account, &proof.token, now)?;
    // What could not be read without the sign-in may have been put off for long.
    connections::set_next_poll(tx, connection.id, now)?;
    Ok(Standing::Connected(connection))
}

/// Tells peers of a proved account of the fediverse: its likes may arrive there, and it counts at one home.
fn announce(tx: &mut Tx, account: &ExternalId, token: &str, now: Timestamp) -> Result<(), storage::Error> {
    if account.platform() == Platform::Fediverse {
        outbox::push_event(tx, "like_source", token, now)?;
    }
    Ok(())
}

/// What instances that we settle with say of an account, as long as they say it.
fn named_elsewhere(tx: &mut Tx, account: &ExternalId) -> Result<Vec<LikeSource>, storage::Error> {
    if account.platform() != Platform::Fediverse {
        return Ok(Vec::new());
    }
    let mut sources = like_sources::of_account(tx, account.account())?;
    let peers = settlement::peers(tx)?;
    sources.retain(|source| peers.iter().any(|peer| peer.state == "added" && peer.uri == source.home_uri));
    Ok(sources)
}

/// Connects an account on the operator's word. A patron who proves it later takes over.
pub fn trust(
    tx: &mut Tx,
    patron: PatronId,
    account: &ExternalId,
    handle: &str,
    token: &str,
    now: Timestamp,
) -> Result<Connection, ProveError> {
    let connection =
        connections::connect(tx, patron, account, handle, now)?.ok_or_else(|| ProveError::Taken(account.clone()))?;
    let proof = claims::make_proof(tx, patron, account, handle, token, now)?;
    if proof.state == "pending" {
        claims::set_proof_state(tx, proof.id, "trusted", None)?;
    }
    Ok(connection)
}

/// Ends a patron's connection of an account, or what waits to become one. What was read and what was granted for it is
/// forgotten, flattrs stay.
///
/// - returns: whether there was anything to end.
pub fn disconnect(tx: &mut Tx, patron: PatronId, account: &ExternalId, now: Timestamp) -> Result<bool, storage::Error> {
    if claims::connection_of(tx, account)?.is_some_and(|known| known.patron_id == patron) {
        grants::release(tx, account, Purpose::Likes)?;
    }
    end(tx, patron, account, now)
}

/// Ends all that a patron has connected, or wants to connect, on one platform. Says how many accounts.
pub fn disconnect_platform(
    tx: &mut Tx,
    patron: PatronId,
    platform: &str,
    now: Timestamp,
) -> Result<usize, storage::Error> {
    let mut accounts = Vec::new();
    for connection in connections::connections_of(tx, patron)?.iter().filter(|row| row.platform == platform) {
        accounts.push(external_id(&connection.platform, &connection.account)?);
    }
    for proof in claims::proofs_of(tx, patron)?.iter().filter(|row| row.platform == platform) {
        accounts.push(account_of(proof)?);
    }
    accounts.sort();
    accounts.dedup();
    for account in &accounts {
        disconnect(tx, patron, account, now)?;
    }
    Ok(accounts.len())
}

fn end(tx: &mut Tx, patron: PatronId, account: &ExternalId, now: Timestamp) -> Result<bool, storage::Error> {
    let connection = claims::connection_of(tx, account)?.filter(|known| known.patron_id == patron);
    if let Some(connection) = &connection {
        claims::delete_connection(tx, connection.id)?;
    }
    let proof = claims::proofs_for(tx, account)?.into_iter().find(|proof| proof.patron_id == patron);
    if let Some(proof) = &proof {
        claims::delete_proof(tx, proof.id)?;
        if account.platform() == Platform::Fediverse && proof.state == "proved" {
            // It was announced.
            outbox::push_event(tx, "like_source_end", &format!("{} {}", proof.token, account.account()), now)?;
        }
    }
    Ok(connection.is_some() || proof.is_some())
}

/// The account that a proof is about.
pub fn account_of(proof: &ConnectionProof) -> Result<ExternalId, storage::Error> {
    external_id(&proof.platform, &proof.account)
}

/// A stored platform and account as a value.
pub fn external_id(platform: &str, account: &str) -> Result<ExternalId, storage::Error> {
    let text = format!("{platform}:{account}");
    text.parse().map_err(|_| storage::Error::corrupt("account", &text))
}
