//! The books in the database: accounts, journal, pending transfers.
//!
//! Owns the only way in which a balance changes: [`post`], which writes the entry, its transfers and the new balances
//! together. Whoever reads a balance in order to decide calls [`lock`] first.

use std::collections::{HashMap, HashSet};

use diesel::prelude::*;

use super::schema::{journal_entries, journal_head, ledger_accounts, ledger_currency, patrons, transfers};
use super::{Error, Result, Tx, flow_error};
use crate::domain::ledger::entry::{Balances, PendingTransfer, apply};
use crate::domain::ledger::{Account, Balance, Class, Entry, Kind, Phase, Refusal, Transfer};
use crate::domain::money::{Amount, Currency};
use crate::domain::time::Timestamp;

/// Rows that one INSERT may carry: SQLite allows 32,766 bound values.
const BATCH: usize = 500;

/// Why an entry was not written.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
    #[error("{0}")]
    Refused(#[from] Refusal),
    #[error("could not read or write the ledger")]
    Storage(#[from] Error),
}

flow_error!(PostError);

impl From<diesel::result::Error> for PostError {
    fn from(error: diesel::result::Error) -> Self {
        PostError::Storage(error.into())
    }
}

/// What became of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Posted {
    New,
    /// The same entry stands in the journal already; nothing was written.
    Exists,
}

/// The journal's last entry.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct Head {
    pub sequence: i64,
    pub hash: Vec<u8>,
}

#[derive(Queryable, Insertable, Clone)]
#[diesel(table_name = ledger_accounts, treat_none_as_default_value = false)]
struct AccountRow {
    #[diesel(skip_insertion)]
    id: i64,
    code: String,
    currency: String,
    class: String,
    debits_posted: i64,
    debits_pending: i64,
    credits_posted: i64,
    credits_pending: i64,
}

#[derive(Queryable, Insertable, Clone)]
#[diesel(table_name = transfers, treat_none_as_default_value = false)]
struct TransferRow {
    id: String,
    entry_sequence: i64,
    position: i64,
    debit_account_id: i64,
    credit_account_id: i64,
    units: i64,
    currency: String,
    phase: String,
    pending_id: Option<String>,
}

const fn class_name(class: Class) -> &'static str {
    match class {
        Class::Asset => "asset",
        Class::Liability => "liability",
        Class::Income => "income",
        Class::Expense => "expense",
    }
}

fn read_currency(text: &str) -> Result<Currency> {
    text.parse().map_err(|_| Error::corrupt("currency", text))
}

impl AccountRow {
    fn account(&self) -> Result<Account> {
        self.code.parse().map_err(|_| Error::corrupt("ledger account", &self.code))
    }

    fn balance(&self) -> Result<Balance> {
        Ok(Balance {
            class: self.account()?.class(),
            currency: read_currency(&self.currency)?,
            debits_posted: self.debits_posted,
            debits_pending: self.debits_pending,
            credits_posted: self.credits_posted,
            credits_pending: self.credits_pending,
        })
    }
}

/// The currency of the books, which is fixed the first time that it is asked for.
///
/// - `configured`: what is kept when nothing is yet, unless somebody's money or budget is in another currency. What
///   strangers sent stands in suspense and at the bank in whatever currency it came, and so decides nothing.
/// - returns: the currency of the books; `configured` must be the same.
pub fn keep_currency(tx: &mut Tx, configured: Currency) -> Result<Currency> {
    if let Some(kept) = kept_currency(tx)? {
        return Ok(kept);
    }
    let booked: Option<String> = both!(tx, |db| ledger_accounts::table
        .filter(ledger_accounts::currency.ne(configured.as_str()))
        .filter(ledger_accounts::code.not_like("bank:%").and(ledger_accounts::code.not_like("suspense:%")))
        .select(ledger_accounts::currency)
        .order(ledger_accounts::id)
        .first(db)
        .optional())?;
    let budgeted: Option<String> = both!(tx, |db| patrons::table
        .filter(patrons::currency.ne(configured.as_str()))
        .select(patrons::currency)
        .order(patrons::id)
        .first(db)
        .optional())?;
    if let Some(other) = booked.or(budgeted) {
        return read_currency(&other);
    }
    both!(tx, |db| diesel::insert_into(ledger_currency::table)
        .values((ledger_currency::id.eq(1), ledger_currency::currency.eq(configured.as_str())))
        .on_conflict_do_nothing()
        .execute(db))?;
    // Of two processes that start together on PostgreSQL the first decides.
    kept_currency(tx)?.ok_or_else(|| Error::corrupt("currency of the books", ""))
}

fn kept_currency(tx: &mut Tx) -> Result<Option<Currency>> {
    let kept: Option<String> =
        both!(tx, |db| ledger_currency::table.select(ledger_currency::currency).first(db).optional())?;
    kept.map(|kept| read_currency(&kept)).transpose()
}

/// Makes this transaction the only one that changes the books until it ends. On SQLite the writer is the only one anyway.
pub fn lock(tx: &mut Tx) -> Result<Head> {
    both!(tx, |db| diesel::insert_into(journal_head::table)
        .values((journal_head::id.eq(1), journal_head::sequence.eq(0), journal_head::hash.eq(Vec::<u8>::new())))
        .on_conflict_do_nothing()
        .execute(db))?;
    let columns = (journal_head::sequence, journal_head::hash);
    Ok(match tx {
        Tx::Sqlite(db) => journal_head::table.select(columns).first(*db)?,
        Tx::Postgres(db) => journal_head::table.select(columns).for_update().first(*db)?,
    })
}

/// Writes an entry, once.
///
/// - returns: whether it is new; the same id with the same content is [`Posted::Exists`] and changes nothing.
/// - errors: a refusal of the books ([`Refusal`]); nothing is written.
/// - effects: the entry, its transfers, the balances and the journal's head.
pub fn post(tx: &mut Tx, entry: &Entry) -> std::result::Result<Posted, PostError> {
    let head = lock(tx)?;
    if let Some(stored) = entry_by_id(tx, &entry.id)? {
        if stored.content() == entry.content() {
            return Ok(Posted::Exists);
        }
        return Err(Refusal::ExistsWithOtherContent(entry.id.clone()).into());
    }
    let mut rows = account_rows(tx, entry)?;
    let mut balances = Balances::new();
    for row in rows.values() {
        balances.insert((row.account()?, read_currency(&row.currency)?), row.balance()?);
    }
    let mut pending = pending_of(tx, entry)?;
    apply(entry, &mut balances, &mut pending)?;

    let sequence = head.sequence + 1;
    let hash = entry.chained_hash(sequence, &head.hash);
    save_balances(tx, &balances, &mut rows)?;
    both!(tx, |db| diesel::insert_into(journal_entries::table)
        .values((
            journal_entries::sequence.eq(sequence),
            journal_entries::id.eq(&entry.id),
            journal_entries::kind.eq(entry.kind.as_str()),
            journal_entries::at.eq(entry.at.micros()),
            journal_entries::hash.eq(hash.as_slice()),
        ))
        .execute(db))?;
    let account_id = |account: &Account, currency: Currency| rows[&(account.to_string(), currency.to_string())].id;
    let transfer_rows: Vec<TransferRow> = entry
        .transfers
        .iter()
        .zip(0_i64..)
        .map(|(transfer, position)| TransferRow {
            id: transfer.id.clone(),
            entry_sequence: sequence,
            position,
            debit_account_id: account_id(&transfer.debit, transfer.amount.currency()),
            credit_account_id: account_id(&transfer.credit, transfer.amount.currency()),
            units: transfer.amount.units(),
            currency: transfer.amount.currency().to_string(),
            phase: transfer.phase.as_str().to_owned(),
            pending_id: transfer.phase.pending_id().map(str::to_owned),
        })
        .collect();
    for batch in transfer_rows.chunks(BATCH) {
        both!(tx, |db| diesel::insert_into(transfers::table).values(batch).execute(db))?;
    }
    both!(tx, |db| diesel::update(journal_head::table.find(1))
        .set((journal_head::sequence.eq(sequence), journal_head::hash.eq(hash.as_slice())))
        .execute(db))?;
    Ok(Posted::New)
}

/// The rows of all accounts that an entry names and that exist, by code and currency.
fn account_rows(tx: &mut Tx, entry: &Entry) -> Result<HashMap<(String, String), AccountRow>> {
    let codes: HashSet<String> =
        entry.transfers.iter().flat_map(|transfer| [transfer.debit.to_string(), transfer.credit.to_string()]).collect();
    let codes: Vec<String> = codes.into_iter().collect();
    let mut rows = HashMap::new();
    for batch in codes.chunks(BATCH) {
        let found: Vec<AccountRow> =
            both!(tx, |db| ledger_accounts::table.filter(ledger_accounts::code.eq_any(batch)).load(db))?;
        rows.extend(found.into_iter().map(|row| ((row.code.clone(), row.currency.clone()), row)));
    }
    Ok(rows)
}

/// The reservations that an entry wants to end.
fn pending_of(tx: &mut Tx, entry: &Entry) -> Result<HashMap<String, PendingTransfer>> {
    let ids: Vec<&str> = entry.transfers.iter().filter_map(|transfer| transfer.phase.pending_id()).collect();
    let mut pending = HashMap::new();
    for batch in ids.chunks(BATCH) {
        let found: Vec<TransferRow> = both!(tx, |db| transfers::table
            .filter(transfers::id.eq_any(batch))
            .filter(transfers::phase.eq(Phase::Pending.as_str()))
            .load(db))?;
        let ended: Vec<Option<String>> = both!(tx, |db| transfers::table
            .filter(transfers::pending_id.eq_any(batch))
            .select(transfers::pending_id)
            .load(db))?;
        let ended: HashSet<String> = ended.into_iter().flatten().collect();
        let codes = codes_of(tx, found.iter().flat_map(|row| [row.debit_account_id, row.credit_account_id]))?;
        for row in found {
            let transfer = PendingTransfer {
                debit: code_in(&codes, row.debit_account_id)?,
                credit: code_in(&codes, row.credit_account_id)?,
                amount: Amount::from_units(row.units, read_currency(&row.currency)?),
                is_ended: ended.contains(&row.id),
            };
            pending.insert(row.id, transfer);
        }
    }
    Ok(pending)
}

fn codes_of(tx: &mut Tx, ids: impl Iterator<Item = i64>) -> Result<HashMap<i64, Account>> {
    let ids: Vec<i64> = ids.collect::<HashSet<i64>>().into_iter().collect();
    let mut codes = HashMap::new();
    for batch in ids.chunks(BATCH) {
        let found: Vec<(i64, String)> = both!(tx, |db| ledger_accounts::table
            .filter(ledger_accounts::id.eq_any(batch))
            .select((ledger_accounts::id, ledger_accounts::code))
            .load(db))?;
        for (id, code) in found {
            let account = code.parse().map_err(|_| Error::corrupt("ledger account", &code))?;
            codes.insert(id, account);
        }
    }
    Ok(codes)
}

/// An account that transfers name and that is gone was deleted past all our code.
fn code_in(codes: &HashMap<i64, Account>, id: i64) -> Result<Account> {
    codes.get(&id).cloned().ok_or_else(|| Error::corrupt("ledger account of a transfer", id))
}

/// Writes the new balances, and makes the accounts that did not exist; `rows` then has them all.
fn save_balances(tx: &mut Tx, balances: &Balances, rows: &mut HashMap<(String, String), AccountRow>) -> Result<()> {
    let mut new = Vec::new();
    for ((account, currency), balance) in balances {
        let key = (account.to_string(), currency.to_string());
        match rows.get(&key) {
            None => new.push(AccountRow {
                id: 0,
                code: key.0,
                currency: key.1,
                class: class_name(balance.class).to_owned(),
                debits_posted: balance.debits_posted,
                debits_pending: balance.debits_pending,
                credits_posted: balance.credits_posted,
                credits_pending: balance.credits_pending,
            }),
            Some(row) if row.balance()? == *balance => {}
            Some(row) => {
                both!(tx, |db| diesel::update(ledger_accounts::table.find(row.id))
                    .set((
                        ledger_accounts::debits_posted.eq(balance.debits_posted),
                        ledger_accounts::debits_pending.eq(balance.debits_pending),
                        ledger_accounts::credits_posted.eq(balance.credits_posted),
                        ledger_accounts::credits_pending.eq(balance.credits_pending),
                    ))
                    .execute(db))?;
            }
        }
    }
    new.sort_by(|a, b| (&a.code, &a.currency).cmp(&(&b.code, &b.currency)));
    for batch in new.chunks(BATCH) {
        let made: Vec<AccountRow> =
            both!(tx, |db| diesel::insert_into(ledger_accounts::table).values(batch).get_results(db))?;
        rows.extend(made.into_iter().map(|row| ((row.code.clone(), row.currency.clone()), row)));
    }
    Ok(())
}

/// The balance of one account; zero when it was never used.
pub fn balance(tx: &mut Tx, account: &Account, currency: Currency) -> Result<Balance> {
    let row: Option<AccountRow> = both!(tx, |db| ledger_accounts::table
        .filter(ledger_accounts::code.eq(account.to_string()))
        .filter(ledger_accounts::currency.eq(currency.as_str()))
        .first(db)
        .optional())?;
    row.map_or(Ok(Balance::new(account.class(), currency)), |row| row.balance())
}

/// One booking on an account: what it did to the balance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Booking {
    pub sequence: i64,
    pub entry: String,
    pub kind: Kind,
    pub at: Timestamp,
    /// Positive when the balance grew. For an entry with several transfers on the account, their sum.
    pub amount: Amount,
}

/// Every booking on an account, newest first; their sum is the posted balance.
pub fn bookings(tx: &mut Tx, account: &Account, currency: Currency) -> Result<Vec<Booking>> {
    let id: Option<i64> = both!(tx, |db| ledger_accounts::table
        .filter(ledger_accounts::code.eq(account.to_string()))
        .filter(ledger_accounts::currency.eq(currency.as_str()))
        .select(ledger_accounts::id)
        .first(db)
        .optional())?;
    let Some(id) = id else { return Ok(Vec::new()) };
    type Row = (i64, String, String, i64, i64, i64);
    let rows: Vec<Row> = both!(tx, |db| transfers::table
        .inner_join(journal_entries::table)
        .filter(transfers::debit_account_id.eq(id).or(transfers::credit_account_id.eq(id)))
        .filter(transfers::phase.eq_any([Phase::Posted.as_str(), Phase::PostPending(String::new()).as_str()]))
        .order((transfers::entry_sequence.desc(), transfers::position))
        .select((
            journal_entries::sequence,
            journal_entries::id,
            journal_entries::kind,
            journal_entries::at,
            transfers::debit_account_id,
            transfers::units,
        ))
        .load(db))?;
    let mut bookings: Vec<Booking> = Vec::new();
    for (sequence, entry, kind, at, debit, units) in rows {
        let grows = (debit == id) == account.class().grows_by_debit();
        let signed = if grows { units } else { -units };
        match bookings.last_mut() {
            Some(last) if last.sequence == sequence => {
                let sum = last.amount.units().checked_add(signed).ok_or_else(|| Error::corrupt("booking", sequence))?;
                last.amount = Amount::from_units(sum, currency);
            }
            _ => bookings.push(Booking {
                sequence,
                entry,
                kind: Kind::parse(&kind).ok_or_else(|| Error::corrupt("entry kind", &kind))?,
                at: Timestamp::from_micros(at),
                amount: Amount::from_units(signed, currency),
            }),
        }
    }
    Ok(bookings)
}

/// All accounts whose code starts with `prefix`, with their balances, by code.
pub fn accounts(tx: &mut Tx, prefix: &str) -> Result<Vec<(Account, Balance)>> {
    let rows: Vec<AccountRow> = both!(tx, |db| ledger_accounts::table
        .filter(ledger_accounts::code.ge(prefix))
        .filter(ledger_accounts::code.lt(format!("{prefix}\u{7f}")))
        .order((ledger_accounts::code, ledger_accounts::currency))
        .load(db))?;
    rows.iter().map(|row| Ok((row.account()?, row.balance()?))).collect()
}

/// One entry with its transfers, as it was written.
pub fn entry_by_id(tx: &mut Tx, id: &str) -> Result<Option<Entry>> {
    let sequence: Option<i64> = both!(tx, |db| journal_entries::table
        .filter(journal_entries::id.eq(id))
        .select(journal_entries::sequence)
        .first(db)
        .optional())?;
    match sequence {
        None => Ok(None),
        Some(sequence) => Ok(journal(tx, sequence - 1, 1)?.pop().map(|stored| stored.entry)),
    }
}

/// An entry with its place and hash in the journal.
#[derive(Debug, Clone)]
pub struct StoredEntry {
    pub sequence: i64,
    pub hash: Vec<u8>,
    pub entry: Entry,
}

/// Up to `limit` entries after the sequence number `after`, in order.
pub fn journal(tx: &mut Tx, after: i64, limit: i64) -> Result<Vec<StoredEntry>> {
    type EntryRow = (i64, String, String, i64, Vec<u8>);
    let rows: Vec<EntryRow> = both!(tx, |db| journal_entries::table
        .filter(journal_entries::sequence.gt(after))
        .order(journal_entries::sequence)
        .limit(limit)
        .load(db))?;
    let (Some(first), Some(last)) = (rows.first().map(|row| row.0), rows.last().map(|row| row.0)) else {
        return Ok(Vec::new());
    };
    let moves: Vec<TransferRow> = both!(tx, |db| transfers::table
        .filter(transfers::entry_sequence.between(first, last))
        .order((transfers::entry_sequence, transfers::position))
        .load(db))?;
    let codes = codes_of(tx, moves.iter().flat_map(|row| [row.debit_account_id, row.credit_account_id]))?;
    let mut by_entry: HashMap<i64, Vec<Transfer>> = HashMap::new();
    for row in moves {
        let phase = match (row.phase.as_str(), row.pending_id) {
            ("posted", None) => Phase::Posted,
            ("pending", None) => Phase::Pending,
            ("post", Some(id)) => Phase::PostPending(id),
            ("void", Some(id)) => Phase::VoidPending(id),
            (other, _) => return Err(Error::corrupt("transfer phase", other)),
        };
        by_entry.entry(row.entry_sequence).or_default().push(Transfer {
            id: row.id,
            debit: code_in(&codes, row.debit_account_id)?,
            credit: code_in(&codes, row.credit_account_id)?,
            amount: Amount::from_units(row.units, read_currency(&row.currency)?),
            phase,
        });
    }
    rows.into_iter()
        .map(|(sequence, id, kind, at, hash)| {
            let kind = Kind::parse(&kind).ok_or_else(|| Error::corrupt("entry kind", &kind))?;
            let transfers = by_entry.remove(&sequence).unwrap_or_default();
            Ok(StoredEntry { sequence, hash, entry: Entry { id, kind, at: Timestamp::from_micros(at), transfers } })
        })
        .collect()
}

/// The journal's head without locking it: for reports.
pub fn head(tx: &mut Tx) -> Result<Head> {
    let head = both!(tx, |db| journal_head::table
        .select((journal_head::sequence, journal_head::hash))
        .first::<Head>(db)
        .optional())?;
    Ok(head.unwrap_or(Head { sequence: 0, hash: Vec::new() }))
}
