//! Checking the accounts that peers announce as sources of likes: only the account's own profile decides.

use std::time::Duration;

use super::claims::read_profile;
use super::{JobError, LookUpError};
use crate::bridges::proves;
use crate::domain::identity::{ExternalId, Platform};
use crate::domain::time::Timestamp;
use crate::federation::Node;
use crate::flows::like_source;
use crate::storage;
use crate::storage::like_sources::{self, LikeSource};

const ROUND_MAX: i64 = 20;
const RETRY: Duration = Duration::from_secs(3_600);
const ATTEMPTS_MAX: i64 = 48;

/// Looks at the profiles of accounts that peers announced. Says how many.
pub async fn check_sources(node: &Node, now: Timestamp) -> Result<usize, JobError> {
    let due = node.db.read(move |tx| like_sources::due(tx, now, ROUND_MAX)).await?;
    let count = due.len();
    for source in due {
        check(node, source, now).await?;
    }
    Ok(count)
}

async fn check(node: &Node, source: LikeSource, now: Timestamp) -> Result<(), JobError> {
    let account = ExternalId::new(Platform::Fediverse, &source.account);
    let account = account.map_err(|_| storage::Error::corrupt("source of likes", &source.account))?;
    match read_profile(node, &account).await {
        Ok(profile) => {
            tracing::info!(account = %account, "looked at {account}, which {} says is a patron's", source.home_uri);
            node.write(move |tx| {
                let shows = |address: &str| profile.as_ref().is_some_and(|profile| proves(profile, address));
                like_source::judge(tx, &source.account, &shows)
            })
            .await?;
        }
        Err(LookUpError::Job(error)) => return Err(error),
        Err(error) => {
            let reason = error.to_string();
            let state = if source.attempts < ATTEMPTS_MAX { "waiting" } else { "failed" };
            node.write(move |tx| like_sources::postpone(tx, &source, state, &reason, now.plus(RETRY))).await?;
        }
    }
    Ok(())
}
