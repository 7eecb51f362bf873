//! Suggestions: likes of a source that asks first, and the patron's yes or no to each.
//!
//! Owns that nothing counts without the yes, and the month in which it then counts: the one in which the like was read,
//! as any other like, as long as that is open; after its freeze, the month of the yes. Setting a source to `all` later
//! answers nothing that waits. Source: docs/money.md, "What counts".

use crate::domain::flattr::{self, Event, Standing, first_standing};
use crate::domain::id::{FlattrId, PatronId};
use crate::domain::time::Timestamp;
use crate::flows::flattr::{FlattrError, circumstances, is_kept_frozen, open_month, open_since, tell};
use crate::storage::likes::{self, Flattr};
use crate::storage::{Tx, identities, people};

/// The patron says yes.
///
/// - returns: how the flattr stands now; `None` when this suggestion does not wait (any more), or is not this patron's.
pub fn confirm(
    tx: &mut Tx,
    patron: PatronId,
    flattr: FlattrId,
    now: Timestamp,
) -> Result<Option<Standing>, FlattrError> {
    let Some(waiting) = waiting(tx, patron, flattr)? else { return Ok(None) };
    let row = people::patron(tx, patron)?.ok_or(FlattrError::NoSuchPatron(patron))?;
    let object = identities::object(tx, waiting.object_id)?.ok_or(FlattrError::NoSuchObject(waiting.object_id))?;
    let after = match first_standing(circumstances(tx, &row, &object, waiting.owner())?) {
        Standing::Counting => flattr::step(Standing::Suggested, Event::Confirmed),
        // Claimed or refused since.
        other => other,
    };
    let month = waiting.month()?;
    if after == Standing::Counting && (is_kept_frozen(tx, month)? || month < open_since(tx, now)?) {
        return count_now(tx, &waiting, now).map(Some);
    }
    likes::set_standing(tx, waiting.id, after, None)?;
    tell(tx, waiting.id, Standing::Suggested, after, now)?;
    Ok(Some(after))
}

/// Its own month is over: it counts in the month of the yes, unless the post is a flattr of that month already.
fn count_now(tx: &mut Tx, waiting: &Flattr, now: Timestamp) -> Result<Standing, FlattrError> {
    let month = open_month(tx, now, None)?;
    match likes::flattr_by_key(tx, waiting.patron_id, waiting.object_id, month)? {
        None => {
            likes::move_to_month(tx, waiting.id, month, now)?;
            likes::set_standing(tx, waiting.id, Standing::Counting, None)?;
            tell(tx, waiting.id, Standing::Suggested, Standing::Counting, now)?;
            Ok(Standing::Counting)
        }
        Some(known) => {
            let before = known.standing()?;
            let after = flattr::step(before, Event::Liked);
            likes::set_standing(tx, known.id, after, None)?;
            tell(tx, known.id, before, after, now)?;
            likes::set_standing(tx, waiting.id, Standing::TakenBack, None)?;
            Ok(after)
        }
    }
}

/// The patron says no, which holds for the month like a flattr that is struck out. Says whether it waited.
pub fn dismiss(tx: &mut Tx, patron: PatronId, flattr: FlattrId) -> Result<bool, FlattrError> {
    let Some(waiting) = waiting(tx, patron, flattr)? else { return Ok(false) };
    likes::set_standing(tx, waiting.id, flattr::step(Standing::Suggested, Event::StruckOut), None)?;
    Ok(true)
}

fn waiting(tx: &mut Tx, patron: PatronId, flattr: FlattrId) -> Result<Option<Flattr>, FlattrError> {
    let found = likes::flattr(tx, flattr)?.filter(|found| found.patron_id == patron);
    match found {
        Some(found) if found.standing()? == Standing::Suggested => Ok(Some(found)),
        _ => Ok(None),
    }
}
