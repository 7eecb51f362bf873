//! Asking whose a post is: of the fediverse, only a post's own server can say.
//!
//! Owns that nobody is paid on the word of the server that told of a like. A post is asked for while a like of it counts
//! and while a share waits for it; until its server answers, the share waits for the post itself. One that its server calls
//! deleted is withdrawn. A server that is down holds up no other.

use std::time::Duration;

use futures_util::stream::{self, StreamExt};

use super::{JobError, reading_of, seen_identity, seen_post};
use crate::bridges::{self, Access, LiveApi, Who};
use crate::domain::identity::Platform;
use crate::domain::time::Timestamp;
use crate::federation::Node;
use crate::flows::consent::{self, ConsentError, Reading};
use crate::flows::notice::{self, SeenPost};
use crate::flows::{flattr, proxied, same_post, withdraw};
use crate::storage::identities::{self, Object};
use crate::storage::{self, Tx, fediverse};

/// Posts that are asked for in one round, and how many of them at the same time.
const ROUND_MAX: i64 = 40;
const AT_ONCE_MAX: usize = 8;
/// The shortest wait after a failure, and the longest.
const RETRY_MIN: Duration = Duration::from_secs(60);
const RETRY_MAX: Duration = Duration::from_secs(24 * 3_600);

/// The posts whose servers are to be asked now.
pub(super) fn due(tx: &mut Tx, now: Timestamp, limit: i64) -> Result<Vec<Object>, storage::Error> {
    let open_since = flattr::open_since(tx, now)?;
    fediverse::posts_without_author(tx, open_since, now, limit)
}

pub(super) fn count_due(tx: &mut Tx, now: Timestamp) -> Result<i64, storage::Error> {
    Ok(i64::try_from(due(tx, now, ROUND_MAX)?.len()).unwrap_or(ROUND_MAX))
}

/// Asks the servers of posts whose authors are not known. Says how many.
pub async fn look_for_authors(node: &Node, now: Timestamp) -> Result<usize, JobError> {
    let Some(bridge) = node.bridges.get(Platform::Fediverse).cloned() else { return Ok(0) };
    let Some(live) = bridge.live() else { return Ok(0) };
    let posts = node.db.read(move |tx| due(tx, now, ROUND_MAX)).await?;
    let count = posts.len();
    let looks = stream::iter(posts).map(|post| look(node, live, post, now));
    let outcomes: Vec<Result<(), JobError>> = looks.buffer_unordered(AT_ONCE_MAX).collect().await;
    outcomes.into_iter().collect::<Result<(), JobError>>()?;
    Ok(count)
}

/// What the server of a post says of it.
enum Answer {
    /// The post, and what its author's profile says when that was read too.
    There(Box<SeenPost>, Option<Reading>),
    Gone,
    Failed(bridges::Error),
}

async fn look(node: &Node, live: &dyn LiveApi, post: Object, now: Timestamp) -> Result<(), JobError> {
    if let Some(object) = proxied(&post.object) {
        // Noted before the addresses of other instances were understood.
        tracing::info!(post = %post.object, "{} is a proxy of {object}", post.object);
        node.write(move |tx| same_post::join(tx, &post, &object, now)).await?;
        return Ok(());
    }
    let id = post.id;
    let (seen, reading) = match ask(node, live, &post, now).await? {
        Answer::There(seen, reading) => (seen, reading),
        Answer::Gone => {
            tracing::info!(post = %post.object, "{} is gone", post.object);
            node.write(move |tx| {
                fediverse::end_look(tx, id)?;
                withdraw::withdraw(tx, id, now)
            })
            .await?;
            return Ok(());
        }
        Answer::Failed(error) => {
            let reason = error.to_string();
            tracing::info!(post = %post.object, "could not learn whose {} is: {reason}", post.object);
            node.write(move |tx| {
                let attempts = fediverse::attempts(tx, id)?;
                fediverse::save_failed_look(tx, id, &reason, retry_at(&error, attempts, now))
            })
            .await?;
            return Ok(());
        }
    };
    let instance = node.instance.clone();
    node.write(move |tx| {
        // Before the post is theirs: who refuses is paid for nothing.
        if let Some(reading) = &reading {
            consent::hear(tx, &instance, reading, now)?;
        }
        let open_since = flattr::open_since(tx, now)?;
        Ok::<_, ConsentError>(notice::author_of(tx, &instance, &seen, open_since, now)?)
    })
    .await?;
    Ok(())
}

/// Asks for a post; for its author too, when that is new here.
async fn ask(node: &Node, live: &dyn LiveApi, post: &Object, now: Timestamp) -> Result<Answer, JobError> {
    let found = match live.post(&post.object_ref()?, None, &Access::Instance).await {
        Ok(found) => found,
        Err(bridges::Error::Gone { .. }) => return Ok(Answer::Gone),
        Err(error) => return Ok(Answer::Failed(error)),
    };
    let Some(owner) = found.owner.clone() else {
        return Ok(Answer::Failed(bridges::Error::malformed("the post names no author")));
    };
    let wanted = owner.clone();
    let known = node.db.read(move |tx| identities::identity_by_external_id(tx, &wanted)).await?;
    let (mut seen, mut reading) = (seen_post(node, &found), None);
    if known.is_none() {
        match live.profile(&Who::Id(owner), &Access::Instance).await {
            Ok(profile) => {
                seen.owner = Some(seen_identity(&profile));
                reading = Some(reading_of(&profile, now));
            }
            Err(error) => return Ok(Answer::Failed(error)),
        }
    }
    Ok(Answer::There(Box::new(seen), reading))
}

/// Longer with each failure; what waiting does not help is asked for once a day, while it matters.
fn retry_at(error: &bridges::Error, attempts: i64, now: Timestamp) -> Timestamp {
    if let bridges::Error::RateLimited { until: Some(until), .. } = error {
        return (*until).max(now.plus(RETRY_MIN));
    }
    if !error.is_worth_retrying() {
        return now.plus(RETRY_MAX);
    }
    let doublings = u32::try_from(attempts.clamp(0, 11)).expect("at most 11");
    now.plus(RETRY_MIN.saturating_mul(1 << doublings).min(RETRY_MAX))
}
