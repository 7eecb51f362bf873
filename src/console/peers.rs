//! Commands about other servers: peers, statements, deliveries, what came in.

use serde_json::{Value, json};
use url::Url;

use super::common::refuse;
use super::{Answer, Refused, table};
use crate::domain::ledger::Account;
use crate::domain::money::Amount;
use crate::domain::settlement::State as StatementState;
use crate::federation::Node;
use crate::federation::library::{self, Federation};
use crate::flows::settle;
use crate::storage::{self, inbox, ledger, outbox, payments, settlement};

/// Finds a peer's instance actor and offers it our terms.
pub async fn peer_add(federation: &Federation, address: &str) -> Result<Answer, Refused> {
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
    let peer = node
        .settle(move |tx, close| settle::add_peer(tx, close, &uri, &actor.inbox, &account))
        .await
        .map_err(refuse)?;
    Ok(Answer::new(format!("terms offered to {}", peer.host), json!({ "peer": peer.uri })))
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
                rows.push((peer.host, channel, owed));
            }
            Ok::<_, storage::Error>(rows)
        })
        .await
        .map_err(refuse)?;
    let mut cells = Vec::new();
    let mut data = Vec::new();
    for (host, channel, owed) in rows {
        let direction = if channel.is_debtor { "we owe" } else { "owes us" };
        let state = channel.frozen_because.clone().unwrap_or_else(|| channel.terms.clone());
        data.push(json!({ "peer": host, "is_debtor": channel.is_debtor, "terms": state, "owed": owed.to_wire() }));
        cells.push(vec![host, direction.to_owned(), state, owed.to_plain()]);
    }
    Ok(Answer::new(table(&["peer", "", "terms", "owed"], &cells), Value::Array(data)))
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
