//! Delivery: brings what was said to each inbox, for as long as it takes.
//!
//! Owns the typed outcome of every attempt and the retry schedule. A settlement message is never given up by itself; a
//! refusal is never called delivered. Signed afresh at every attempt; id, bytes and proof stay the same.

use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::client::{ClientError, Reply};
use super::node::{Node, StartError};
use crate::clock::wall_time;
use crate::domain::time::Timestamp;
use crate::flows::settle;
use crate::storage::outbox::{self, Attempt, Delivery, Lease};
use crate::storage::{self, people};

const CONTENT_TYPE: &str = "application/activity+json";

/// Waits between attempts; the last one repeats.
const SCHEDULE_SECONDS: [u64; 10] = [0, 30, 120, 600, 1_800, 3_600, 3 * 3_600, 6 * 3_600, 12 * 3_600, 24 * 3_600];
/// After this a social delivery is dead: kept, visible, and replayed by hand only.
const SOCIAL_LIFE: Duration = Duration::from_secs(14 * 24 * 3_600);
/// No answer may make us wait longer.
const RETRY_AFTER_MAX: u64 = 24 * 3_600;

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Delivered,
    /// May succeed later; `after` is what the answer asked for.
    Retry {
        after: Option<u64>,
        reason: String,
    },
    /// Will not succeed.
    Refused {
        reason: String,
    },
    Gone,
}

/// Classifies an answer.
pub fn classify(reply: &Result<Reply, ClientError>) -> Outcome {
    let reply = match reply {
        Ok(reply) => reply,
        Err(ClientError::Scheme(scheme)) => {
            return Outcome::Refused { reason: format!("inbox with the scheme {scheme}") };
        }
        Err(error @ ClientError::ForbiddenAddress { .. }) => return Outcome::Refused { reason: error.to_string() },
        Err(error) => return Outcome::Retry { after: None, reason: error.to_string() },
    };
    let status = reply.status.as_u16();
    let text: String = String::from_utf8_lossy(&reply.body).chars().take(300).collect();
    let reason = format!("{status}: {text}");
    let after = reply.headers.get("retry-after").and_then(|value| value.to_str().ok()?.trim().parse::<u64>().ok());
    match status {
        200..=299 => Outcome::Delivered,
        // A peer that does not believe our signature may have an old key of ours: it will ask for the new one.
        401 | 403 | 408 | 425 | 429 | 500..=599 => Outcome::Retry { after, reason },
        410 => Outcome::Gone,
        _ => Outcome::Refused { reason },
    }
}

/// When an attempt that failed is repeated. Jitter of a fifth, from the row's own number, keeps a herd apart.
pub fn next_attempt(now: Timestamp, attempts: i64, row: i64, after: Option<u64>) -> Timestamp {
    let step = usize::try_from(attempts + 1).unwrap_or(usize::MAX).min(SCHEDULE_SECONDS.len() - 1);
    let base = SCHEDULE_SECONDS[step] * 1_000;
    let spread = row.unsigned_abs().wrapping_mul(2_654_435_761) % 401;
    let jittered = base * (800 + spread) / 1_000;
    let asked = after.unwrap_or(0).min(RETRY_AFTER_MAX) * 1_000;
    now.plus(Duration::from_millis(jittered.max(asked)))
}

/// Brings out what is due. Says how many attempts were made.
pub async fn deliver_due(node: &Node) -> Result<usize, storage::Error> {
    let now = node.now();
    let wall = wall_time();
    let held = Duration::from_secs(2 * node.config.federation.fetch_timeout_seconds);
    let lease = Lease { now: wall, until: wall.plus(held) };
    let limit = i64::from(node.config.federation.delivery_workers);
    if !node.db.read(move |tx| outbox::has_due(tx, now, wall)).await? {
        return Ok(0);
    }
    let due = node.db.write(move |tx| outbox::lease_due(tx, now, lease, limit)).await?;
    let attempts = due.into_iter().map(|delivery| {
        let node = node.clone();
        tokio::spawn(async move { attempt(&node, delivery).await })
    });
    let attempts: Vec<_> = attempts.collect();
    let count = attempts.len();
    for attempt in attempts {
        attempt.await.map_err(|error| storage::Error::Panicked(error.to_string()))??;
    }
    Ok(count)
}

async fn attempt(node: &Node, delivery: Delivery) -> Result<(), storage::Error> {
    let outgoing = delivery.outgoing_id;
    let (outgoing, actor) = node
        .db
        .read(move |tx| {
            let outgoing = outbox::outgoing(tx, outgoing)?
                .ok_or_else(|| storage::Error::Corrupt { what: "outgoing", value: outgoing.to_string() })?;
            let actor = people::actor(tx, outgoing.actor_id)?;
            Ok::<_, storage::Error>((outgoing, actor))
        })
        .await?;
    let actor = actor.ok_or_else(|| storage::Error::Corrupt { what: "actor", value: outgoing.actor_id.to_string() })?;
    let keys = match node.keys_of(&actor).await {
        Ok(keys) => keys,
        Err(StartError::Storage(error)) => return Err(error),
        Err(error) => return Err(storage::Error::Corrupt { what: "keys", value: error.to_string() }),
    };
    let reply = post(node, &delivery, outgoing.body.clone().into_bytes(), &keys).await;
    let outcome = classify(&reply);
    crate::fault::point("delivery.answered");
    save(node, delivery, outgoing.activity_uri, reply.ok().map(|reply| i64::from(reply.status.as_u16())), outcome).await
}

async fn post(
    node: &Node,
    delivery: &Delivery,
    body: Vec<u8>,
    keys: &Arc<super::node::LocalKeys>,
) -> Result<Reply, ClientError> {
    let inbox = Url::parse(&delivery.inbox).map_err(|_| ClientError::NoHost)?;
    let headers = keys.request.sign_post(&inbox, CONTENT_TYPE, &body, wall_time())?;
    node.client.post(&inbox, &headers, body).await
}

async fn save(
    node: &Node,
    delivery: Delivery,
    activity_uri: String,
    status: Option<i64>,
    outcome: Outcome,
) -> Result<(), storage::Error> {
    let now = node.now();
    let is_settlement = delivery.is_settlement();
    let (state, next_at, error) = becomes(&delivery, &outcome, now);
    match &error {
        None => tracing::debug!(activity = %activity_uri, inbox = %delivery.inbox, "delivered"),
        Some(error) => {
            let (uri, inbox) = (&activity_uri, &delivery.inbox);
            tracing::warn!(activity = %uri, %inbox, state, "{uri} was not delivered to {inbox}: {error}");
        }
    }
    node.write(move |tx| {
        let attempt = Attempt { state, next_at, status, error: error.as_deref() };
        outbox::save_attempt(tx, delivery.id, &attempt)?;
        if state == "delivered" && is_settlement {
            settle::acknowledgement_taken(tx, &activity_uri)?;
        }
        Ok(())
    })
    .await
}

/// The state of a delivery after an attempt, when it is tried next, and what went wrong.
fn becomes(delivery: &Delivery, outcome: &Outcome, now: Timestamp) -> (&'static str, Timestamp, Option<String>) {
    let (reason, after) = match outcome {
        Outcome::Delivered => return ("delivered", now, None),
        Outcome::Retry { reason, after } => (reason.as_str(), *after),
        Outcome::Refused { reason } => (reason.as_str(), None),
        Outcome::Gone => ("the inbox is gone", None),
    };
    let is_old = now > Timestamp::from_micros(delivery.first_at).plus(SOCIAL_LIFE);
    let state = match outcome {
        // A message about money is repeated until it is taken, whatever a proxy in front of the peer says today.
        _ if delivery.is_settlement() => "waiting",
        Outcome::Retry { .. } if !is_old => "waiting",
        Outcome::Gone => "gone",
        _ => "dead",
    };
    let next_at = if state == "waiting" { next_attempt(now, delivery.attempts, delivery.id, after) } else { now };
    (state, next_at, Some(reason.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(class: &str, attempts: i64) -> Delivery {
        Delivery {
            id: 7,
            outgoing_id: 1,
            inbox: "https://x.example/inbox".into(),
            host: "x.example".into(),
            class: class.into(),
            ordering_key: String::new(),
            state: "waiting".into(),
            attempts,
            first_at: 0,
            next_at: 0,
            last_status: None,
            last_error: None,
            lease_until: 0,
        }
    }

    #[test]
    fn only_what_is_about_money_is_never_given_up() {
        let outcomes = [
            Outcome::Retry { after: None, reason: "503".into() },
            Outcome::Refused { reason: "400".into() },
            Outcome::Gone,
        ];
        let early = Timestamp::from_seconds(60);
        let late = Timestamp::from_seconds(0).plus(SOCIAL_LIFE * 10);
        let states = |class: &str, attempts: i64, now: Timestamp| {
            outcomes.each_ref().map(|outcome| {
                let (state, next_at, error) = becomes(&delivery(class, attempts), outcome, now);
                assert_eq!(state == "waiting", next_at > now, "{class} {attempts}");
                assert!(error.is_some(), "{class} {attempts}");
                state
            })
        };
        assert_eq!(states("settlement", 0, early), ["waiting"; 3]);
        assert_eq!(states("settlement", 10_000, late), ["waiting"; 3]);
        assert_eq!(states("social", 0, early), ["waiting", "dead", "gone"]);
        assert_eq!(states("social", 10_000, late), ["dead", "dead", "gone"]);
        assert_eq!(becomes(&delivery("social", 3), &Outcome::Delivered, late), ("delivered", late, None));
    }

    fn reply(status: u16, retry_after: Option<&str>) -> Result<Reply, ClientError> {
        let mut headers = reqwest::header::HeaderMap::new();
        if let Some(after) = retry_after {
            headers.insert("retry-after", after.parse().unwrap());
        }
        let status = reqwest::StatusCode::from_u16(status).unwrap();
        Ok(Reply { status, headers, body: b"no".to_vec(), final_url: Url::parse("https://x.example/").unwrap() })
    }

    #[test]
    fn a_refusal_is_never_called_delivered() {
        for status in [400, 404, 405, 409, 413, 415, 422, 301] {
            assert!(matches!(classify(&reply(status, None)), Outcome::Refused { .. }), "{status}");
        }
        for status in [401, 403, 408, 425, 429, 500, 502, 503] {
            assert!(matches!(classify(&reply(status, None)), Outcome::Retry { .. }), "{status}");
        }
        assert_eq!(classify(&reply(202, None)), Outcome::Delivered);
        assert_eq!(classify(&reply(410, None)), Outcome::Gone);
        assert!(matches!(classify(&Err(ClientError::NoHost)), Outcome::Retry { .. }));
    }

    #[test]
    fn the_schedule_grows_and_what_the_peer_asks_is_obeyed() {
        let now = Timestamp::from_seconds(0);
        let wait = |attempts, after| next_attempt(now, attempts, 7, after).seconds();
        assert!((24..=36).contains(&wait(0, None)));
        assert!((96..=144).contains(&wait(1, None)));
        assert!(wait(50, None) <= 29 * 3_600 && wait(50, None) >= 19 * 3_600);
        assert_eq!(wait(0, Some(500)), 500);
        assert_eq!(wait(0, Some(u64::MAX / 4)), 24 * 3_600);
    }
}
