//! Closing a month: cut-off, freeze, division, commitment, statements.
//!
//! Owns that a close can be resumed after every step with the same bytes as if it had never stopped: each step is one
//! transaction, its entries have fixed ids, and the seed of the commitment is stored in the first step of the freeze.
//! A frozen month is never reopened. Source: docs/money.md, "The calendar".

use std::collections::{BTreeMap, HashSet};

use crate::domain::commitment::Seed;
use crate::domain::flattr::{self, Standing};
use crate::domain::id::IdentityId;
use crate::domain::identity::ObjectRef;
use crate::domain::ledger::{Account, Entry, Kind, Refusal};
use crate::domain::money::Amount;
use crate::domain::proof::SigningKey;
use crate::domain::share::apportion;
use crate::domain::time::{Month, Timestamp};
use crate::flows::payee::{Payee, Payees, waits_for};
use crate::flows::{Instance, Policy, commit_month};
use crate::storage::ledger::{self, PostError};
use crate::storage::months::{self, CountingFlattr, MonthBudget, MonthRow, Outcome, Share};
use crate::storage::{self, Tx, flow_error, identities, inbox, likes, people};

#[derive(Debug, thiserror::Error)]
pub enum CloseError {
    #[error("the books refused a step of the close: {0}")]
    Refused(#[from] Refusal),
    #[error("could not sign: {0}")]
    Sign(#[from] crate::domain::proof::ProofError),
    #[error("could not read or write the month")]
    Storage(#[from] storage::Error),
}

flow_error!(CloseError);

impl From<PostError> for CloseError {
    fn from(error: PostError) -> Self {
        match error {
            PostError::Refused(refusal) => CloseError::Refused(refusal),
            PostError::Storage(error) => CloseError::Storage(error),
        }
    }
}

/// What a step is given.
pub struct Close<'a> {
    pub instance: &'a Instance,
    pub signer: &'a SigningKey,
    pub now: Timestamp,
    /// A secret of the instance, from which the seed of each month comes.
    pub secret: [u8; 32],
}

/// What a step did, or for what it waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// No month is to be closed.
    Idle,
    /// The next step is due at this time.
    Waiting { month: Month, until: Timestamp },
    /// Activities that came before the freeze are not processed yet.
    WaitingForInbox { month: Month, open: i64 },
    /// A step was done; there may be more.
    Done { month: Month, step: &'static str },
}

/// Patrons that one transaction handles: enough to be quick, few enough to keep the writer free.
const BATCH: i64 = 100;

/// The month that is to be closed next, and its row when it is past its cut-off.
fn current(tx: &mut Tx) -> Result<Option<(Month, Option<MonthRow>)>, storage::Error> {
    let mut rows = months::months(tx)?;
    if let Some(open) = rows.iter().position(|row| row.stage != "closed") {
        let row = rows.swap_remove(open);
        return Ok(Some((row.month()?, Some(row))));
    }
    Ok(match rows.last() {
        Some(last) => Some((last.month()?.next(), None)),
        None => {
            let first = people::patrons_after(tx, crate::domain::id::PatronId(0), 1)?;
            first.first().map(|first| (Month::containing(Timestamp::from_micros(first.created_at)), None))
        }
    })
}

/// Whether a step is due. Reads only.
pub fn is_due(tx: &mut Tx, now: Timestamp) -> Result<bool, storage::Error> {
    Ok(match current(tx)? {
        None => false,
        Some((month, None)) => now >= month.cut_off(),
        Some((month, Some(row))) => row.stage != "cut_off" || now >= month.freeze(),
    })
}

/// Does the next step of the oldest month that is not closed.
pub fn step(tx: &mut Tx, close: &Close) -> Result<Progress, CloseError> {
    // Several processes may share a database: whoever comes second must see what the first has done.
    ledger::lock(tx)?;
    let (month, row) = match current(tx)? {
        None => return Ok(Progress::Idle),
        Some((month, None)) => {
            if close.now < month.cut_off() {
                return Ok(Progress::Waiting { month, until: month.cut_off() });
            }
            months::advance(tx, month, None, "cutting")?;
            return Ok(Progress::Done { month, step: "cut-off begun" });
        }
        Some((month, Some(row))) => (month, row),
    };
    let done = |step| Ok(Progress::Done { month, step });
    match row.stage.as_str() {
        "cutting" => {
            if reserve_budgets(tx, close, month, row.cursor)? {
                return done("budgets reserved");
            }
            months::advance(tx, month, Some("cutting"), "cut_off")?;
            done("cut-off")
        }
        "cut_off" => {
            if close.now < month.freeze() {
                return Ok(Progress::Waiting { month, until: month.freeze() });
            }
            let open = inbox::open_before(tx, month.freeze())?;
            if open > 0 {
                return Ok(Progress::WaitingForInbox { month, open });
            }
            months::save_seed(tx, month, &Seed::for_month(&close.secret, month))?;
            months::advance(tx, month, Some("cut_off"), "dividing")?;
            done("frozen")
        }
        "dividing" => {
            let budgets = months::undivided_budgets(tx, month, BATCH)?;
            for budget in &budgets {
                divide(tx, close, month, budget)?;
            }
            if !budgets.is_empty() {
                return done("budgets divided");
            }
            months::advance(tx, month, Some("dividing"), "divided")?;
            done("divided")
        }
        "divided" => {
            commit_month::commit(tx, close, month)?;
            months::advance(tx, month, Some("divided"), "closed")?;
            done("committed")
        }
        other => Err(storage::Error::corrupt("month stage", other).into()),
    }
}

/// Reserves the budgets of the next patrons. `false` when there are none left.
fn reserve_budgets(tx: &mut Tx, close: &Close, month: Month, cursor: i64) -> Result<bool, CloseError> {
    let patrons = people::patrons_after(tx, crate::domain::id::PatronId(cursor), BATCH)?;
    for patron in &patrons {
        if patron.created_at >= month.cut_off().micros() {
            continue;
        }
        let budget = patron.budget()?;
        let available = Account::PatronAvailable(patron.id);
        let free = ledger::balance(tx, &available, budget.currency())?.free();
        let reserved = budget.min(free);
        if reserved.is_positive() {
            let entry = Entry::new(format!("cut-off/{month}/patron-{}", patron.id), Kind::CutOff, close.now).transfer(
                available,
                Account::PatronReserved(patron.id, month),
                reserved,
            );
            ledger::post(tx, &entry)?;
            let fee = Policy::fee(reserved, close.instance.policy.patron_fee_basis_points);
            months::save_budget(tx, month, patron.id, reserved, fee, reserved != budget)?;
        }
    }
    if let Some(last) = patrons.last() {
        months::save_cursor(tx, month, last.id)?;
    }
    Ok(!patrons.is_empty())
}

/// Divides one patron's budget over the flattrs that count.
fn divide(tx: &mut Tx, close: &Close, month: Month, budget: &MonthBudget) -> Result<(), CloseError> {
    let patron =
        people::patron(tx, budget.patron_id)?.ok_or_else(|| storage::Error::corrupt("patron", budget.patron_id))?;
    let flattrs = counting(tx, &patron, month)?;
    leave_out(tx, &patron, month, &flattrs)?;
    let reserved = Account::PatronReserved(patron.id, month);
    let mut entry = Entry::new(format!("divide/{month}/patron-{}", patron.id), Kind::Division, close.now);
    if flattrs.is_empty() {
        // Nothing is spent, and no fee is taken: the budget stays the patron's.
        months::waive_fee(tx, month, patron.id)?;
        let entry = entry.transfer(reserved, Account::PatronAvailable(patron.id), budget.reserved()?);
        ledger::post(tx, &entry)?;
        months::mark_divided(tx, month, patron.id)?;
        return Ok(());
    }
    let fee = budget.fee()?;
    let to_divide = budget.reserved()?.checked_sub(fee).expect("a fee is at most the budget");
    let keys = flattr_keys(close.instance, &patron.name, month, &flattrs)?;
    let amounts = apportion(to_divide, &keys, &vec![1; flattrs.len()]);

    let mut payees = Payees::new(close.instance, budget.currency()?);
    let mut credits: BTreeMap<Account, i64> = BTreeMap::new();
    let mut shares = Vec::with_capacity(flattrs.len());
    for (flattr, amount) in flattrs.iter().zip(&amounts) {
        let owner = flattr.owner_id.map(IdentityId);
        let (outcome, account) = match payees.of(tx, owner)? {
            Payee::Own { creator, .. } => (Outcome::Paid, Some(Account::CreatorAvailable(creator))),
            // Stays reserved until the statement that names it is accepted.
            Payee::Peer { .. } => (Outcome::Stated, None),
            Payee::Nobody => {
                let held = waits_for(tx, owner, &flattr.platform, &flattr.object)?;
                (Outcome::Held, Some(Account::PatronHeld(patron.id, held)))
            }
        };
        if let Some(account) = account {
            *credits.entry(account).or_default() += amount.units();
        }
        shares.push(Share {
            flattr_id: flattr.id.0,
            month: month.to_string(),
            patron_id: patron.id.0,
            identity_id: flattr.owner_id,
            units: amount.units(),
            currency: budget.currency.clone(),
            outcome: outcome.as_str().to_owned(),
            statement_id: None,
            ended_month: None,
            expires_at: month.hold_expiry(close.instance.policy.unclaimed_expiry_months).micros(),
        });
    }
    months::save_shares(tx, &shares)?;
    if fee.is_positive() {
        *credits.entry(Account::FeePatron).or_default() += fee.units();
    }
    for (account, units) in credits {
        let amount = Amount::from_units(units, budget.currency()?);
        if !amount.is_positive() {
            continue;
        }
        entry = entry.transfer(reserved.clone(), account.clone(), amount);
        let creator_fee = Policy::fee(amount, close.instance.policy.creator_fee_basis_points);
        if matches!(account, Account::CreatorAvailable(_)) && creator_fee.is_positive() {
            entry = entry.transfer(account, Account::FeeCreator, creator_fee);
        }
    }
    if !entry.transfers.is_empty() {
        ledger::post(tx, &entry)?;
    }
    months::mark_divided(tx, month, patron.id)?;
    Ok(())
}

/// The flattrs that count at the freeze. What a patron has claimed since they liked it is their own, and does not.
fn counting(tx: &mut Tx, patron: &people::Patron, month: Month) -> Result<Vec<CountingFlattr>, storage::Error> {
    let own = own_identities(tx, patron)?;
    let mut flattrs = months::counting_flattrs(tx, patron.id, month)?;
    flattrs.retain(|flattr| !flattr.owner_id.is_some_and(|owner| own.contains(&owner)));
    Ok(flattrs)
}

/// The identities that a patron has claimed.
fn own_identities(tx: &mut Tx, patron: &people::Patron) -> Result<Vec<i64>, storage::Error> {
    let Some(creator) = people::creator_by_login(tx, patron.login_id)? else { return Ok(Vec::new()) };
    let claims = identities::claims_of_creator(tx, creator.id)?;
    Ok(claims.iter().filter(|claim| claim.may_be_theirs()).map(|claim| claim.identity_id.0).collect())
}

/// Writes down why a flattr that counted until the freeze has no share: an auditor finds no other without one.
fn leave_out(
    tx: &mut Tx,
    patron: &people::Patron,
    month: Month,
    kept: &[CountingFlattr],
) -> Result<(), storage::Error> {
    let kept: HashSet<i64> = kept.iter().map(|flattr| flattr.id.0).collect();
    let own = own_identities(tx, patron)?;
    for (id, owner) in likes::counting_with_owners(tx, patron.id, month)? {
        if !kept.contains(&id.0) {
            let is_own = owner.is_some_and(|owner| own.contains(&owner));
            likes::set_standing(tx, id, if is_own { Standing::Own } else { Standing::Refused }, None)?;
        }
    }
    Ok(())
}

/// The federation-wide keys of a patron's flattrs.
pub fn flattr_keys(
    instance: &Instance,
    patron_name: &str,
    month: Month,
    flattrs: &[CountingFlattr],
) -> Result<Vec<flattr::Key>, storage::Error> {
    flattrs
        .iter()
        .map(|flattr| {
            Ok(flattr::Key {
                home: instance.uri(),
                patron: instance.patron_uri(patron_name),
                object: object_ref(&flattr.platform, &flattr.object)?,
                month,
            })
        })
        .collect()
}

/// A stored platform and object id as a value.
pub fn object_ref(platform: &str, object: &str) -> Result<ObjectRef, storage::Error> {
    let corrupt = |_| storage::Error::corrupt("object", format!("{platform}:{object}"));
    ObjectRef::new(platform.parse().map_err(corrupt)?, object).map_err(corrupt)
}

/// What each flattr of a patron would receive if the month were divided now.
pub fn preview(
    tx: &mut Tx,
    instance: &Instance,
    patron: &people::Patron,
    month: Month,
) -> Result<Vec<(CountingFlattr, Amount)>, storage::Error> {
    let flattrs = counting(tx, patron, month)?;
    let budget = match months::budget(tx, month, patron.id)? {
        Some(reserved) => reserved.reserved()?,
        None => {
            let available = ledger::balance(tx, &Account::PatronAvailable(patron.id), patron.currency()?)?.free();
            patron.budget()?.min(available)
        }
    };
    let fee = Policy::fee(budget, instance.policy.patron_fee_basis_points);
    let to_divide = budget.checked_sub(fee).expect("a fee is at most the budget");
    let keys = flattr_keys(instance, &patron.name, month, &flattrs)?;
    let amounts = apportion(to_divide, &keys, &vec![1; flattrs.len()]);
    Ok(flattrs.into_iter().zip(amounts).collect())
}
