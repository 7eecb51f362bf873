//! The operator's commands: what can be asked of an instance by who has its shell.
//!
//! Owns one list of commands with one meaning, whether a command is run in a process of its own or handed to the serving
//! process over its socket ([`socket`]). Each calls one flow or query and answers with values and a text.

mod books;
pub mod bridges;
mod claims;
mod common;
mod consent;
mod execute;
mod peers;
mod people;
mod platforms;
pub mod socket;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use execute::{audit_answer, execute};

/// What can be asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "command")]
pub enum Command {
    /// Makes a login with a patron; answers with a one-time link that sets its password.
    UserCreate {
        name: String,
        budget: Option<String>,
        is_public: bool,
        is_operator: bool,
    },
    UserList,
    /// Makes a new one-time link for a login, ends its sessions and its older links.
    UserPassword {
        name: String,
    },
    BudgetSet {
        name: String,
        budget: String,
    },
    /// Connects a patron's account on a platform as a source of likes, once its profile shows the patron's address.
    BridgeConnect {
        name: String,
        platform: String,
        handle: String,
        /// The operator vouches that the account is the patron's: nothing is proved.
        #[serde(default)]
        is_trusted: bool,
    },
    /// Ends a patron's connections on a platform; flattrs that they made stay.
    BridgeDisconnect {
        name: String,
        platform: String,
    },
    BridgeList,
    /// How one bridge fares.
    BridgeStatus {
        platform: String,
    },
    /// Reads nothing from a platform until it is resumed, or reads it again.
    BridgePause {
        platform: String,
        is_paused: bool,
    },
    /// Asks a platform for a profile with the configured keys.
    BridgeTest {
        platform: String,
        handle: Option<String>,
    },
    /// Reads the export file of a platform into a patron's likes.
    BridgeImport {
        name: String,
        platform: String,
        path: std::path::PathBuf,
        /// Which of the patron's accounts, where the file does not say it.
        #[serde(default)]
        account: Option<String>,
        /// With it, everything that the account liked until now was brought.
        #[serde(default)]
        is_complete: bool,
    },
    /// What a patron has imported, and how far.
    BridgeImports {
        name: String,
    },
    /// Looks an account up on its platform, which makes its bridged actor.
    BridgeLookUp {
        platform: String,
        handle: String,
    },
    /// The owner of an account does not want to be bridged: nothing counts for it, and what was held goes back.
    BridgeRefuse {
        platform: String,
        handle: String,
    },
    /// The operator refuses no more for the owner; what the profile says, or the owner has proved, stays.
    BridgeAllow {
        platform: String,
        handle: String,
    },
    /// Reads every connection, or one account, now.
    BridgeSync {
        #[serde(default)]
        platform: Option<String>,
        #[serde(default)]
        handle: Option<String>,
    },
    Like {
        name: String,
        target: String,
    },
    Unlike {
        name: String,
        target: String,
    },
    /// Begins a claim and says which address the profile must show.
    ClaimBegin {
        name: String,
        platform: String,
        handle: String,
    },
    /// Looks for the address on the profile: of a claim made here, or of every claim on an account.
    ClaimCheck {
        token: String,
    },
    ClaimList,
    /// Claims that contradict each other, and those whose proof is gone.
    ClaimDisputes,
    /// Vouches for what was earned with an account whose profile does not prove the claim any more.
    ClaimConfirm {
        token: String,
    },
    /// Settles with another instance from now on.
    PeerAdd {
        address: String,
        /// Platforms on whose sign-ins we take its word for claims.
        #[serde(default)]
        claims: Vec<String>,
    },
    /// Changes on which platforms we take a peer's word for claims, and tells it.
    PeerTrust {
        address: String,
        claims: Vec<String>,
    },
    PeerList,
    SettlementList,
    /// Pays again what a peer says did not arrive of a payment.
    SettlementRepay {
        reference: String,
    },
    MonthStatus,
    LedgerVerify {
        /// Hex of the hash of an entry that must still be there.
        #[serde(default)]
        head: Option<String>,
    },
    LedgerAccounts {
        prefix: String,
    },
    PayoutAccount {
        name: String,
        account: String,
    },
    PayoutRequest {
        name: String,
    },
    PayoutList,
    DeliveryList,
    InboxList,
    /// Tries waiting deliveries to a host again now.
    DeliveryRetry {
        host: String,
    },
    /// What is due and not done yet.
    Status,
}

impl Command {
    /// Whether this only tells what is there. On an instance that was never made, that would be nothing at all.
    pub const fn only_reads(&self) -> bool {
        matches!(
            self,
            Command::UserList
                | Command::BridgeList
                | Command::BridgeStatus { .. }
                | Command::BridgeImports { .. }
                | Command::ClaimList
                | Command::ClaimDisputes
                | Command::PeerList
                | Command::SettlementList
                | Command::MonthStatus
                | Command::LedgerVerify { .. }
                | Command::LedgerAccounts { .. }
                | Command::PayoutList
                | Command::DeliveryList
                | Command::InboxList
                | Command::Status
        )
    }
}

/// What an instance answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Answer {
    /// For people.
    pub text: String,
    /// For programs.
    pub data: Value,
}

/// Why a command was not carried out: what the operator can act on.
#[derive(Clone, Debug, Serialize, Deserialize, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);

impl Answer {
    fn new(text: impl Into<String>, data: Value) -> Answer {
        Answer { text: text.into(), data }
    }
}

/// A table in plain text: columns as wide as their widest cell, numbers to the right.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([head[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: &[String]| {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| {
            let space = " ".repeat(width.saturating_sub(cell.chars().count()));
            let is_number = cell.starts_with(|c: char| c.is_ascii_digit() || c == '-')
                && cell.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | '-'));
            if is_number { format!("{space}{cell}") } else { format!("{cell}{space}") }
        });
        padded.collect::<Vec<String>>().join("  ").trim_end().to_owned()
    };
    let head: Vec<String> = head.iter().map(|name| (*name).to_owned()).collect();
    let rule: Vec<String> = widths.iter().map(|width| "─".repeat(*width)).collect();
    let mut lines = vec![line(&head), rule.join("  ")];
    lines.extend(rows.iter().map(|row| line(row)));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_line_up() {
        let rows = vec![vec!["alice".to_owned(), "2.00".to_owned()], vec!["bo".to_owned(), "12.50".to_owned()]];
        let expected = "name   EUR\n─────  ─────\nalice   2.00\nbo     12.50";
        assert_eq!(table(&["name", "EUR"], &rows), expected);
    }
}
