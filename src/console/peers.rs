//! Commands about other servers: peers, statements, deliveries, what came in.

use serde_json::{Value, json};
use url::Url;

use super::common::{parse, refuse};
use super::{Answer, Refused, table};
use crate::domain::identity::Platform;
use crate::domain::ledger::Account;
use crate::domain::money::Amount;
use crate::domain::settlement::State as StatementState;
use crate::federation::Node;
use crate::federation::library::{self, Federation};
use crate::flows::settle;
use crate::storage::settlement::Peer;
use crate::storage::{self, inbox, ledger, outbox, payments, settlement};

/// Finds a peer's instance actor and offers it our terms.
///
/// - `claims`: platforms on whose sign-ins we take its word; empty leaves what was said before.
pub async fn peer_add(federation: &Federation, address: &str, claims: &[String]) -> Result<Answer, Refused> {
    let trusted = platforms(claims)?;
    let peer = offer_terms(federation, address, (!claims.is_empty()).then_some(trusted)).await?;
    Ok(Answer::new(format!("terms offered to {}", peer.host), json!({ "peer": peer.uri })))
}

/// Says on which platforms we take the word of an instance that is a peer already.
pub async fn peer_trust(federation: &Federation, address: &str, claims: &[String]) -> Result<Answer, Refused> {
    let (node, trusted): (&Node, _) = (federation, platforms(claims)?);
    let host = host_in(address).to_owned();
    let known = node.db.read(move |tx| settlement::peer_by_host(tx, &host)).await.map_err(refuse)?;
    if known.is_none_or(|peer| peer.state != "added") {
        return Err(Refused(format!("`{address}` is not a peer: fedflattr peer add {address}")));
    }
    let peer = offer_terms(federation, address, Some(trusted)).await?;
    let text = match peer.trusted_claims.as_str() {
        "" => format!("the word of {} is taken for no claim: addresses in profiles count as before", peer.host),
        slugs => format!("the word of {} is taken for claims by signing in at: {slugs}", peer.host),
    };
    Ok(Answer::new(text, json!({ "peer": peer.uri, "trusted_claims": peer.trusted_claims })))
}

/// The platforms of a list; `none` alone is none.
fn platforms(claims: &[String]) -> Result<Vec<Platform>, Refused> {
    if claims == ["none"] {
        return Ok(Vec::new());
    }
    claims.iter().map(|slug| parse(slug.trim())).collect()
}

/// What people write is a domain, or an address of the instance.
fn host_in(address: &str) -> &str {
    let host = address.split_once("://").map_or(address, |(_, rest)| rest);
    host.split('/').next().unwrap_or(host)
}

async fn offer_terms(federation: &Federation, address: &str, trusted: Option<Vec<Platform>>) -> Result<Peer, Refused> {
    let node: &Node = federation;
    let scheme = node.instance.base_url.split("://").next().unwrap_or("https");
    let base = if address.contains("://") { address.to_owned() } else { format!("{scheme}://{address}") };
    let url = Url::parse(&format!("{}/instance", base.trim_end_matches('/').trim_end_matches("/instance")))
        .map_err(|_| Refused(format!("`{address}` is not a domain")))?;
    if url.as_str() == node.instance.uri() {
        return Err(Refused("an instance does not settle with itself".to_owned()));
    }
    let actor = library::fetch_actor(federation, &url).await.map_err(refuse)?;
    if actor.ed25519_multikey.is_none() {
        return Err(Refused(format!("{url} publishes no key for object proofs: it cannot settle")));
    }
    let account = node.rail.as_ref().map(|rail| rail.account().to_owned()).filter(|account| !account.is_empty());
    let account = account.ok_or_else(|| {
        Refused(
            "no rail with an account is configured: terms would not say where we are paid (rail.sandbox)".to_owned(),
        )
    })?;
    let uri = actor.uri.clone();
    node.settle(move |tx, close| settle::add_peer(tx, close, &uri, &actor.inbox, &account, trusted.as_deref()))
        .await
        .map_err(refuse)
}

pub async fn peer_list(node: &Node) -> Result<Answer, Refused> {
    let currency = node.instance.policy.currency;
    let rows = node
        .db
        .read(move |tx| {
            let mut rows = Vec::new();
            for channel in settlement::channels(tx)? {
                let Some(peer) = settlement::peer(tx, channel.peer_id)? else { continue };
                let account = if channel.is_debtor {
                    Account::DueTo(peer.host.clone())
                } else {
                    Account::DueFrom(peer.host.clone())
                };
                let owed = ledger::balance(tx, &account, currency)?.posted();
                // The terms of each direction are the creditor's: whose word it takes.
                let trusted = if channel.is_debtor { peer.trusts_claims } else { peer.trusted_claims };
                rows.push((peer.host, channel, owed, trusted));
            }
            Ok::<_, storage::Error>(rows)
        })
        .await
        .map_err(refuse)?;
    let mut cells = Vec::new();
    let mut data = Vec::new();
    for (host, channel, owed, trusted) in rows {
        let direction = if channel.is_debtor { "we owe" } else { "owes us" };
        let state = channel.frozen_because.clone().unwrap_or_else(|| channel.terms.clone());
        data.push(json!({
            "peer": host, "is_debtor": channel.is_debtor, "terms": state, "owed": owed.to_wire(),
            "trusted_claims": trusted,
        }));
        cells.push(vec![host, direction.to_owned(), state, owed.to_plain(), trusted]);
    }
    Ok(Answer::new(table(&["peer", "", "terms", "owed", "trusted claims"], &cells), Value::Array(data)))
}

pub async fn settlement_list(node: &Node) -> Result<Answer, Refused> {
    let (rows, missing) = node
        .db
        .read(|tx| Ok::<_, storage::Error>((settlement::statements(tx)?, payments::missing_parts(tx)?)))
        .await
        .map_err(refuse)?;
    let mut cells = Vec::new();
    let mut data = Vec::new();
    let mut notes = String::new();
    for (statement, channel) in rows {
        let currency = channel.currency().map_err(refuse)?;
        let shown = |units| Amount::from_units(units, currency);
        let (sum, paid) = (shown(statement.units), shown(statement.paid_units));
        let state = StatementState::parse(&statement.state).map_or("unknown", StatementState::as_str);
        let mut lost = 0;
        for (reference, _, units) in missing.iter().filter(|(_, id, _)| *id == statement.id) {
            lost += units;
            notes.push_str(&format!(
                "\n{} of payment {reference} did not arrive, says the peer. Ask the bank; to pay it again: fedflattr \
                 settlement repay {reference}",
                shown(*units)
            ));
        }
        data.push(json!({
            "month": statement.month, "channel": channel.key, "is_debtor": channel.is_debtor, "state": state,
            "sum": sum.to_wire(), "paid": paid.to_wire(), "missing": shown(lost).to_wire(), "digest": statement.digest,
            "likes": statement.like_count,
        }));
        cells.push(vec![statement.month, channel.key, state.to_owned(), sum.to_plain(), paid.to_plain()]);
    }
    let text = format!("{}{notes}", table(&["month", "channel", "state", "sum", "paid"], &cells));
    Ok(Answer::new(text, Value::Array(data)))
}

/// Pays again what a receipt said was missing of a payment of ours.
pub async fn settlement_repay(node: &Node, reference: String) -> Result<Answer, Refused> {
    let owned = reference.clone();
    let payment = node.db.read(move |tx| payments::payment_by_reference(tx, &owned)).await.map_err(refuse)?;
    let payment = payment.ok_or_else(|| Refused(format!("there is no payment `{reference}`")))?;
    let amount = node.write(move |tx| settle::pay_missing(tx, &payment)).await.map_err(refuse)?;
    if !amount.is_positive() {
        return Err(Refused(format!("nothing is missing of payment {reference}")));
    }
    let text = format!("{amount} of payment {reference} are due again and paid with the next payment");
    Ok(Answer::new(text, json!({ "reference": reference, "amount": amount.to_wire() })))
}

pub async fn delivery_list(node: &Node) -> Result<Answer, Refused> {
    let rows = node.db.read(|tx| outbox::newest(tx, 200)).await.map_err(refuse)?;
    let mut cells = Vec::new();
    let mut data = Vec::new();
    for (delivery, outgoing) in rows {
        data.push(json!({
            "activity": outgoing.activity_uri, "inbox": delivery.inbox, "state": delivery.state,
            "attempts": delivery.attempts, "last_error": delivery.last_error, "type": outgoing.activity_type,
        }));
        cells.push(vec![
            outgoing.activity_type,
            delivery.host,
            delivery.state,
            delivery.attempts.to_string(),
            delivery.last_error.unwrap_or_default(),
        ]);
    }
    Ok(Answer::new(table(&["type", "host", "state", "attempts", "last error"], &cells), Value::Array(data)))
}

pub async fn inbox_list(node: &Node) -> Result<Answer, Refused> {
    let rows = node.db.read(|tx| inbox::newest(tx, 200)).await.map_err(refuse)?;
    let mut cells = Vec::new();
    let mut data = Vec::new();
    for row in rows {
        let outcome = row.outcome.unwrap_or_default();
        data.push(json!({ "activity": row.activity_uri, "state": row.state, "outcome": outcome }));
        cells.push(vec![row.activity_uri, row.state, outcome]);
    }
    Ok(Answer::new(table(&["activity", "state", "outcome"], &cells), Value::Array(data)))
}
