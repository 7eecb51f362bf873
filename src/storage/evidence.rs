//! Evidence: what peers have signed and must be able to be held to, years later.
//!
//! Owns that the first document under a name is kept, and a second, contradicting one beside it.

use diesel::prelude::*;

use super::schema::{evidence, peer_commitments};
use super::{Result, Tx};
use crate::domain::time::{Month, Timestamp};

/// Keeps a peer's commitment. Another one for the same month is not kept: the first is returned instead.
pub fn save_commitment(
    tx: &mut Tx,
    home_uri: &str,
    month: Month,
    digest: &str,
    body: &str,
) -> Result<Option<(String, String)>> {
    both!(tx, |db| diesel::insert_into(peer_commitments::table)
        .values((
            peer_commitments::home_uri.eq(home_uri),
            peer_commitments::month.eq(month.to_string()),
            peer_commitments::digest.eq(digest),
            peer_commitments::body.eq(body),
        ))
        .on_conflict_do_nothing()
        .execute(db))?;
    let stored: (String, String) = both!(tx, |db| peer_commitments::table
        .filter(peer_commitments::home_uri.eq(home_uri))
        .filter(peer_commitments::month.eq(month.to_string()))
        .select((peer_commitments::digest, peer_commitments::body))
        .first(db))?;
    Ok(Some(stored).filter(|(stored, _)| stored != digest))
}

/// Keeps two signed documents that contradict each other.
pub fn save_evidence(
    tx: &mut Tx,
    kind: &str,
    subject: &str,
    first_body: &str,
    second_body: &str,
    now: Timestamp,
) -> Result<bool> {
    let inserted = both!(tx, |db| diesel::insert_into(evidence::table)
        .values((
            evidence::kind.eq(kind),
            evidence::subject.eq(subject),
            evidence::first_body.eq(first_body),
            evidence::second_body.eq(second_body),
            evidence::found_at.eq(now.micros()),
        ))
        .on_conflict_do_nothing()
        .execute(db))?;
    Ok(inserted == 1)
}

/// What went wrong with peers: (kind, subject, found at), newest first.
pub fn evidence(tx: &mut Tx) -> Result<Vec<(String, String, i64)>> {
    Ok(both!(tx, |db| evidence::table
        .select((evidence::kind, evidence::subject, evidence::found_at))
        .order(evidence::id.desc())
        .load(db))?)
}
