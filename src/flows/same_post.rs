//! Two names of one post: what was noted under the address of a proxy is moved to the post that it stands for.
//!
//! Owns that a post counts once for each patron and month, whichever name a like bore when it came: where both have a
//! flattr, the one for the post stays and counts if either did. Months that are divided stay as they are.

use crate::domain::flattr::{self as rules, Event, Standing, first_standing};
use crate::domain::identity::ObjectRef;
use crate::domain::time::Timestamp;
use crate::flows::flattr::{circumstances, is_kept_frozen, open_since, tell};
use crate::flows::notice;
use crate::storage::identities::Object;
use crate::storage::likes::{self, Flattr};
use crate::storage::{self, Tx, connections, fediverse, people};

/// Moves the likes of a proxy to its post.
///
/// - returns: the post, and how many flattrs of open months changed.
pub fn join(
    tx: &mut Tx,
    proxy: &Object,
    object: &ObjectRef,
    now: Timestamp,
) -> Result<(Object, usize), storage::Error> {
    let post = notice::named(tx, object, &proxy.url, now)?;
    let since = open_since(tx, now)?;
    let mut moved = 0;
    for known in likes::flattrs_for(tx, proxy.id, since)? {
        if !is_kept_frozen(tx, known.month()?)? {
            move_flattr(tx, &known, &post, now)?;
            moved += 1;
        }
    }
    connections::move_likes(tx, proxy.id, post.id)?;
    fediverse::end_look(tx, proxy.id)?;
    Ok((post, moved))
}

fn move_flattr(tx: &mut Tx, known: &Flattr, post: &Object, now: Timestamp) -> Result<(), storage::Error> {
    let before = known.standing()?;
    let counts = match before {
        Standing::Counting => Some(Event::Liked),
        Standing::Suggested => Some(Event::Suggested),
        _ => None,
    };
    let Some(event) = counts else { return Ok(()) };
    // Its author was never known, so nobody was told of it.
    likes::set_standing(tx, known.id, Standing::TakenBack, None)?;
    if let Some(other) = likes::flattr_by_key(tx, known.patron_id, post.id, known.month()?)? {
        let (was, is) = (other.standing()?, rules::step(other.standing()?, event));
        if is != was {
            likes::set_standing(tx, other.id, is, None)?;
            tell(tx, other.id, was, is, now)?;
        }
        return Ok(());
    }
    let Some(patron) = people::patron(tx, known.patron_id)? else { return Ok(()) };
    let standing = match first_standing(circumstances(tx, &patron, post, post.owner())?) {
        Standing::Counting => before,
        other => other,
    };
    likes::move_to_object(tx, known.id, (post.id, post.owner()), standing)?;
    tell(tx, known.id, Standing::TakenBack, standing, now)
}
