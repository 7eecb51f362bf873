//! Pulling: what a peer has for us, fetched by signed GETs.
//!
//! Owns the other path of settlement: delivery is never the only one. A statement's lines and the commitment behind it are
//! fetched here before they are judged, and a gap in a channel is filled from the peer's own copy.

use serde_json::Value;
use url::Url;

use super::gate::{self, has_valid_proof};
use super::library::Federation;
use super::node::Node;
use crate::clock::wall_time;
use crate::domain::message::{self, StatementOffer};
use crate::domain::proof;
use crate::domain::settlement::host_of;
use crate::domain::statement::{LINES_PER_PAGE, StatedLine, read_line};
use crate::flows::hear::Evidence;
use crate::storage::inbox::{self, About, Received, Stored};
use crate::storage::people::Actor;
use crate::storage::settlement;

/// Pages of lines that one statement may have: five million lines.
const PAGES_MAX: i64 = 10_000;
/// Pages of messages that are read of a channel in one go; the rest comes with the next pull.
const MESSAGE_PAGES_MAX: usize = 100;

#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// May work later.
    #[error("{0}")]
    Unreachable(String),
    #[error("{0}")]
    Refused(String),
}

/// Fetches what a statement must be checked against.
pub async fn evidence(
    federation: &Federation,
    debtor: &Actor,
    statement: &str,
    offer: &StatementOffer,
) -> Result<Evidence, PullError> {
    if host_of(&offer.commitment) != host_of(&debtor.uri) {
        return Err(PullError::Refused("the commitment is on another host than the debtor".to_owned()));
    }
    let commitment = get(federation, &offer.commitment).await?;
    if !has_valid_proof(debtor, &commitment, federation) {
        return Err(PullError::Refused("the commitment has no valid proof by the debtor".to_owned()));
    }
    let mut lines: Vec<StatedLine> = Vec::new();
    for page in 0..PAGES_MAX {
        let document = get(federation, &format!("{statement}/lines?page={page}")).await?;
        let items = items_of(&document)?;
        for item in items {
            let line = read_line(item, offer.sum.currency());
            lines.push(line.map_err(|error| PullError::Refused(format!("a line: {error}")))?);
        }
        // A line stands for a like at least: nobody makes us read more than the statement speaks of.
        if i64::try_from(lines.len()).is_ok_and(|count| count > offer.like_count) {
            return Err(PullError::Refused("more lines than likes".to_owned()));
        }
        let is_last = document.get("next").is_none();
        if is_last || items.is_empty() || i64::try_from(items.len()) != Ok(LINES_PER_PAGE) {
            break;
        }
    }
    Ok(Evidence { lines, commitment })
}

/// Fetches the messages of a channel that we have not heard, and puts them into the inbox as if they had been delivered.
pub async fn channel(federation: &Federation, peer: &Actor, key: &str) -> Result<usize, PullError> {
    let node: &Node = federation;
    let unreachable = |error: crate::storage::Error| PullError::Unreachable(error.to_string());
    let owned = key.to_owned();
    let last = node
        .db
        .read(move |tx| match settlement::channel_by_key(tx, &owned)? {
            Some(channel) => settlement::last_message(tx, channel.id, false),
            None => Ok(None),
        })
        .await
        .map_err(unreachable)?;
    let mut after = last.map_or(0, |last| last.sequence);
    let base = peer.uri.trim_end_matches("/instance");
    let mut pulled = 0;
    for _ in 0..MESSAGE_PAGES_MAX {
        let page = get(federation, &format!("{base}/channels/{key}?after={after}")).await?;
        let before = after;
        for item in items_of(&page)? {
            after = after.max(keep(federation, peer, item.clone()).await?);
            pulled += 1;
        }
        if after == before {
            break;
        }
    }
    Ok(pulled)
}

/// A page that names no items is no page, and says nothing of what there is.
fn items_of(page: &Value) -> Result<&Vec<Value>, PullError> {
    page.get("items").and_then(Value::as_array).ok_or_else(|| PullError::Refused("a page has no items".to_owned()))
}

/// Puts one message of a peer's copy into the inbox. Gives its number.
async fn keep(federation: &Federation, peer: &Actor, item: Value) -> Result<i64, PullError> {
    let node: &Node = federation;
    let id = item.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    if host_of(&id) != host_of(&peer.uri) || !has_valid_proof(peer, &item, node) {
        return Err(PullError::Refused(format!("message `{id}` has no valid proof by the peer")));
    }
    let message = message::read(&item).map_err(|error| PullError::Refused(format!("message `{id}`: {error}")))?;
    let received = Received {
        activity_uri: id,
        digest: proof::digest(&item),
        signer_uri: peer.uri.clone(),
        body: item.to_string(),
        received_at: node.now(),
        about: About::Settlement,
    };
    let stored = node.write(move |tx| match inbox::store(tx, &received)? {
        Stored::Repeat => inbox::revive(tx, &received.activity_uri, &received.body, received.received_at).map(|_| ()),
        Stored::New | Stored::Differs { .. } => Ok(()),
    });
    stored.await.map_err(|error: crate::storage::Error| PullError::Unreachable(error.to_string()))?;
    Ok(message.envelope.sequence)
}

/// A signed GET of a JSON document from a peer.
pub async fn get(federation: &Federation, address: &str) -> Result<Value, PullError> {
    let node: &Node = federation;
    let url = Url::parse(address).map_err(|_| PullError::Refused(format!("`{address}` is not an address")))?;
    let accept = [("accept", "application/activity+json".to_owned())];
    let reply = node.client.get_signed(&url, &accept, &node.keys.request, wall_time()).await;
    let reply = reply.map_err(|error| PullError::Unreachable(format!("{address}: {error}")))?;
    match reply.status.as_u16() {
        200 => gate::parse(&reply.body).map_err(|error| PullError::Refused(format!("{address} is not JSON: {error}"))),
        404 | 410 => Err(PullError::Refused(format!("{address} is not there"))),
        status => Err(PullError::Unreachable(format!("{address} answered {status}"))),
    }
}
