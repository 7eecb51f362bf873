//! Auditing: `ledger verify` proves the books again, from the first entry to the last.
//!
//! Owns the second of the two paths on which money is guarded: what was checked when it was written is recomputed from what
//! is stored. It reads only, and reports every difference instead of stopping at the first.

use std::collections::{BTreeMap, HashMap};

use crate::domain::ledger::account::Account;
use crate::domain::ledger::entry::{Balances, PendingTransfer, apply};
use crate::domain::ledger::{Balance, Phase};
use crate::domain::money::{Amount, Currency};
use crate::storage::{self, Tx, ledger, months, payments, settlement};

/// What the audit found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub entries: i64,
    pub transfers: usize,
    pub accounts: usize,
    /// Hex of the hash of the last entry.
    pub head: String,
    /// Everything that does not hold; empty when the books are right.
    pub problems: Vec<String>,
}

impl Report {
    pub fn holds(&self) -> bool {
        self.problems.is_empty()
    }
}

/// Entries that are read at a time.
const PAGE: i64 = 1_000;

/// A head that somebody noted outside: hex digits of the hash of an entry, the first 16 at least.
///
/// A journal that was cut, emptied or written anew is consistent in itself; only who remembers can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotedHead(String);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a head: write the 64 hex digits that `ledger verify` prints, or the first 16 at least")]
pub struct NotAHead(String);

impl std::str::FromStr for NotedHead {
    type Err = NotAHead;

    fn from_str(text: &str) -> Result<NotedHead, NotAHead> {
        let is_head = (16..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit());
        if is_head { Ok(NotedHead(text.to_ascii_lowercase())) } else { Err(NotAHead(text.chars().take(80).collect())) }
    }
}

impl std::fmt::Display for NotedHead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Recomputes chain, balances, months and settlements.
pub fn verify(tx: &mut Tx) -> Result<Report, storage::Error> {
    verify_since(tx, None)
}

/// As [`verify`], and the journal must still have the entry whose hash was noted.
pub fn verify_since(tx: &mut Tx, noted: Option<&NotedHead>) -> Result<Report, storage::Error> {
    let mut report = Report::default();
    let balances = replay(tx, noted, &mut report)?;
    compare_accounts(tx, &balances, &mut report)?;
    check_sums(&balances, &mut report);
    check_months(tx, &mut report)?;
    check_held(tx, &balances, &mut report)?;
    check_settlements(tx, &balances, &mut report)?;
    Ok(report)
}

/// Runs the whole journal again: hashes, and the balances it leads to.
fn replay(tx: &mut Tx, noted: Option<&NotedHead>, report: &mut Report) -> Result<Balances, storage::Error> {
    let mut is_noted_found = false;
    let mut balances = Balances::new();
    let mut pending: HashMap<String, PendingTransfer> = HashMap::new();
    let (mut after, mut previous) = (0, Vec::new());
    loop {
        let page = ledger::journal(tx, after, PAGE)?;
        if page.is_empty() {
            break;
        }
        for stored in page {
            if stored.sequence != after + 1 {
                report.problems.push(format!("entry {} is missing from the journal", after + 1));
            }
            after = stored.sequence;
            if stored.entry.chained_hash(stored.sequence, &previous).as_slice() != stored.hash {
                report.problems.push(format!("entry {after} ({}) does not fit the hash chain", stored.entry.id));
            }
            is_noted_found |= noted.is_some_and(|noted| hex::encode(&stored.hash).starts_with(&noted.0));
            previous.clone_from(&stored.hash);
            report.transfers += stored.entry.transfers.len();
            if let Err(refusal) = apply(&stored.entry, &mut balances, &mut pending) {
                report.problems.push(format!("entry {after} ({}) would be refused: {refusal}", stored.entry.id));
            }
            for transfer in stored.entry.transfers {
                if transfer.phase == Phase::Pending {
                    let reservation = PendingTransfer {
                        debit: transfer.debit,
                        credit: transfer.credit,
                        amount: transfer.amount,
                        is_ended: false,
                    };
                    pending.insert(transfer.id, reservation);
                }
            }
        }
    }
    let head = ledger::head(tx)?;
    if head.sequence != after || head.hash != previous {
        report.problems.push(format!("the head names entry {}, the journal ends at {after}", head.sequence));
    }
    if let Some(NotedHead(noted)) = noted
        && !is_noted_found
    {
        report
            .problems
            .push(format!("no entry has the noted hash {noted}: this journal is not a later one of those books"));
    }
    report.entries = after;
    report.head = hex::encode(previous);
    Ok(balances)
}

fn compare_accounts(tx: &mut Tx, balances: &Balances, report: &mut Report) -> Result<(), storage::Error> {
    let stored = ledger::accounts(tx, "")?;
    report.accounts = stored.len();
    let mut seen = 0;
    for (account, balance) in stored {
        let key = (account.clone(), balance.currency);
        match balances.get(&key) {
            Some(replayed) if *replayed == balance => seen += 1,
            _ => report.problems.push(format!("the balance of {account} is not what its transfers add up to")),
        }
    }
    if seen != balances.len() && report.problems.is_empty() {
        report.problems.push("the journal names accounts that are not stored".to_owned());
    }
    Ok(())
}

/// Guarantee 1: per currency, all balances sum to zero.
fn check_sums(balances: &Balances, report: &mut Report) {
    let mut sums: BTreeMap<Currency, i128> = BTreeMap::new();
    for ((_, currency), balance) in balances {
        *sums.entry(*currency).or_default() += balance.net_debit();
    }
    for (currency, sum) in sums {
        if sum != 0 {
            report.problems.push(format!("the accounts in {currency} sum to {sum} units instead of zero"));
        }
    }
}

/// Guarantee 2: what a patron reserved is the sum of the shares and the fee, exactly.
fn check_months(tx: &mut Tx, report: &mut Report) -> Result<(), storage::Error> {
    for row in months::months(tx)? {
        let month = row.month()?;
        let sums: HashMap<i64, i64> = months::share_sums(tx, month)?.into_iter().collect();
        let uncounted = months::uncounted_shares(tx, month)?;
        if uncounted > 0 {
            report.problems.push(format!("{uncounted} shares of {month} are of flattrs that do not count"));
        }
        let unshared = months::unshared_flattrs(tx, month)?;
        if unshared > 0 {
            report.problems.push(format!("{unshared} flattrs of {month} count and have no share"));
        }
        for budget in months::budgets_of_month(tx, month)?.into_iter().filter(|budget| budget.is_divided) {
            // Without flattrs the whole budget went back, and there are no shares.
            if let Some(shares) = sums.get(&budget.patron_id.0)
                && shares + budget.fee_units != budget.reserved_units
            {
                report.problems.push(format!(
                    "patron {} in {month}: shares of {shares} and a fee of {} units are not the budget of {}",
                    budget.patron_id, budget.fee_units, budget.reserved_units
                ));
            }
        }
    }
    Ok(())
}

/// The held accounts hold exactly the shares that wait, and those that are stated from there.
fn check_held(tx: &mut Tx, balances: &Balances, report: &mut Report) -> Result<(), storage::Error> {
    let mut held: BTreeMap<Currency, i64> = BTreeMap::new();
    for ((account, currency), balance) in balances {
        if matches!(account, Account::PatronHeld(..)) {
            *held.entry(*currency).or_default() += balance.free().units();
        }
    }
    let mut shares: BTreeMap<Currency, i64> = BTreeMap::new();
    for (outcome, currency, units) in months::sums_by_outcome(tx)? {
        if outcome == months::Outcome::Held.as_str() {
            let currency = currency.parse().map_err(|_| storage::Error::corrupt("currency", &currency))?;
            *shares.entry(currency).or_default() += units;
        }
    }
    for currency in held.keys().chain(shares.keys()).copied().collect::<std::collections::BTreeSet<Currency>>() {
        let (in_books, in_shares) =
            (held.get(&currency).copied().unwrap_or(0), shares.get(&currency).copied().unwrap_or(0));
        if in_books != in_shares {
            let (books, waiting) = (Amount::from_units(in_books, currency), Amount::from_units(in_shares, currency));
            report.problems.push(format!("{books} stand in held accounts, shares of {waiting} wait"));
        }
    }
    Ok(())
}

/// What statements say is owed is what the accounts with each peer hold.
fn check_settlements(tx: &mut Tx, balances: &Balances, report: &mut Report) -> Result<(), storage::Error> {
    let mut open: BTreeMap<(Account, Currency), i64> = BTreeMap::new();
    for (statement, channel) in settlement::statements(tx)? {
        let state = statement.state()?;
        let currency = channel.currency()?;
        let account = if channel.is_debtor {
            Account::DueTo(crate::domain::settlement::host_of(&channel.creditor_uri).to_owned())
        } else {
            Account::DueFrom(crate::domain::settlement::host_of(&channel.debtor_uri).to_owned())
        };
        let owed = if state.is_owed() { statement.open_units() } else { 0 };
        *open.entry((account, currency)).or_default() += owed;
    }
    // A payment has left our bank before its receipt is here: until then the statement is open and the account is not.
    for (payment, channel) in payments::payments_in(tx, "debited", true)? {
        let account = Account::DueTo(crate::domain::settlement::host_of(&channel.creditor_uri).to_owned());
        *open.entry((account, channel.currency()?)).or_default() -= payment.units;
    }
    for ((account, currency), units) in open {
        let zero = Balance::new(account.class(), currency);
        let booked = balances.get(&(account.clone(), currency)).unwrap_or(&zero).posted().units();
        if booked != units {
            report.problems.push(format!("{account} holds {booked} units, the statements say {units}"));
        }
    }
    Ok(())
}
