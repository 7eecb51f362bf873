//! Checking the accounts that peers announce as sources of likes: only the account's own profile decides.
//!
//! Owns that a profile is read again every week, as long as a peer names the account, and that a server that does not
//! answer decides nothing: what was seen the last time stands, and it is asked once a day in the end.

use std::collections::BTreeSet;

use super::claims::{HOURLY_MAX, RETRY, RETRY_LATE, read_profile};
use super::{JobError, LookUpError};
use crate::bridges::proves;
use crate::domain::identity::{ExternalId, Platform};
use crate::domain::time::Timestamp;
use crate::federation::Node;
use crate::flows::like_source::{self, Ours};
use crate::storage;
use crate::storage::like_sources::{self, LikeSource};

const ROUND_MAX: i64 = 20;

/// Looks at the profiles of accounts that peers announced. Says how many.
pub async fn check_sources(node: &Node, now: Timestamp) -> Result<usize, JobError> {
    let due = node.db.read(move |tx| like_sources::due(tx, now, ROUND_MAX)).await?;
    let mut looked = BTreeSet::new();
    for source in due {
        // One reading judges all that peers say of an account.
        if looked.insert(source.account.clone()) {
            check(node, source, now).await?;
        }
    }
    Ok(looked.len())
}

async fn check(node: &Node, source: LikeSource, now: Timestamp) -> Result<(), JobError> {
    let account = ExternalId::new(Platform::Fediverse, &source.account);
    let account = account.map_err(|_| storage::Error::corrupt("source of likes", &source.account))?;
    match read_profile(node, &account).await {
        Ok(profile) => {
            let (instance, id) = (node.instance.clone(), account.clone());
            let judged = node
                .write(move |tx| {
                    let shows = |address: &str| profile.as_ref().is_some_and(|profile| proves(profile, address));
                    like_source::judge(tx, &instance, &id, &shows, now)
                })
                .await?;
            let (homes, said) = (judged.homes.join(" and "), &source.home_uri);
            match judged.ours {
                Ours::AsBefore if judged.homes.is_empty() => {
                    tracing::info!(account = %account, "{account} does not show that it is a patron's at {said}");
                }
                Ours::AsBefore => tracing::info!(account = %account, "the likes of {account} count at {homes}"),
                Ours::Ended => {
                    tracing::warn!(account = %account, "{account} is not connected any more: it shows {homes}");
                }
                Ours::Contested => {
                    tracing::warn!(account = %account, "{account} counts nowhere: it shows us and {homes}");
                }
            }
        }
        Err(LookUpError::Job(error)) => return Err(error),
        Err(error) => {
            let reason = error.to_string();
            let wait = if source.attempts < HOURLY_MAX { RETRY } else { RETRY_LATE };
            node.write(move |tx| {
                for source in like_sources::of_account(tx, &source.account)? {
                    like_sources::postpone(tx, &source, &reason, now.plus(wait))?;
                }
                Ok::<_, storage::Error>(())
            })
            .await?;
        }
    }
    Ok(())
}
