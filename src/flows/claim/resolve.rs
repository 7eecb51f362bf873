//! Resolving: the author of a post has become known, and what was held for the post goes on to them.
//!
//! Owns that each share is given an author once, in one entry of the books: it then waits for the author as any other, is
//! released at once when the author has claimed here, and goes back when they refuse to be bridged. Who the author is was
//! said by the platform to this instance itself, never by a peer; when it was said first, since the post may have gone to
//! somebody else meanwhile. Source: docs/money.md, "What counts".

use super::look::release;
use super::{ClaimError, Released, end_shares};
use crate::domain::flattr::Standing;
use crate::domain::id::{ObjectId, PatronId};
use crate::domain::ledger::account::Held;
use crate::domain::ledger::{Account, Entry, Kind};
use crate::domain::time::Timestamp;
use crate::flows::consent::LOOK_AGE;
use crate::flows::payee::waits_for;
use crate::flows::{Instance, flattr};
use crate::storage::identities::{Identity, Object};
use crate::storage::months::{Outcome, ShareDetail};
use crate::storage::{self, Tx, consent, identities, ledger, months, outbox, posts};

/// Gives what is held for a post to its author.
///
/// - returns: what a claim of the author here has set free by it.
pub fn resolve(tx: &mut Tx, instance: &Instance, object: ObjectId, now: Timestamp) -> Result<Released, ClaimError> {
    ledger::lock(tx)?;
    posts::end_resolved(tx, object)?;
    let mut released = Released { shares: 0, amounts: Vec::new() };
    let Some(object) = identities::object(tx, object)? else { return Ok(released) };
    for owner in posts::owners_awaited(tx, object.id)? {
        let identity = identities::identity(tx, owner)?.ok_or_else(|| storage::Error::corrupt("identity", owner))?;
        let held = months::held_for_post(tx, object.id, owner)?;
        hand_on(tx, &object, &identity, &held, now)?;
        if let Some(claim) = identities::verified_claim(tx, owner)?.filter(|_| !identity.is_refused)
            && let Some(creator) = claim.creator()
        {
            let more = release(tx, instance, &claim, creator, now)?;
            released.shares += more.shares;
            released.amounts.extend(more.amounts);
        }
    }
    tell_homes(tx, &object, now)?;
    Ok(released)
}

/// The home of an author has not heard of likes that had no author.
fn tell_homes(tx: &mut Tx, object: &Object, now: Timestamp) -> Result<(), ClaimError> {
    let since = flattr::open_since(tx, now)?;
    for flattr in posts::flattrs_of(tx, object.id, Standing::Counting, since)? {
        let Some(owner) = flattr.owner() else { continue };
        if identities::verified_claim(tx, owner)?.is_some_and(|claim| claim.creator().is_none()) {
            outbox::push_event(tx, "like", &flattr.id.to_string(), now)?;
        }
    }
    Ok(())
}

/// From the accounts that wait for the post to those that wait for its author; back to the patrons when the author refuses.
fn hand_on(
    tx: &mut Tx,
    object: &Object,
    author: &Identity,
    held: &[ShareDetail],
    now: Timestamp,
) -> Result<(), ClaimError> {
    let of_author = waits_for(tx, Some(author.id), &object.platform, &object.object)?;
    let of_post = Held::Post(format!("{}:{}", object.platform, object.object));
    let kind = if author.is_refused { Kind::Return } else { Kind::Release };
    let number = ledger::head(tx)?.sequence + 1;
    let mut entry = Entry::new(format!("resolve/{}/{number}", object.id), kind, now);
    for ShareDetail { share, .. } in held {
        let (patron, amount) = (PatronId(share.patron_id), share.amount()?);
        let to = match author.is_refused {
            true => Account::PatronAvailable(patron),
            false => Account::PatronHeld(patron, of_author.clone()),
        };
        if amount.is_positive() {
            entry = entry.transfer(Account::PatronHeld(patron, of_post.clone()), to, amount);
        }
    }
    if !entry.transfers.is_empty() {
        ledger::post(tx, &entry)?;
    }
    let ids: Vec<i64> = held.iter().map(|detail| detail.share.flattr_id).collect();
    months::set_identity(tx, &ids, author.id)?;
    consent::want_look(tx, author.id, now.minus(LOOK_AGE), now)?;
    if author.is_refused {
        end_shares(tx, held, Outcome::Returned, now)?;
    }
    Ok(())
}
