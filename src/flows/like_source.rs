//! Accounts of the fediverse as sources of likes: where a like counts that an account gave by itself.
//!
//! Owns that it counts once: at the one home whose patron has proved the account, by the list of favourites where the
//! account is connected, and nowhere where two homes are shown. Source: FEDERATION.md, "Likes of other accounts".

use std::time::Duration;

use crate::domain::flattr::{Source, Standing};
use crate::domain::id::{ObjectId, PatronId};
use crate::domain::identity::{ExternalId, Platform};
use crate::domain::time::Timestamp;
use crate::flows::Instance;
use crate::flows::flattr::{self, FlattrError, PatronLike, Recorded};
use crate::flows::prove_account::{self, proof_url};
use crate::storage::connections::{self, ListedLike};
use crate::storage::grants::{self, Purpose};
use crate::storage::{self, Tx, claims, like_sources, likes};

/// How often the profile of an account that a peer names is read again.
const READ_EVERY: Duration = Duration::from_secs(7 * 24 * 3_600);

/// Where the likes of an account count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Counts {
    /// At nobody's home that we know of: such a like is shown, and costs nobody anything.
    Nowhere,
    /// Here, when they arrive; each waits for the patron's yes where the patron wants it so.
    Here { patron: PatronId, asks_first: bool },
    /// Here, by the list of favourites, or not at all while the connection is paused.
    ByList,
    /// At a peer, to which they are forwarded.
    At { home_uri: String },
}

/// Where the likes of an actor count.
pub fn counts(tx: &mut Tx, actor: &str) -> Result<Counts, storage::Error> {
    let Ok(account) = ExternalId::new(Platform::Fediverse, actor) else { return Ok(Counts::Nowhere) };
    let sources = like_sources::of_account(tx, actor)?;
    let mut proved = sources.into_iter().filter(|source| source.state == "proved");
    if let Some(connection) = claims::connection_of(tx, &account)? {
        if proved.next().is_some() {
            // Shown beside the address of ours: see `judge`.
            return Ok(Counts::Nowhere);
        }
        let is_listed = grants::grant_of(tx, &account)?;
        let is_listed = is_listed.is_some_and(|grant| grant.state == "good" && grant.is_for(Purpose::Likes));
        let is_by_list = is_listed || !connection.is_active;
        return Ok(match is_by_list {
            true => Counts::ByList,
            false => Counts::Here { patron: connection.patron_id, asks_first: connection.asks_first },
        });
    }
    Ok(match (proved.next(), proved.next()) {
        (Some(source), None) => Counts::At { home_uri: source.home_uri },
        _ => Counts::Nowhere,
    })
}

/// Judges what peers say of an account by one reading of its profile.
///
/// - `shows`: whether an address stands in the profile.
/// - effects: a connection of ours, whose own address is not there, ends when a peer's is: one account has one home.
pub fn judge(
    tx: &mut Tx,
    instance: &Instance,
    account: &ExternalId,
    shows: &dyn Fn(&str) -> bool,
    now: Timestamp,
) -> Result<Judged, storage::Error> {
    let mut homes = Vec::new();
    for source in like_sources::of_account(tx, account.account())? {
        let is_shown = shows(&source.backlink);
        let state = if is_shown { "proved" } else { "failed" };
        like_sources::set_state(tx, &source, state, now.plus(READ_EVERY))?;
        homes.extend(is_shown.then_some(source.home_uri));
    }
    let connection = claims::connection_of(tx, account)?.filter(|_| !homes.is_empty());
    let Some(connection) = connection else { return Ok(Judged { homes, ours: Ours::AsBefore }) };
    let own = claims::proofs_for(tx, account)?.into_iter().find(|proof| proof.patron_id == connection.patron_id);
    if own.is_some_and(|own| shows(&proof_url(instance, &own.token))) {
        return Ok(Judged { homes, ours: Ours::Contested });
    }
    prove_account::disconnect(tx, connection.patron_id, account, now)?;
    Ok(Judged { homes, ours: Ours::Ended })
}

/// What one reading of a profile has said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The peers whose addresses it shows.
    pub homes: Vec<String>,
    pub ours: Ours,
}

/// What that means for a connection of the account here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ours {
    /// There is none, or no peer is shown.
    AsBefore,
    /// Its address stands there too: its likes count nowhere until one address is gone.
    Contested,
    /// Its address does not stand there.
    Ended,
}

/// The backlink that a peer may announce: a page of connections at its own address, and no other page.
pub fn is_backlink_of(home_uri: &str, backlink: &str) -> bool {
    let base = home_uri.strip_suffix("/instance").unwrap_or(home_uri);
    let token = backlink.strip_prefix(base).and_then(|path| path.strip_prefix("/connect/"));
    token.is_some_and(|token| {
        (1..=200).contains(&token.len()) && token.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    })
}

/// A like that an account of a patron gave by itself.
#[derive(Clone, Copy, Debug)]
pub struct GivenLike<'a> {
    pub patron: PatronId,
    /// It waits for the patron's yes.
    pub asks_first: bool,
    /// The account that gave it.
    pub actor: &'a str,
    pub uri: &'a str,
    pub object: ObjectId,
    pub received_at: Timestamp,
    /// When a peer saw it, for one that was forwarded.
    pub witnessed_at: Option<Timestamp>,
}

/// Counts such a like.
pub fn liked(tx: &mut Tx, like: &GivenLike) -> Result<&'static str, FlattrError> {
    if likes::was_undone(tx, like.uri, like.actor)? {
        return Ok("a like of a patron that was taken back before it came");
    }
    let given = PatronLike {
        patron: like.patron,
        object: like.object,
        source: Source::Fediverse,
        received_at: like.received_at,
        liked_at: like.witnessed_at,
        like_uri: Some(like.uri.to_owned()),
    };
    let recorded = if like.asks_first { flattr::suggest(tx, &given)? } else { flattr::record(tx, &given)? };
    let given_at = like.witnessed_at.unwrap_or(like.received_at);
    like_sources::save_given(tx, (like.uri, like.actor), like.patron, like.object, given_at)?;
    note_known(tx, like)?;
    Ok(match recorded {
        Recorded::New { standing: Standing::Suggested, .. } => "a like of a patron, who is asked first",
        Recorded::New { .. } => "a flattr of a patron, by an account of theirs",
        Recorded::Known { .. } => "a flattr of a patron that was known",
        Recorded::UndoneBefore => "a like of a patron that was taken back before it came",
    })
}

/// Takes back a like that is known under its id, wherever the account counts by now.
///
/// - returns: what that did; `None` when no such like of this account is known.
pub fn undone(tx: &mut Tx, actor: &str, like_uri: &str, now: Timestamp) -> Result<Option<&'static str>, FlattrError> {
    let Some(given) = like_sources::given(tx, like_uri, actor)? else { return Ok(None) };
    likes::remember_undone(tx, like_uri, actor, now)?;
    if like_sources::has_newer(tx, &given)? {
        return Ok(Some("an Undo of an older like: the newer one stands"));
    }
    note_gone(tx, actor, given.object_id)?;
    take_back(tx, given.patron_id, given.object_id, now).map(Some)
}

/// Lets the list of favourites know the like, should it be read later: neither does it count again then, nor as one of
/// before the account was connected.
fn note_known(tx: &mut Tx, like: &GivenLike) -> Result<(), storage::Error> {
    let Ok(account) = ExternalId::new(Platform::Fediverse, like.actor) else { return Ok(()) };
    let connection = claims::connection_of(tx, &account)?.filter(|row| row.patron_id == like.patron);
    let Some(connection) = connection else { return Ok(()) };
    let row = ListedLike {
        connection_id: connection.id,
        object_id: like.object.0,
        liked_at: None,
        is_baseline: false,
        is_gone: false,
        seen_in_pass: connection.pass_number,
    };
    connections::save_likes(tx, &[row])
}

/// Takes such a like back: by its id, or by what was liked.
pub fn unliked(
    tx: &mut Tx,
    patron: PatronId,
    actor: &str,
    like_uri: &str,
    object: Option<ObjectId>,
    now: Timestamp,
) -> Result<&'static str, FlattrError> {
    if let Some(outcome) = undone(tx, actor, like_uri, now)? {
        return Ok(outcome);
    }
    likes::remember_undone(tx, like_uri, actor, now)?;
    let known = likes::flattr_by_like_uri(tx, patron, like_uri)?.map(|flattr| flattr.object_id);
    match known.or(object) {
        Some(object) => {
            note_gone(tx, actor, object)?;
            take_back(tx, patron, object, now)
        }
        None => Ok("an Undo of something unknown: remembered"),
    }
}

/// The same for a like that was taken back.
fn note_gone(tx: &mut Tx, actor: &str, object: ObjectId) -> Result<(), storage::Error> {
    if let Ok(account) = ExternalId::new(Platform::Fediverse, actor)
        && let Some(connection) = claims::connection_of(tx, &account)?
        && let Some(like) = connections::like_of(tx, connection.id, object)?
    {
        connections::set_gone(tx, like.id)?;
    }
    Ok(())
}

fn take_back(tx: &mut Tx, patron: PatronId, object: ObjectId, now: Timestamp) -> Result<&'static str, FlattrError> {
    Ok(match flattr::take_back(tx, patron, object, now)? {
        Some(_) => "a flattr of a patron was taken back",
        None => "a flattr that cannot be taken back any more",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backlink_is_a_page_of_connections_at_the_peers_own_address() {
        let check = |backlink: &str, expected| {
            assert_eq!(is_backlink_of("https://beta.example/instance", backlink), expected, "{backlink}");
        };
        check("https://beta.example/connect/0f3a", true);
        check("https://beta.example/connect/", false);
        check("https://beta.example/connect/../claim/0f3a", false);
        check("https://beta.example/claim/0f3a", false);
        check("https://beta.example.evil.example/connect/0f3a", false);
        check("http://beta.example/connect/0f3a", false);
        check("https://beta.example", false);
    }
}
