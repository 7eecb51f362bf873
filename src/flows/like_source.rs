//! Accounts of the fediverse as sources of likes: where a like counts that an account gave by itself.
//!
//! Owns that it counts once: at the one home whose patron has proved the account, by the list of favourites where the
//! account is connected, and nowhere where two homes are shown. Source: FEDERATION.md, "Likes of other accounts".

use crate::domain::flattr::Source;
use crate::domain::id::{ObjectId, PatronId};
use crate::domain::identity::{ExternalId, Platform};
use crate::domain::time::Timestamp;
use crate::flows::flattr::{self, FlattrError, PatronLike, Recorded};
use crate::storage::connections::{self, ListedLike};
use crate::storage::grants::{self, Purpose};
use crate::storage::{self, Tx, claims, like_sources, likes};

/// Where the likes of an account count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Counts {
    /// At nobody's home that we know of: such a like is shown, and costs nobody anything.
    Nowhere,
    /// Here, when they arrive.
    Here(PatronId),
    /// Here, by the list of favourites, or not at all while the connection is paused.
    ByList,
    /// At a peer, to which they are forwarded.
    At { home_uri: String },
}

/// Where the likes of an actor count.
pub fn counts(tx: &mut Tx, actor: &str) -> Result<Counts, storage::Error> {
    let Ok(account) = ExternalId::new(Platform::Fediverse, actor) else { return Ok(Counts::Nowhere) };
    if let Some(connection) = claims::connection_of(tx, &account)? {
        let is_listed = grants::grant_of(tx, &account)?;
        let is_listed = is_listed.is_some_and(|grant| grant.state == "good" && grant.is_for(Purpose::Likes));
        let is_by_list = is_listed || !connection.is_active;
        return Ok(if is_by_list { Counts::ByList } else { Counts::Here(connection.patron_id) });
    }
    let sources = like_sources::of_account(tx, actor)?;
    let mut proved = sources.into_iter().filter(|source| source.state == "proved");
    Ok(match (proved.next(), proved.next()) {
        (Some(source), None) => Counts::At { home_uri: source.home_uri },
        _ => Counts::Nowhere,
    })
}

/// Judges what peers say of an account by one reading of its profile.
///
/// - `shows`: whether an address stands in the profile.
pub fn judge(tx: &mut Tx, account: &str, shows: &dyn Fn(&str) -> bool) -> Result<(), storage::Error> {
    for source in like_sources::of_account(tx, account)? {
        let state = if shows(&source.backlink) { "proved" } else { "failed" };
        like_sources::set_state(tx, &source, state)?;
    }
    Ok(())
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
    let recorded = flattr::record(
        tx,
        &PatronLike {
            patron: like.patron,
            object: like.object,
            source: Source::Fediverse,
            received_at: like.received_at,
            liked_at: like.witnessed_at,
            like_uri: Some(like.uri.to_owned()),
        },
    )?;
    note_known(tx, like)?;
    Ok(match recorded {
        Recorded::New { .. } => "a flattr of a patron, by an account of theirs",
        Recorded::Known { .. } => "a flattr of a patron that was known",
        Recorded::UndoneBefore => "a like of a patron that was taken back before it came",
    })
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
    likes::remember_undone(tx, like_uri, actor, now)?;
    let known = likes::flattr_by_like_uri(tx, patron, like_uri)?.map(|flattr| flattr.object_id);
    let Some(object) = known.or(object) else { return Ok("an Undo of something unknown: remembered") };
    if let Ok(account) = ExternalId::new(Platform::Fediverse, actor)
        && let Some(connection) = claims::connection_of(tx, &account)?
        && let Some(like) = connections::like_of(tx, connection.id, object)?
    {
        connections::set_gone(tx, like.id)?;
    }
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
