//! Journal entries: what is written into the books, and how one entry is chained to the one before.
//!
//! Owns the shape of an entry (client-chosen id, transfers that each balance by construction) and its canonical bytes.
//! A repeated id with the same content is no second entry; with other content it is refused.

use std::collections::HashMap;

use aws_lc_rs::digest::{Context, SHA256};
use serde_json::{Value, json};

use super::account::Account;
use super::balance::{Balance, Refusal, Side};
use crate::domain::money::Amount;
use crate::domain::time::Timestamp;

/// What an entry is about; the first word of an operator's journal line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Deposit,
    Refund,
    CutOff,
    Division,
    Release,
    Return,
    StatementOffered,
    StatementBound,
    StatementVoided,
    StatementAgreed,
    PaymentSent,
    PaymentReceived,
    PayoutReserved,
    PayoutSent,
    PayoutReturned,
}

impl Kind {
    pub const ALL: [Kind; 15] = [
        Kind::Deposit,
        Kind::Refund,
        Kind::CutOff,
        Kind::Division,
        Kind::Release,
        Kind::Return,
        Kind::StatementOffered,
        Kind::StatementBound,
        Kind::StatementVoided,
        Kind::StatementAgreed,
        Kind::PaymentSent,
        Kind::PaymentReceived,
        Kind::PayoutReserved,
        Kind::PayoutSent,
        Kind::PayoutReturned,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::Deposit => "deposit",
            Kind::Refund => "refund",
            Kind::CutOff => "cut_off",
            Kind::Division => "division",
            Kind::Release => "release",
            Kind::Return => "return",
            Kind::StatementOffered => "statement_offered",
            Kind::StatementBound => "statement_bound",
            Kind::StatementVoided => "statement_voided",
            Kind::StatementAgreed => "statement_agreed",
            Kind::PaymentSent => "payment_sent",
            Kind::PaymentReceived => "payment_received",
            Kind::PayoutReserved => "payout_reserved",
            Kind::PayoutSent => "payout_sent",
            Kind::PayoutReturned => "payout_returned",
        }
    }

    pub fn parse(text: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// How a transfer moves money.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// At once and for good.
    Posted,
    /// Reserved: counted against what is free, posted or voided later.
    Pending,
    /// Posts `amount` of the pending transfer with this id; what it reserved beyond that is free again.
    PostPending(String),
    /// Frees the whole pending transfer with this id.
    VoidPending(String),
}

impl Phase {
    pub const fn as_str(&self) -> &'static str {
        match self {
            Phase::Posted => "posted",
            Phase::Pending => "pending",
            Phase::PostPending(_) => "post",
            Phase::VoidPending(_) => "void",
        }
    }

    pub fn pending_id(&self) -> Option<&str> {
        match self {
            Phase::PostPending(id) | Phase::VoidPending(id) => Some(id),
            Phase::Posted | Phase::Pending => None,
        }
    }
}

/// One movement between two accounts: out of `debit`'s claim into `credit`'s.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Unique for ever; chosen by the flow, so that a repeat finds it.
    pub id: String,
    pub debit: Account,
    pub credit: Account,
    /// What moves, or what is reserved; for a void the whole reserved amount.
    pub amount: Amount,
    pub phase: Phase,
}

/// One journal entry: transfers that happen together or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The idempotency key, such as `deposit/sandbox/2013-06-02/1`.
    pub id: String,
    pub kind: Kind,
    pub at: Timestamp,
    pub transfers: Vec<Transfer>,
}

impl Entry {
    pub fn new(id: impl Into<String>, kind: Kind, at: Timestamp) -> Entry {
        Entry { id: id.into(), kind, at, transfers: Vec::new() }
    }

    /// Adds a transfer whose id is the entry's id and its position.
    pub fn push(&mut self, debit: Account, credit: Account, amount: Amount, phase: Phase) -> &mut Entry {
        let id = format!("{}#{}", self.id, self.transfers.len());
        self.transfers.push(Transfer { id, debit, credit, amount, phase });
        self
    }

    /// As [`Entry::push`], for a single-phase transfer, in the form of a sentence.
    pub fn transfer(mut self, debit: Account, credit: Account, amount: Amount) -> Entry {
        self.push(debit, credit, amount, Phase::Posted);
        self
    }

    /// The content that a repeat of this entry must have: all but the time and place in the journal.
    pub fn content(&self) -> Value {
        let transfers: Vec<Value> = self
            .transfers
            .iter()
            .map(|transfer| {
                json!({
                    "id": transfer.id,
                    "debit": transfer.debit.to_string(),
                    "credit": transfer.credit.to_string(),
                    "amount": transfer.amount.to_wire(),
                    "currency": transfer.amount.currency().as_str(),
                    "phase": transfer.phase.as_str(),
                    "pending": transfer.phase.pending_id(),
                })
            })
            .collect();
        json!({ "id": self.id, "kind": self.kind.as_str(), "transfers": transfers })
    }

    /// `SHA-256(previous || canonical(entry))`, where canonical is the RFC 8785 form of content, sequence and time.
    pub fn chained_hash(&self, sequence: i64, previous: &[u8]) -> [u8; 32] {
        let mut content = self.content();
        content["sequence"] = json!(sequence.to_string());
        content["at"] = json!(self.at.to_string());
        let canonical =
            serde_json_canonicalizer::to_vec(&content).expect("strings and lists are always canonical JSON");
        let mut context = Context::new(&SHA256);
        context.update(previous);
        context.update(&canonical);
        context.finish().as_ref().try_into().expect("SHA-256 has 32 bytes")
    }
}

/// A reservation that an entry wants to end, as the books hold it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingTransfer {
    pub debit: Account,
    pub credit: Account,
    pub amount: Amount,
    pub is_ended: bool,
}

/// The balances that an entry touches, by account; currencies are told apart by the amounts.
pub type Balances = HashMap<(Account, crate::domain::money::Currency), Balance>;

/// Applies an entry to balances in memory.
///
/// - `balances`: every account that the entry names; a missing one starts at zero.
/// - `pending`: the pending transfers that the entry ends, by id; those that end are marked.
/// - errors: see [`Refusal`]; `balances` and `pending` are then to be thrown away.
pub fn apply(
    entry: &Entry,
    balances: &mut Balances,
    pending: &mut HashMap<String, PendingTransfer>,
) -> Result<(), Refusal> {
    if entry.transfers.is_empty() {
        return Err(Refusal::Empty);
    }
    for transfer in &entry.transfers {
        let Transfer { debit, credit, amount, phase, .. } = transfer;
        if !amount.is_positive() {
            return Err(Refusal::NotPositive(*amount));
        }
        if debit == credit {
            return Err(Refusal::SameAccount(debit.clone()));
        }
        let ended = match phase.pending_id() {
            None => None,
            Some(id) => {
                let reservation = pending.get_mut(id).ok_or_else(|| Refusal::NoSuchPending(id.to_owned()))?;
                if reservation.is_ended {
                    return Err(Refusal::AlreadyEnded(id.to_owned()));
                }
                let same = reservation.debit == *debit && reservation.credit == *credit;
                if !same || reservation.amount.currency() != amount.currency() || *amount > reservation.amount {
                    let reserved = reservation.amount;
                    return Err(Refusal::MoreThanReserved { id: id.to_owned(), reserved, asked: *amount });
                }
                reservation.is_ended = true;
                Some(reservation.amount)
            }
        };
        for (account, side) in [(debit, Side::Debit), (credit, Side::Credit)] {
            let key = (account.clone(), amount.currency());
            let balance = balances.entry(key).or_insert(Balance::new(account.class(), amount.currency()));
            match (phase, ended) {
                (Phase::Posted, _) => balance.book(account, side, *amount, false)?,
                (Phase::Pending, _) => balance.book(account, side, *amount, true)?,
                (Phase::PostPending(_), Some(reserved)) => {
                    balance.end_pending(account, side, reserved, amount.units())?;
                }
                (Phase::VoidPending(_), Some(reserved)) => balance.end_pending(account, side, reserved, 0)?,
                (Phase::PostPending(_) | Phase::VoidPending(_), None) => unreachable!("looked up above"),
            }
        }
    }
    Ok(())
}

impl PartialOrd for Amount {
    /// Amounts of two currencies have no order.
    fn partial_cmp(&self, other: &Amount) -> Option<std::cmp::Ordering> {
        (self.currency() == other.currency()).then(|| self.units().cmp(&other.units()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::PatronId;
    use crate::domain::money::Currency;

    const ALICE: Account = Account::PatronAvailable(PatronId(1));

    fn eur(text: &str) -> Amount {
        Amount::parse(text, Currency::EUR).unwrap()
    }

    fn bank() -> Account {
        Account::Bank("sandbox".to_owned())
    }

    fn entry(id: &str) -> Entry {
        Entry::new(id, Kind::Deposit, Timestamp::from_seconds(0))
    }

    fn deposited(amount: &str) -> Balances {
        let mut balances = Balances::new();
        let deposit = entry("d").transfer(bank(), ALICE, eur(amount));
        apply(&deposit, &mut balances, &mut HashMap::new()).unwrap();
        balances
    }

    #[test]
    fn what_is_reserved_cannot_be_spent_again() {
        let mut balances = deposited("2.00");
        let due = Account::DueTo("beta.example".to_owned());
        let mut reserve = entry("r");
        reserve.push(ALICE, due.clone(), eur("1.50"), Phase::Pending);
        apply(&reserve, &mut balances, &mut HashMap::new()).unwrap();
        let spend = entry("s").transfer(ALICE, due, eur("1.00"));
        let refusal = apply(&spend, &mut balances, &mut HashMap::new());
        assert_eq!(refusal, Err(Refusal::NotEnough { account: ALICE, free: eur("0.50"), asked: eur("1.00") }));
    }

    #[test]
    fn a_reservation_ends_once() {
        let mut balances = deposited("2.00");
        let due = Account::DueTo("beta.example".to_owned());
        let mut reserve = entry("r");
        reserve.push(ALICE, due.clone(), eur("1.50"), Phase::Pending);
        apply(&reserve, &mut balances, &mut HashMap::new()).unwrap();
        let reservation = PendingTransfer { debit: ALICE, credit: due.clone(), amount: eur("1.50"), is_ended: false };
        let mut pending = HashMap::from([("r#0".to_owned(), reservation)]);
        let mut post = entry("p");
        post.push(ALICE, due.clone(), eur("1.00"), Phase::PostPending("r#0".to_owned()));
        apply(&post, &mut balances, &mut pending).unwrap();
        assert_eq!(balances[&(ALICE, Currency::EUR)].free(), eur("1.00"));
        assert_eq!(balances[&(due, Currency::EUR)].posted(), eur("1.00"));
        let again = apply(&post, &mut balances, &mut pending);
        assert_eq!(again, Err(Refusal::AlreadyEnded("r#0".to_owned())));
    }

    #[test]
    fn entries_that_move_nothing_are_refused() {
        let refused = |entry: Entry| apply(&entry, &mut deposited("1.00"), &mut HashMap::new()).unwrap_err();
        assert_eq!(refused(entry("e")), Refusal::Empty);
        assert_eq!(refused(entry("e").transfer(ALICE, ALICE, eur("1"))), Refusal::SameAccount(ALICE));
        assert_eq!(refused(entry("e").transfer(bank(), ALICE, eur("0"))), Refusal::NotPositive(eur("0")));
        assert_eq!(refused(entry("e").transfer(bank(), ALICE, eur("-1"))), Refusal::NotPositive(eur("-1")));
    }

    #[test]
    fn the_chain_depends_on_every_byte() {
        let one = entry("d").transfer(bank(), ALICE, eur("1"));
        let other = entry("d").transfer(bank(), ALICE, eur("1.000001"));
        assert_ne!(one.chained_hash(1, &[]), other.chained_hash(1, &[]));
        assert_ne!(one.chained_hash(1, &[]), one.chained_hash(2, &[]));
        assert_ne!(one.chained_hash(1, &[]), one.chained_hash(1, &[0]));
        assert_eq!(one.chained_hash(1, &[]), one.clone().chained_hash(1, &[]));
    }
}

#[cfg(test)]
mod properties {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::id::PatronId;
    use crate::domain::money::Currency;

    fn account(number: u8) -> Account {
        match number % 5 {
            0 => Account::Bank("sandbox".to_owned()),
            1 => Account::PatronAvailable(PatronId(1)),
            2 => Account::PatronAvailable(PatronId(2)),
            3 => Account::DueTo("beta.example".to_owned()),
            _ => Account::SuspenseUnmatched,
        }
    }

    proptest! {
        /// Whatever is tried, in whatever order: the books sum to zero and no account is on the wrong side.
        #[test]
        fn the_books_sum_to_zero_and_nobody_overdraws(
            steps in prop::collection::vec((any::<u8>(), any::<u8>(), 1_i64..1_000, 0_u8..4, any::<u16>()), 1..120),
        ) {
            let mut balances = Balances::new();
            let mut pending: HashMap<String, PendingTransfer> = HashMap::new();
            for (number, (debit, credit, units, phase, pick)) in steps.into_iter().enumerate() {
                let amount = Amount::from_units(units, Currency::EUR);
                let mut ids: Vec<&String> = pending.keys().collect();
                ids.sort();
                let chosen = (!ids.is_empty()).then(|| ids[pick as usize % ids.len()].clone());
                let mut entry = Entry::new(format!("e{number}"), Kind::Deposit, Timestamp::from_seconds(0));
                match (phase, chosen) {
                    (2, Some(id)) => {
                        let ended = pending[&id].clone();
                        let amount = Amount::from_units(units.min(ended.amount.units()), Currency::EUR);
                        entry.push(ended.debit, ended.credit, amount, Phase::PostPending(id));
                    }
                    (3, Some(id)) => {
                        let ended = pending[&id].clone();
                        entry.push(ended.debit, ended.credit, ended.amount, Phase::VoidPending(id));
                    }
                    (1, _) => {
                        entry.push(account(debit), account(credit), amount, Phase::Pending);
                    }
                    _ => {
                        entry.push(account(debit), account(credit), amount, Phase::Posted);
                    }
                }
                let (mut trial_balances, mut trial_pending) = (balances.clone(), pending.clone());
                if apply(&entry, &mut trial_balances, &mut trial_pending).is_ok() {
                    (balances, pending) = (trial_balances, trial_pending);
                    let Transfer { id, debit, credit, amount, phase } = entry.transfers.remove(0);
                    if phase == Phase::Pending {
                        pending.insert(id, PendingTransfer { debit, credit, amount, is_ended: false });
                    }
                }
                let sum: i128 = balances.values().map(Balance::net_debit).sum();
                prop_assert_eq!(sum, 0);
                for balance in balances.values() {
                    prop_assert!(balance.free().units() >= 0);
                    prop_assert!(balance.debits_pending >= 0 && balance.credits_pending >= 0);
                }
            }
            let open: i64 = pending.values().filter(|p| !p.is_ended).map(|p| p.amount.units()).sum();
            let debits: i64 = balances.values().map(|balance| balance.debits_pending).sum();
            let credits: i64 = balances.values().map(|balance| balance.credits_pending).sum();
            prop_assert_eq!((debits, credits), (open, open));
        }
    }
}
