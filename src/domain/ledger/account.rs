//! The chart of accounts: every place where money can stand on an instance.
//!
//! Owns the codes that the database and the operator's commands use. An account holds one currency; the same code in two
//! currencies is two accounts. There is no "rounding" account: it must not be needed.

use std::fmt;
use std::str::FromStr;

use crate::domain::id::{CreatorId, PatronId};
use crate::domain::identity::ExternalId;
use crate::domain::time::Month;

/// A ledger account. Peers are named by their host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Account {
    /// Asset: money at the bank or payment service behind a rail.
    Bank(String),
    /// Asset: what a peer has agreed to pay.
    DueFrom(String),
    /// Liability: a patron's money, free to spend or to take back.
    PatronAvailable(PatronId),
    /// Liability: a patron's budget of a month between cut-off and settlement.
    PatronReserved(PatronId, Month),
    /// Liability: still the patron's; set aside for a creator without an account, or for a post whose author is not known.
    PatronHeld(PatronId, Held),
    /// Liability: a creator's money that a peer has promised and not yet paid.
    CreatorPromised(CreatorId, String),
    /// Liability: a creator's money that is here.
    CreatorAvailable(CreatorId),
    /// Liability: a creator's money on its way out.
    CreatorPayout(CreatorId),
    /// Liability: what we have agreed to pay a peer.
    DueTo(String),
    /// Liability: money that came and that nobody has named.
    SuspenseUnmatched,
    /// Income: the fee that patrons pay.
    FeePatron,
    /// Income: the fee that creators pay.
    FeeCreator,
    /// Expense: what rails charge.
    RailCost,
    /// Expense: what will not come any more.
    BadDebt,
}

/// For whom a held share waits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Held {
    Identity(ExternalId),
    /// A post whose author is not resolved: `platform:object id`.
    Post(String),
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Held::Identity(identity) => write!(f, "{identity}"),
            Held::Post(post) => write!(f, "post:{post}"),
        }
    }
}

impl FromStr for Held {
    type Err = NotAnAccount;

    fn from_str(text: &str) -> Result<Self, NotAnAccount> {
        match text.strip_prefix("post:") {
            Some(post) => Ok(Held::Post(post.to_owned())),
            None => text.parse().map(Held::Identity).map_err(|_| NotAnAccount(text.to_owned())),
        }
    }
}

/// What kind of account it is, which decides the side on which its balance grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    Asset,
    Liability,
    Income,
    Expense,
}

impl Class {
    /// Whether the balance is debits minus credits (assets, expenses) or the other way round.
    pub const fn grows_by_debit(self) -> bool {
        matches!(self, Class::Asset | Class::Expense)
    }
}

impl Account {
    pub const fn class(&self) -> Class {
        match self {
            Account::Bank(_) | Account::DueFrom(_) => Class::Asset,
            Account::PatronAvailable(_)
            | Account::PatronReserved(..)
            | Account::PatronHeld(..)
            | Account::CreatorPromised(..)
            | Account::CreatorAvailable(_)
            | Account::CreatorPayout(_)
            | Account::DueTo(_)
            | Account::SuspenseUnmatched => Class::Liability,
            Account::FeePatron | Account::FeeCreator => Class::Income,
            Account::RailCost | Account::BadDebt => Class::Expense,
        }
    }
}

/// A text that names no account.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a ledger account")]
pub struct NotAnAccount(pub String);

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Account::Bank(rail) => write!(f, "bank:{rail}"),
            Account::DueFrom(peer) => write!(f, "due_from:{peer}"),
            Account::PatronAvailable(patron) => write!(f, "patron:{patron}:available"),
            Account::PatronReserved(patron, month) => write!(f, "patron:{patron}:reserved:{month}"),
            Account::PatronHeld(patron, held) => write!(f, "patron:{patron}:held:{held}"),
            Account::CreatorPromised(creator, peer) => write!(f, "creator:{creator}:promised:{peer}"),
            Account::CreatorAvailable(creator) => write!(f, "creator:{creator}:available"),
            Account::CreatorPayout(creator) => write!(f, "creator:{creator}:payout"),
            Account::DueTo(peer) => write!(f, "due_to:{peer}"),
            Account::SuspenseUnmatched => f.write_str("suspense:unmatched"),
            Account::FeePatron => f.write_str("fee:patron"),
            Account::FeeCreator => f.write_str("fee:creator"),
            Account::RailCost => f.write_str("rail_cost"),
            Account::BadDebt => f.write_str("bad_debt"),
        }
    }
}

impl FromStr for Account {
    type Err = NotAnAccount;

    fn from_str(text: &str) -> Result<Self, NotAnAccount> {
        let refused = || NotAnAccount(text.to_owned());
        let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
        let id = |part: &str| part.parse::<i64>().map_err(|_| refused());
        let account = match kind {
            "bank" if !rest.is_empty() => Account::Bank(rest.to_owned()),
            "due_from" if !rest.is_empty() => Account::DueFrom(rest.to_owned()),
            "due_to" if !rest.is_empty() => Account::DueTo(rest.to_owned()),
            "suspense" if rest == "unmatched" => Account::SuspenseUnmatched,
            "fee" if rest == "patron" => Account::FeePatron,
            "fee" if rest == "creator" => Account::FeeCreator,
            "rail_cost" if rest.is_empty() => Account::RailCost,
            "bad_debt" if rest.is_empty() => Account::BadDebt,
            "patron" => {
                let (patron, what) = rest.split_once(':').ok_or_else(refused)?;
                let patron = PatronId(id(patron)?);
                match what.split_once(':') {
                    None if what == "available" => Account::PatronAvailable(patron),
                    Some(("reserved", month)) => Account::PatronReserved(patron, month.parse().map_err(|_| refused())?),
                    Some(("held", held)) => Account::PatronHeld(patron, held.parse()?),
                    _ => return Err(refused()),
                }
            }
            "creator" => {
                let (creator, what) = rest.split_once(':').ok_or_else(refused)?;
                let creator = CreatorId(id(creator)?);
                match what.split_once(':') {
                    None if what == "available" => Account::CreatorAvailable(creator),
                    None if what == "payout" => Account::CreatorPayout(creator),
                    Some(("promised", peer)) => Account::CreatorPromised(creator, peer.to_owned()),
                    _ => return Err(refused()),
                }
            }
            _ => return Err(refused()),
        };
        Ok(account)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_reads_back() {
        for code in [
            "bank:sandbox",
            "due_from:beta.example:8102",
            "patron:12:available",
            "patron:12:reserved:2013-06",
            "patron:12:held:github:1024025",
            "patron:12:held:flickr:2654@N00",
            "patron:12:held:post:twitter:99",
            "creator:3:promised:beta.example",
            "creator:3:available",
            "creator:3:payout",
            "due_to:beta.example",
            "suspense:unmatched",
            "fee:patron",
            "fee:creator",
            "rail_cost",
            "bad_debt",
        ] {
            assert_eq!(code.parse::<Account>().unwrap().to_string(), code);
        }
    }

    #[test]
    fn what_is_not_in_the_chart_is_refused() {
        for code in ["", "rounding", "patron:x:available", "patron:1", "patron:1:spent", "bank:", "fee:operator"] {
            assert!(code.parse::<Account>().is_err(), "{code}");
        }
    }
}
