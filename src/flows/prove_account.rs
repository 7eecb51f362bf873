//! Proving an account: a patron shows that an account on a platform is theirs before its likes are read.
//!
//! Owns that nobody's likes are read on somebody's bare word: an account is connected when its profile shows the patron's
//! own address, when its owner signs in, or when the operator vouches for it. Where nothing can be asked for likes, a
//! patron may [`name`] the account, and what they bring is all that is read. A proof takes over from a connection without
//! one, also one at another instance, and the operator's word from one that is only named. What was flattred before stays
//! with whom it was. Then [`connect`](super::connect) applies what is read.
//!
//! Owns too that one account is the source of one patron's likes at one home, also while only its name is known: the name
//! stands for whatever account bears it, and becomes its number when that is learnt.

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
    #[error("{NAMED_MAX} accounts on {} are connected by their names already: disconnect one, or ask the operator", .0.label())]
    TooManyNamed(Platform),
    #[error("could not read or write connections")]
    Storage(#[from] storage::Error),
}

flow_error!(ProveError);

/// Accounts of one platform that a patron may have named: more is hardly one person.
const NAMED_MAX: usize = 3;

/// How an account is called here of which only the name is known. A source of likes may be; a creator never is, since
/// names move.
pub fn by_name(platform: Platform, handle: &str) -> Option<ExternalId> {
    ExternalId::new(platform, &format!("@{}", handle.trim_start_matches('@').to_lowercase())).ok()
}

/// Whether only the name of an account is known.
pub fn is_by_name(account: &str) -> bool {
    account.starts_with('@')
}

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
    for other in sources_of(tx, &account, &proof.handle)?.iter().filter(|known| known.patron_id != proof.patron_id) {
        disconnect(tx, other.patron_id, &account_at(other)?, now)?;
    }
    let connection = connect(tx, proof.patron_id, &account, &proof.handle, now)?;
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
    for other in sources_of(tx, account, handle)?.iter().filter(|known| known.patron_id != patron) {
        end(tx, other.patron_id, &account_at(other)?, now)?;
    }
    let connection = connect(tx, patron, account, handle, now)?;
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

/// Connects an account on the operator's word. A patron who proves it later takes over; whoever only named it gives way.
pub fn trust(
    tx: &mut Tx,
    patron: PatronId,
    account: &ExternalId,
    handle: &str,
    token: &str,
    now: Timestamp,
) -> Result<Connection, ProveError> {
    for other in sources_of(tx, account, handle)?.iter().filter(|known| known.patron_id != patron) {
        let other_account = account_at(other)?;
        if !is_only_named(tx, other, &other_account)? {
            return Err(ProveError::Taken(account.clone()));
        }
        disconnect(tx, other.patron_id, &other_account, now)?;
    }
    connect_as(tx, patron, account, handle, ("trusted", token), now)
}

/// Connects an account on the patron's bare word: one that their file names, or one of a platform that tells nobody what
/// somebody likes, so that nothing but what the patron brings is ever read for it.
///
/// - errors: when the account, or any that bore this name last, is the source of another patron's likes: the operator
///   decides between two words ([`trust`]).
pub fn name(
    tx: &mut Tx,
    patron: PatronId,
    account: &ExternalId,
    handle: &str,
    token: &str,
    now: Timestamp,
) -> Result<Connection, ProveError> {
    let sources = sources_of(tx, account, handle)?;
    if sources.iter().any(|known| known.patron_id != patron) {
        return Err(ProveError::Taken(account.clone()));
    }
    // What bears a name last may be known by its number.
    let is_by_name = is_by_name(account.account());
    if let Some(own) = sources.into_iter().find(|known| is_by_name || known.account == account.account()) {
        return Ok(own);
    }
    let platform = account.platform();
    let mut named = connections::connections_of(tx, patron)?;
    named.retain(|row| row.platform == platform.slug() && self::is_by_name(&row.account));
    if is_by_name && named.len() >= NAMED_MAX {
        return Err(ProveError::TooManyNamed(platform));
    }
    if let Some(own) = named.iter().find(|row| is_called(row, handle)) {
        return Ok(move_to(tx, own, account, handle)?);
    }
    connect_as(tx, patron, account, handle, ("named", token), now)
}

/// The owner of a named account tells its new name, by a file of the account.
///
/// - errors: as of [`name`].
pub fn rename(tx: &mut Tx, connection: &Connection, handle: &str) -> Result<Connection, ProveError> {
    let platform = account_at(connection)?.platform();
    let account = by_name(platform, handle).ok_or_else(|| storage::Error::corrupt("handle", handle))?;
    if sources_of(tx, &account, handle)?.iter().any(|known| known.id != connection.id) {
        return Err(ProveError::Taken(account));
    }
    // A number stays what it is: a file that names nobody but a handle cannot tell whose that is now.
    if is_by_name(&connection.account) {
        return Ok(move_to(tx, connection, &account, handle)?);
    }
    Ok(connection.clone())
}

fn connect_as(
    tx: &mut Tx,
    patron: PatronId,
    account: &ExternalId,
    handle: &str,
    (state, token): (&str, &str),
    now: Timestamp,
) -> Result<Connection, ProveError> {
    let connection = connect(tx, patron, account, handle, now)?.ok_or_else(|| ProveError::Taken(account.clone()))?;
    let proof = claims::make_proof(tx, patron, account, handle, token, now)?;
    let is_raised = matches!((proof.state.as_str(), state), ("pending", _) | ("named", "trusted"));
    if is_raised {
        claims::set_proof_state(tx, proof.id, state, None)?;
    }
    Ok(connection)
}

/// As [`connections::connect`]; what the patron had named becomes the account, and its baseline is taken anew, since from
/// now on the platform's own listing is what is read.
fn connect(
    tx: &mut Tx,
    patron: PatronId,
    account: &ExternalId,
    handle: &str,
    now: Timestamp,
) -> Result<Option<Connection>, storage::Error> {
    let own: Vec<Connection> =
        sources_of(tx, account, handle)?.into_iter().filter(|row| row.patron_id == patron).collect();
    let is_known = own.iter().any(|row| row.account == account.account());
    match own.into_iter().next().filter(|_| !is_known && !is_by_name(account.account())) {
        Some(named) => {
            move_to(tx, &named, account, handle)?;
            claims::begin_connection_anew(tx, named.id, now)?;
            connections::connection(tx, named.id)
        }
        None => connections::connect(tx, patron, account, handle, now),
    }
}

/// Connections that are, as far as anybody can tell, of this account: it itself, what is known by its name only, and for a
/// name all that bore it last.
fn sources_of(tx: &mut Tx, account: &ExternalId, handle: &str) -> Result<Vec<Connection>, storage::Error> {
    let mut found: Vec<Connection> = claims::connection_of(tx, account)?.into_iter().collect();
    let others = match by_name(account.platform(), handle) {
        _ if is_by_name(account.account()) => {
            let mut bearers = connections::connections_by_handle(tx, account.platform(), handle)?;
            bearers.extend(connections::connections_by_handle(tx, account.platform(), &format!("@{handle}"))?);
            bearers
        }
        Some(named) => claims::connection_of(tx, &named)?.into_iter().collect(),
        None => Vec::new(),
    };
    found.extend(others.into_iter().filter(|other| other.account != account.account()));
    Ok(found)
}

fn is_called(row: &Connection, handle: &str) -> bool {
    row.handle.trim_start_matches('@').eq_ignore_ascii_case(handle.trim_start_matches('@'))
}

/// Whether nothing but the patron's own word stands behind a connection.
fn is_only_named(tx: &mut Tx, row: &Connection, account: &ExternalId) -> Result<bool, storage::Error> {
    let proofs = claims::proofs_for(tx, account)?;
    Ok(proofs.iter().any(|proof| proof.patron_id == row.patron_id && proof.state == "named"))
}

/// The account of a connection is known by its number now, or by another name.
fn move_to(tx: &mut Tx, row: &Connection, account: &ExternalId, handle: &str) -> Result<Connection, storage::Error> {
    let before = account_at(row)?;
    claims::set_connection_account(tx, row.id, account, handle)?;
    let mut proofs = claims::proofs_for(tx, &before)?;
    proofs.retain(|proof| proof.patron_id == row.patron_id);
    let is_there = claims::proofs_for(tx, account)?.iter().any(|proof| proof.patron_id == row.patron_id);
    for proof in proofs {
        if is_there {
            claims::delete_proof(tx, proof.id)?;
        } else {
            claims::set_proof_account(tx, proof.id, account, handle)?;
        }
    }
    connections::connection(tx, row.id)?.ok_or_else(|| storage::Error::corrupt("connection", row.id))
}

fn account_at(row: &Connection) -> Result<ExternalId, storage::Error> {
    external_id(&row.platform, &row.account)
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
