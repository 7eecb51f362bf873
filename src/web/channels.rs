//! Settlement over HTTP: month commitments for everybody, channels and statement lines for the peer alone.
//!
//! Owns who may read what: a commitment is public, for a browser as a page; messages and lines are answered only to a
//! signed request by the other side of the channel.

use actix_web::web::{Path, Query, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, get};
use serde::Deserialize;
use serde_json::{Value, json};

use super::State;
use super::activitypub::{document, wants_json};
use super::error::WebError;
use super::pages::commitment::commitment_page;
use super::pages::{PageResult, Visit};
use crate::domain::settlement::host_of;
use crate::domain::statement::{LINES_PER_PAGE, StatedLine, write_line};
use crate::federation::gate::{self, GateError};
use crate::storage::settlement::{self, ChannelRow};
use crate::storage::{self, months};

/// Messages on one page of a channel.
const MESSAGES: i64 = 50;

pub fn routes(config: &mut ServiceConfig) {
    config.service(get_commitment).service(get_lines).service(get_channel);
}

#[get("/commitments/{month}")]
async fn get_commitment(state: State, request: HttpRequest, month: Path<String>) -> PageResult {
    let month = month.parse().map_err(|_| WebError::not_found())?;
    let row = state.db.read(move |tx| months::month(tx, month)).await?;
    let committed = row.and_then(|row| row.commitment.zip(row.commitment_digest));
    let (commitment, digest) = committed.ok_or_else(WebError::not_found)?;
    let commitment: Value = serde_json::from_str(&commitment)
        .map_err(|_| WebError::from(storage::Error::Corrupt { what: "commitment", value: month.to_string() }))?;
    if wants_json(&request) {
        return Ok(document(&commitment));
    }
    commitment_page(&Visit::of(&request).await?, month, &commitment, &digest)
}

/// The channel of an address, if the request is signed by the instance on its other side. Nobody else is fetched.
async fn channel_for_peer(state: &State, request: &HttpRequest, key: String) -> Result<ChannelRow, WebError> {
    let checked = gate::check_signature(state, request, &[])?;
    let channel = state.db.read(move |tx| settlement::channel_by_key(tx, &key)).await?;
    let channel = channel.ok_or_else(WebError::not_found)?;
    let other = if channel.is_debtor { &channel.creditor_uri } else { &channel.debtor_uri };
    match gate::verify_signer(&state.to_request_data(), &checked, other).await {
        Ok(_) => Ok(channel),
        Err(GateError::ForeignKey { .. } | GateError::OtherOwner { .. }) => {
            Err(WebError::new(403, format!("only {} may read this channel", host_of(other))))
        }
        Err(error) => Err(error.into()),
    }
}

#[derive(Deserialize)]
struct After {
    after: Option<i64>,
}

/// Our messages after a sequence number: what a peer pulls when it misses something.
#[get("/channels/{debtor}/{creditor}/{currency}")]
async fn get_channel(
    state: State,
    request: HttpRequest,
    path: Path<(String, String, String)>,
    query: Query<After>,
) -> Result<HttpResponse, WebError> {
    let key = format!("{}/{}/{}", path.0, path.1, path.2);
    let channel = channel_for_peer(&state, &request, key).await?;
    let after = query.after.unwrap_or(0);
    let id = channel.id;
    let messages = state.db.read(move |tx| settlement::own_messages_after(tx, id, after, MESSAGES)).await?;
    let items: Vec<Value> = messages.iter().filter_map(|message| serde_json::from_str(&message.body).ok()).collect();
    let uri = format!("{}/channels/{}", state.instance.base_url, channel.key);
    Ok(document(&json!({
        "@context": "https://www.w3.org/ns/activitystreams",
        "id": format!("{uri}?after={after}"),
        "type": "OrderedCollectionPage",
        "partOf": uri,
        "items": items,
    })))
}

#[derive(Deserialize)]
struct PageNumber {
    page: Option<i64>,
}

/// One page of the lines of a statement of ours.
#[get("/channels/{debtor}/{creditor}/{currency}/{sequence}/lines")]
async fn get_lines(
    state: State,
    request: HttpRequest,
    path: Path<(String, String, String, i64)>,
    query: Query<PageNumber>,
) -> Result<HttpResponse, WebError> {
    let key = format!("{}/{}/{}", path.0, path.1, path.2);
    let channel = channel_for_peer(&state, &request, key).await?;
    let currency = channel.currency()?;
    let uri = format!("{}/channels/{}/{}", state.instance.base_url, channel.key, path.3);
    let page = query.page.unwrap_or(0).clamp(0, i64::MAX / LINES_PER_PAGE - 1);
    let (statement_uri, from) = (uri.clone(), page * LINES_PER_PAGE);
    let rows = state
        .db
        .read(move |tx| match settlement::statement_by_uri(tx, &statement_uri)? {
            Some(statement) => settlement::lines(tx, statement.id, from, LINES_PER_PAGE + 1).map(Some),
            None => Ok(None),
        })
        .await?;
    let rows = rows.ok_or_else(WebError::not_found)?;
    let has_next = i64::try_from(rows.len()).unwrap_or(i64::MAX) > LINES_PER_PAGE;
    let mut items = Vec::new();
    for row in rows.iter().take(usize::try_from(LINES_PER_PAGE).expect("a page is small")) {
        let corrupt = || storage::Error::Corrupt { what: "statement line", value: row.id.to_string() };
        let line = StatedLine {
            creator: row.creator_uri.clone(),
            identity: row.identity.clone(),
            like_count: u64::try_from(row.like_count).map_err(|_| corrupt())?,
            sum: u64::try_from(row.units).map_err(|_| corrupt())?,
            leaves_root: hex::decode(&row.leaves_root)
                .ok()
                .and_then(|root| root.try_into().ok())
                .ok_or_else(corrupt)?,
            origin: row.origin_month.as_deref().map(str::parse).transpose().map_err(|_| corrupt())?,
        };
        items.push(write_line(&line, currency));
    }
    let mut body = json!({
        "@context": "https://www.w3.org/ns/activitystreams",
        "id": format!("{uri}/lines?page={page}"),
        "type": "OrderedCollectionPage",
        "partOf": format!("{uri}/lines"),
        "items": items,
    });
    if has_next {
        body["next"] = json!(format!("{uri}/lines?page={}", page + 1));
    }
    Ok(document(&body))
}
