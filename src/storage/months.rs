//! Months, what patrons reserved for them, and the shares of their flattrs.

use diesel::dsl::{count_star, sql};
use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::schema::{flattrs, identities, month_budgets, months, objects, refusals, shares};
use super::{Error, Result, Tx};
use crate::domain::flattr::Standing;
use crate::domain::id::{FlattrId, IdentityId, ObjectId, PatronId};
use crate::domain::money::{Amount, Currency};
use crate::domain::time::{Month, Timestamp};

/// A month that has left the open state.
#[derive(Debug, Clone, Queryable)]
pub struct MonthRow {
    pub month: String,
    pub stage: String,
    pub cursor: i64,
    pub seed: Option<Vec<u8>>,
    pub commitment: Option<String>,
    pub commitment_digest: Option<String>,
}

impl MonthRow {
    pub fn month(&self) -> Result<Month> {
        self.month.parse().map_err(|_| Error::corrupt("month", &self.month))
    }
}

pub fn month(tx: &mut Tx, month: Month) -> Result<Option<MonthRow>> {
    Ok(both!(tx, |db| months::table.find(month.to_string()).first(db).optional())?)
}

/// All months that are past their cut-off, oldest first.
/// The stage of a month, which cannot move on until this transaction ends: a like and a freeze come one after the other.
pub fn hold_stage(tx: &mut Tx, month: Month) -> Result<Option<String>> {
    let query = months::table.find(month.to_string()).select(months::stage);
    Ok(match tx {
        // There is one writer.
        Tx::Sqlite(db) => query.first(*db).optional()?,
        Tx::Postgres(db) => query.for_share().first(*db).optional()?,
    })
}

pub fn months(tx: &mut Tx) -> Result<Vec<MonthRow>> {
    Ok(both!(tx, |db| months::table.order(months::month).load(db))?)
}

/// Moves a month from one stage to the next. `false` when it is not (any more) in the stage `from`.
pub fn advance(tx: &mut Tx, month: Month, from: Option<&str>, to: &str) -> Result<bool> {
    let month = month.to_string();
    let changed = match from {
        None => both!(tx, |db| diesel::insert_into(months::table)
            .values((months::month.eq(&month), months::stage.eq(to), months::cursor.eq(0)))
            .on_conflict_do_nothing()
            .execute(db))?,
        Some(from) => both!(tx, |db| diesel::update(months::table.find(&month))
            .filter(months::stage.eq(from))
            .set(months::stage.eq(to))
            .execute(db))?,
    };
    Ok(changed == 1)
}

/// Remembers the last patron whose budget is reserved.
pub fn save_cursor(tx: &mut Tx, month: Month, patron: PatronId) -> Result<()> {
    both!(tx, |db| diesel::update(months::table.find(month.to_string())).set(months::cursor.eq(patron.0)).execute(db))?;
    Ok(())
}

/// Stores the seed of a close, once: a resumed close must find the same.
pub fn save_seed(tx: &mut Tx, month: Month, seed: &[u8; 32]) -> Result<()> {
    both!(tx, |db| diesel::update(months::table.find(month.to_string()))
        .filter(months::seed.is_null())
        .set(months::seed.eq(seed.as_slice()))
        .execute(db))?;
    Ok(())
}

/// Stores the month's commitment, once.
pub fn save_commitment(tx: &mut Tx, month: Month, commitment: &str, digest: &str) -> Result<()> {
    both!(tx, |db| diesel::update(months::table.find(month.to_string()))
        .filter(months::commitment.is_null())
        .set((months::commitment.eq(commitment), months::commitment_digest.eq(digest)))
        .execute(db))?;
    Ok(())
}

#[derive(Debug, Clone, Queryable)]
pub struct MonthBudget {
    pub id: i64,
    pub month: String,
    #[diesel(deserialize_as = i64)]
    pub patron_id: PatronId,
    pub currency: String,
    pub reserved_units: i64,
    pub fee_units: i64,
    pub is_partial: bool,
    pub is_divided: bool,
}

impl MonthBudget {
    pub fn currency(&self) -> Result<Currency> {
        self.currency.parse().map_err(|_| Error::corrupt("currency", &self.currency))
    }

    pub fn reserved(&self) -> Result<Amount> {
        Ok(Amount::from_units(self.reserved_units, self.currency()?))
    }

    pub fn fee(&self) -> Result<Amount> {
        Ok(Amount::from_units(self.fee_units, self.currency()?))
    }
}

pub fn save_budget(
    tx: &mut Tx,
    month: Month,
    patron: PatronId,
    reserved: Amount,
    fee: Amount,
    is_partial: bool,
) -> Result<()> {
    both!(tx, |db| diesel::insert_into(month_budgets::table)
        .values((
            month_budgets::month.eq(month.to_string()),
            month_budgets::patron_id.eq(patron.0),
            month_budgets::currency.eq(reserved.currency().as_str()),
            month_budgets::reserved_units.eq(reserved.units()),
            month_budgets::fee_units.eq(fee.units()),
            month_budgets::is_partial.eq(is_partial),
            month_budgets::is_divided.eq(false),
        ))
        .on_conflict_do_nothing()
        .execute(db))?;
    Ok(())
}

pub fn budget(tx: &mut Tx, month: Month, patron: PatronId) -> Result<Option<MonthBudget>> {
    Ok(both!(tx, |db| month_budgets::table
        .filter(month_budgets::month.eq(month.to_string()))
        .filter(month_budgets::patron_id.eq(patron.0))
        .first(db)
        .optional())?)
}

/// Up to `limit` budgets of a month that are not divided yet, in order of patron.
pub fn undivided_budgets(tx: &mut Tx, month: Month, limit: i64) -> Result<Vec<MonthBudget>> {
    Ok(both!(tx, |db| month_budgets::table
        .filter(month_budgets::month.eq(month.to_string()))
        .filter(month_budgets::is_divided.eq(false))
        .order(month_budgets::patron_id)
        .limit(limit)
        .load(db))?)
}

pub fn budgets_of_month(tx: &mut Tx, month: Month) -> Result<Vec<MonthBudget>> {
    Ok(both!(tx, |db| month_budgets::table
        .filter(month_budgets::month.eq(month.to_string()))
        .order(month_budgets::patron_id)
        .load(db))?)
}

pub fn budgets_of_patron(tx: &mut Tx, patron: PatronId) -> Result<Vec<MonthBudget>> {
    Ok(both!(tx, |db| month_budgets::table
        .filter(month_budgets::patron_id.eq(patron.0))
        .order(month_budgets::month.desc())
        .load(db))?)
}

/// A budget without flattrs pays no fee.
pub fn waive_fee(tx: &mut Tx, month: Month, patron: PatronId) -> Result<()> {
    both!(tx, |db| diesel::update(month_budgets::table)
        .filter(month_budgets::month.eq(month.to_string()))
        .filter(month_budgets::patron_id.eq(patron.0))
        .set(month_budgets::fee_units.eq(0))
        .execute(db))?;
    Ok(())
}

pub fn mark_divided(tx: &mut Tx, month: Month, patron: PatronId) -> Result<bool> {
    let changed = both!(tx, |db| diesel::update(month_budgets::table)
        .filter(month_budgets::month.eq(month.to_string()))
        .filter(month_budgets::patron_id.eq(patron.0))
        .filter(month_budgets::is_divided.eq(false))
        .set(month_budgets::is_divided.eq(true))
        .execute(db))?;
    Ok(changed == 1)
}

/// A flattr that counts, with what the division needs to know of its object, and whose that was when it was liked.
#[derive(Debug, Clone, Queryable)]
pub struct CountingFlattr {
    #[diesel(deserialize_as = i64)]
    pub id: FlattrId,
    pub platform: String,
    pub object: String,
    pub owner_id: Option<i64>,
}

/// The flattrs of a patron that count at the freeze. Own, refused and deleted ones do not.
pub fn counting_flattrs(tx: &mut Tx, patron: PatronId, month: Month) -> Result<Vec<CountingFlattr>> {
    let rows: Vec<(CountingFlattr, Option<bool>)> = both!(tx, |db| flattrs::table
        .inner_join(objects::table)
        .left_join(identities::table.on(flattrs::owner_id.eq(identities::id.nullable())))
        .filter(flattrs::patron_id.eq(patron.0))
        .filter(flattrs::month.eq(month.to_string()))
        .filter(flattrs::standing.eq(Standing::Counting.as_str()))
        .filter(objects::is_deleted.eq(false))
        .order(flattrs::id)
        .select((
            (flattrs::id, objects::platform, objects::object, flattrs::owner_id),
            identities::is_refused.nullable(),
        ))
        .load(db))?;
    Ok(rows.into_iter().filter(|(_, is_refused)| *is_refused != Some(true)).map(|(row, _)| row).collect())
}

/// How many flattrs count in the divided budget of a month and have no share: none, unless a like has raced the freeze.
pub fn unshared_flattrs(tx: &mut Tx, month: Month) -> Result<i64> {
    Ok(both!(tx, |db| flattrs::table
        .inner_join(
            month_budgets::table
                .on(month_budgets::patron_id.eq(flattrs::patron_id).and(month_budgets::month.eq(flattrs::month)))
        )
        .left_join(shares::table.on(shares::flattr_id.eq(flattrs::id)))
        .filter(flattrs::month.eq(month.to_string()))
        .filter(flattrs::standing.eq(Standing::Counting.as_str()))
        .filter(month_budgets::is_divided.eq(true))
        .filter(shares::flattr_id.is_null())
        .count()
        .get_result(db))?)
}

/// How many shares of a month are of flattrs that do not count: none, unless an undoing has raced the freeze.
pub fn uncounted_shares(tx: &mut Tx, month: Month) -> Result<i64> {
    Ok(both!(tx, |db| shares::table
        .inner_join(flattrs::table)
        .filter(shares::month.eq(month.to_string()))
        .filter(flattrs::standing.ne(Standing::Counting.as_str()))
        .count()
        .get_result(db))?)
}

/// Where a share stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// With a creator of this instance.
    Paid,
    /// In a statement to a peer.
    Stated,
    /// Set aside for a creator without an account, or for a post without an author.
    Held,
    /// Was held, then went to its creator: here or in a statement.
    Released,
    /// Was held, then went back to the patron.
    Returned,
}

impl Outcome {
    pub const fn as_str(self) -> &'static str {
        match self {
            Outcome::Paid => "paid",
            Outcome::Stated => "stated",
            Outcome::Held => "held",
            Outcome::Released => "released",
            Outcome::Returned => "returned",
        }
    }
}

impl Outcome {
    pub fn parse(text: &str) -> Option<Outcome> {
        [Outcome::Paid, Outcome::Stated, Outcome::Held, Outcome::Released, Outcome::Returned]
            .into_iter()
            .find(|outcome| outcome.as_str() == text)
    }
}

#[derive(Debug, Clone, Queryable, Insertable)]
#[diesel(table_name = shares, treat_none_as_default_value = false)]
pub struct Share {
    pub flattr_id: i64,
    pub month: String,
    pub patron_id: i64,
    pub identity_id: Option<i64>,
    pub units: i64,
    pub currency: String,
    pub outcome: String,
    pub statement_id: Option<i64>,
    pub ended_month: Option<String>,
    pub expires_at: i64,
}

impl Share {
    pub fn amount(&self) -> Result<Amount> {
        let currency = self.currency.parse().map_err(|_| Error::corrupt("currency", &self.currency))?;
        Ok(Amount::from_units(self.units, currency))
    }

    pub fn month(&self) -> Result<Month> {
        self.month.parse().map_err(|_| Error::corrupt("month", &self.month))
    }

    pub fn outcome(&self) -> Result<Outcome> {
        Outcome::parse(&self.outcome).ok_or_else(|| Error::corrupt("outcome", &self.outcome))
    }

    /// The month in whose commitment a share that was held has ended.
    pub fn ended_month(&self) -> Result<Option<Month>> {
        let ended = self.ended_month.as_deref().map(str::parse).transpose();
        ended.map_err(|_| Error::corrupt("month", format!("{:?}", self.ended_month)))
    }
}

pub fn save_shares(tx: &mut Tx, new: &[Share]) -> Result<()> {
    for batch in new.chunks(500) {
        both!(tx, |db| diesel::insert_into(shares::table).values(batch).execute(db))?;
    }
    Ok(())
}

/// A share with what names its flattr in the federation.
#[derive(Debug, Clone, Queryable)]
pub struct ShareDetail {
    pub share: Share,
    pub platform: String,
    pub object: String,
    pub title: String,
    pub url: String,
}

/// The columns of a [`ShareDetail`].
macro_rules! detail {
    () => {
        (shares::all_columns, objects::platform, objects::object, objects::title, objects::url)
    };
}

/// The shares of one patron and month, in the order of their flattrs.
pub fn shares_of_patron(tx: &mut Tx, patron: PatronId, month: Month) -> Result<Vec<ShareDetail>> {
    Ok(both!(tx, |db| shares::table
        .inner_join(flattrs::table.inner_join(objects::table))
        .filter(shares::patron_id.eq(patron.0))
        .filter(shares::month.eq(month.to_string()))
        .order(shares::flattr_id)
        .select(detail!())
        .load(db))?)
}

/// Every share of a month, in the order of their flattrs.
pub fn shares_of_month(tx: &mut Tx, month: Month) -> Result<Vec<ShareDetail>> {
    Ok(both!(tx, |db| shares::table
        .inner_join(flattrs::table.inner_join(objects::table))
        .filter(shares::month.eq(month.to_string()))
        .order(shares::flattr_id)
        .select(detail!())
        .load(db))?)
}

/// Shares that this commitment must account for: of the month itself, and of earlier months whatever is still held or
/// has ended in or after it.
pub fn shares_to_commit(tx: &mut Tx, month: Month) -> Result<Vec<ShareDetail>> {
    let month = month.to_string();
    Ok(both!(tx, |db| shares::table
        .inner_join(flattrs::table.inner_join(objects::table))
        .filter(
            shares::month.eq(&month).or(shares::month.lt(&month).and(
                shares::outcome
                    .eq(Outcome::Held.as_str())
                    .or(shares::ended_month.is_not_null().and(shares::ended_month.assume_not_null().ge(&month))),
            )),
        )
        .order(shares::flattr_id)
        .select(detail!())
        .load(db))?)
}

/// All held shares of months before `month` that name an identity, in the order of their flattrs.
pub fn held_before(tx: &mut Tx, month: Month) -> Result<Vec<Share>> {
    Ok(both!(tx, |db| shares::table
        .filter(shares::month.lt(month.to_string()))
        .filter(shares::outcome.eq(Outcome::Held.as_str()))
        .filter(shares::identity_id.is_not_null())
        .order(shares::flattr_id)
        .load(db))?)
}

/// The held shares of an identity, or of one post, in the order of their flattrs.
pub fn held_for_identity(tx: &mut Tx, identity: IdentityId) -> Result<Vec<ShareDetail>> {
    Ok(both!(tx, |db| shares::table
        .inner_join(flattrs::table.inner_join(objects::table))
        .filter(shares::identity_id.eq(identity.0))
        .filter(shares::outcome.eq(Outcome::Held.as_str()))
        .order(shares::flattr_id)
        .select(detail!())
        .load(db))?)
}

/// The held shares that wait for one post and are this owner's, who was not known when they were divided.
pub fn held_for_post(tx: &mut Tx, object: ObjectId, owner: IdentityId) -> Result<Vec<ShareDetail>> {
    Ok(both!(tx, |db| shares::table
        .inner_join(flattrs::table.inner_join(objects::table))
        .filter(flattrs::object_id.eq(object.0))
        .filter(flattrs::owner_id.eq(owner.0))
        .filter(shares::identity_id.is_null())
        .filter(shares::outcome.eq(Outcome::Held.as_str()))
        .order(shares::flattr_id)
        .select(detail!())
        .load(db))?)
}

/// Says for whom held shares wait that waited for their post.
pub fn set_identity(tx: &mut Tx, flattrs: &[i64], identity: IdentityId) -> Result<()> {
    let mut changed = 0;
    for batch in flattrs.chunks(500) {
        changed += both!(tx, |db| diesel::update(shares::table)
            .filter(shares::flattr_id.eq_any(batch))
            .filter(shares::identity_id.is_null())
            .filter(shares::outcome.eq(Outcome::Held.as_str()))
            .set(shares::identity_id.eq(identity.0))
            .execute(db))?;
    }
    assert_eq!(changed, flattrs.len(), "a share is given an author once");
    Ok(())
}

/// The held shares of a patron, the first to go back first.
pub fn held_of_patron(tx: &mut Tx, patron: PatronId) -> Result<Vec<ShareDetail>> {
    Ok(both!(tx, |db| shares::table
        .inner_join(flattrs::table.inner_join(objects::table))
        .filter(shares::patron_id.eq(patron.0))
        .filter(shares::outcome.eq(Outcome::Held.as_str()))
        .order((shares::expires_at, shares::flattr_id))
        .select(detail!())
        .load(db))?)
}

/// What the budgets of a month add up to: (patrons, currency, reserved units, fee units).
pub fn budget_totals(tx: &mut Tx, month: Month) -> Result<Vec<(i64, String, i64, i64)>> {
    Ok(both!(tx, |db| month_budgets::table
        .filter(month_budgets::month.eq(month.to_string()))
        .group_by(month_budgets::currency)
        .select((
            count_star(),
            month_budgets::currency,
            sql::<BigInt>("CAST(SUM(reserved_units) AS BIGINT)"),
            sql::<BigInt>("CAST(SUM(fee_units) AS BIGINT)"),
        ))
        .order(month_budgets::currency)
        .load(db))?)
}

/// How the shares of a month stand: (outcome, shares, currency, units).
pub fn outcome_totals(tx: &mut Tx, month: Month) -> Result<Vec<(String, i64, String, i64)>> {
    Ok(both!(tx, |db| shares::table
        .filter(shares::month.eq(month.to_string()))
        .group_by((shares::outcome, shares::currency))
        .select((shares::outcome, count_star(), shares::currency, sql::<BigInt>("CAST(SUM(units) AS BIGINT)")))
        .order((shares::outcome, shares::currency))
        .load(db))?)
}

/// Held shares that go back to their patrons: whose time is over, and those that came to be held for somebody who refuses.
pub fn expired_shares(tx: &mut Tx, now: Timestamp, limit: i64) -> Result<Vec<ShareDetail>> {
    let expired: Vec<ShareDetail> = both!(tx, |db| shares::table
        .inner_join(flattrs::table.inner_join(objects::table))
        .filter(shares::outcome.eq(Outcome::Held.as_str()))
        .filter(shares::expires_at.le(now.micros()))
        .order(shares::flattr_id)
        .limit(limit)
        .select(detail!())
        .load(db))?;
    if !expired.is_empty() {
        return Ok(expired);
    }
    Ok(both!(tx, |db| shares::table
        .inner_join(flattrs::table.inner_join(objects::table))
        .filter(shares::identity_id.eq_any(refusals::table.select(refusals::identity_id.nullable())))
        .filter(shares::outcome.eq(Outcome::Held.as_str()))
        .order(shares::flattr_id)
        .limit(limit)
        .select(detail!())
        .load(db))?)
}

pub fn shares_of_statement(tx: &mut Tx, statement: i64) -> Result<Vec<ShareDetail>> {
    Ok(both!(tx, |db| shares::table
        .inner_join(flattrs::table.inner_join(objects::table))
        .filter(shares::statement_id.eq(statement))
        .order(shares::flattr_id)
        .select(detail!())
        .load(db))?)
}

/// Moves shares from one outcome to another; all of them must be in `from`.
pub fn set_outcome(
    tx: &mut Tx,
    flattrs: &[i64],
    from: Outcome,
    to: Outcome,
    statement: Option<i64>,
    ended_month: Option<Month>,
) -> Result<()> {
    let mut changed = 0;
    for batch in flattrs.chunks(500) {
        changed += both!(tx, |db| diesel::update(shares::table)
            .filter(shares::flattr_id.eq_any(batch))
            .filter(shares::outcome.eq(from.as_str()))
            .set((
                shares::outcome.eq(to.as_str()),
                shares::statement_id.eq(statement),
                shares::ended_month.eq(ended_month.map(|month| month.to_string())),
            ))
            .execute(db))?;
    }
    assert_eq!(changed, flattrs.len(), "a share ends once: every one was {} before", from.as_str());
    Ok(())
}

/// How many patrons wait with how much for an identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    pub flattrs: i64,
    pub amount: Amount,
    /// The first of the dates at which a share goes back to its patron.
    pub expires_at: Timestamp,
}

/// What waits for an identity, by currency.
pub fn waiting_for(tx: &mut Tx, identity: IdentityId) -> Result<Vec<Waiting>> {
    let rows: Vec<(String, i64, i64, i64)> = both!(tx, |db| shares::table
        .filter(shares::identity_id.eq(identity.0))
        .filter(shares::outcome.eq(Outcome::Held.as_str()))
        .group_by(shares::currency)
        .select((
            shares::currency,
            count_star(),
            sql::<BigInt>("CAST(SUM(units) AS BIGINT)"),
            sql::<BigInt>("MIN(expires_at)"),
        ))
        .order(shares::currency)
        .load(db))?;
    rows.into_iter()
        .map(|(currency, flattrs, units, expires_at)| {
            let currency = currency.parse().map_err(|_| Error::corrupt("currency", &currency))?;
            let amount = Amount::from_units(units, currency);
            Ok(Waiting { flattrs, amount, expires_at: Timestamp::from_micros(expires_at) })
        })
        .collect()
}

/// The sums of all shares, by outcome and currency: what the held accounts must agree with.
pub fn sums_by_outcome(tx: &mut Tx) -> Result<Vec<(String, String, i64)>> {
    Ok(both!(tx, |db| shares::table
        .group_by((shares::outcome, shares::currency))
        .select((shares::outcome, shares::currency, sql::<BigInt>("CAST(SUM(units) AS BIGINT)")))
        .order((shares::outcome, shares::currency))
        .load(db))?)
}

/// The sum of the shares of each budget of a month, by patron.
pub fn share_sums(tx: &mut Tx, month: Month) -> Result<Vec<(i64, i64)>> {
    Ok(both!(tx, |db| shares::table
        .filter(shares::month.eq(month.to_string()))
        .group_by(shares::patron_id)
        .select((shares::patron_id, sql::<BigInt>("CAST(SUM(units) AS BIGINT)")))
        .order(shares::patron_id)
        .load(db))?)
}
