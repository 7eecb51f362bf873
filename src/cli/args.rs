//! The arguments, as clap reads them; each verb of an instance becomes a command of the console.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::console::Command;
use crate::flows::audit::NotedHead;

/// Self-hosted, federated micro-donations: a monthly budget divided over everything you liked.
#[derive(Parser, Debug, Clone)]
#[command(name = "fedflattr", version, arg_required_else_help = true)]
pub struct Arguments {
    /// The configuration file; without it, defaults and environment variables count.
    #[arg(long, global = true, env = "FEDFLATTR_CONFIG")]
    pub config: Option<PathBuf>,
    /// Sets one key over file and environment, such as server.port=8081.
    #[arg(long, global = true, value_name = "KEY=VALUE", value_parser = key_value)]
    pub set: Vec<(String, String)>,
    /// Prints JSON instead of text.
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub verb: Verb,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write KEY=VALUE, such as server.port=8081")?;
    Ok((key.to_owned(), value.to_owned()))
}

#[derive(Subcommand, Debug, Clone)]
pub enum Verb {
    /// Runs the server.
    Serve,
    /// Shows the whole product in a minute: three instances, a sandbox of platforms, a month from likes to payouts.
    Demo {
        /// Ends by itself, with a failing status if any invariant does not hold.
        #[arg(long)]
        exit: bool,
    },
    /// Writes a configuration and makes the first operator.
    Init {
        #[arg(long)]
        domain: String,
        /// Name of the first operator.
        #[arg(long)]
        admin: String,
        /// Where the configuration and the data go.
        #[arg(long, default_value = ".")]
        directory: PathBuf,
    },
    /// Serves the sandbox of platforms and its bank on loopback, with pages for people.
    Sandbox {
        #[arg(long, default_value_t = 8100)]
        port: u16,
        /// Gives the control plane (`/_sim`) a port of its own, so that the platforms' port has nothing but them.
        #[arg(long)]
        control_port: Option<u16>,
        /// Begins with nobody and nothing, on the first of June 2013, with a clock that stands still.
        #[arg(long)]
        empty: bool,
        /// Prints the part of a configuration that leads an instance to a sandbox on this port, and ends.
        #[arg(long, conflicts_with_all = ["empty", "control_port"])]
        print_config: bool,
    },
    /// The configuration.
    Config {
        #[command(subcommand)]
        verb: ConfigVerb,
    },
    /// People with an account here.
    User {
        #[command(subcommand)]
        verb: UserVerb,
    },
    /// Platforms.
    Bridge {
        #[command(subcommand)]
        verb: BridgeVerb,
    },
    /// Likes a post in the name of a patron: an address here, at a peer, on a platform, or platform:id.
    Like { name: String, target: String },
    /// Takes a like back.
    Unlike { name: String, target: String },
    /// Claims on accounts of platforms.
    Claim {
        #[command(subcommand)]
        verb: ClaimVerb,
    },
    /// Instances that we settle with.
    Peer {
        #[command(subcommand)]
        verb: PeerVerb,
    },
    /// Statements and obligations.
    Settlement {
        #[command(subcommand)]
        verb: SettlementVerb,
    },
    /// Months past their cut-off.
    Month {
        #[command(subcommand)]
        verb: MonthVerb,
    },
    /// The books.
    Ledger {
        #[command(subcommand)]
        verb: LedgerVerb,
    },
    /// Payouts to creators.
    Payout {
        #[command(subcommand)]
        verb: PayoutVerb,
    },
    /// What is sent to other servers, and what came.
    Federation {
        #[command(subcommand)]
        verb: FederationVerb,
    },
    /// What is due and not done yet.
    Status,
}

#[derive(Subcommand, Debug, Clone)]
pub enum ConfigVerb {
    /// Says whether the configuration is right.
    Check,
    /// Shows every key, its value and where it came from; secrets are masked.
    Show,
    /// Prints the commented example file.
    Example,
}

#[derive(Subcommand, Debug, Clone)]
pub enum UserVerb {
    /// Makes a patron and prints a one-time link that sets the password.
    Create {
        name: String,
        /// Set aside each month, such as 5.00.
        #[arg(long, allow_hyphen_values = true)]
        budget: Option<String>,
        /// Gives in their own name; without it, anonymously.
        #[arg(long)]
        public: bool,
        #[arg(long)]
        operator: bool,
    },
    List,
    /// Prints a new one-time link that sets the password; ends every session and every older link.
    Password {
        name: String,
    },
    /// Changes what a patron sets aside each month.
    Budget {
        name: String,
        /// Such as 5.00.
        #[arg(allow_hyphen_values = true)]
        amount: String,
    },
}

#[derive(Subcommand, Debug, Clone)]
pub enum BridgeVerb {
    /// Shows what a connector understands of a saved reply of its platform, or why it does not.
    Decode {
        /// Lists the kinds of reply that are known.
        #[arg(long)]
        list: bool,
        platform: Option<String>,
        kind: Option<String>,
        file: Option<PathBuf>,
    },
    /// Shows how every bridge fares, what its platform's terms say, and every connection.
    List,
    /// Shows how one bridge fares.
    Status { platform: String },
    /// Reads nothing from a platform until it is resumed; also after a restart.
    Pause { platform: String },
    /// Reads a paused platform again.
    Resume { platform: String },
    /// Makes one real round trip to a platform with the configured keys, and says what came of it.
    Test {
        platform: String,
        /// Whose profile to ask for; without it, that of the account that was read last.
        #[arg(long)]
        handle: Option<String>,
    },
    /// Connects a patron's account as a source of likes, once its profile shows the address that this prints.
    Connect {
        name: String,
        platform: String,
        handle: String,
        /// Connects at once, on your word that the account is the patron's. Whoever proves it later takes over.
        #[arg(long)]
        trusted: bool,
    },
    /// Ends a patron's connections on a platform. What was read is forgotten; flattrs stay.
    Disconnect { name: String, platform: String },
    /// Reads the export file of a platform (the ZIP archive, or a file out of it) into a patron's likes.
    Import {
        name: String,
        platform: String,
        file: PathBuf,
        /// Which of the patron's accounts, by handle or number, where the file does not say whose it is.
        #[arg(long)]
        account: Option<String>,
        /// With this, everything that the account liked until now was brought: what comes later counts. A whole archive
        /// says so by itself.
        #[arg(long)]
        complete: bool,
    },
    /// What a patron has imported, and how far.
    Imports { name: String },
    /// Looks an account up on its platform.
    Look { platform: String, handle: String },
    /// Honours an owner who does not want to be bridged: nothing counts any more, and what was held goes back.
    Refuse {
        platform: String,
        /// The name there; `id:` and the platform's stable id where the platform cannot be asked any more.
        handle: String,
    },
    /// Takes the operator's refusal back. New likes count again; nothing comes back by itself.
    Allow { platform: String, handle: String },
    /// Reads every connection now, or those of one platform; or one account at once, and shows what changed.
    Sync {
        platform: Option<String>,
        /// Or the account's id. Without it, every connection of the platform.
        handle: Option<String>,
    },
}

#[derive(Subcommand, Debug, Clone)]
pub enum ClaimVerb {
    /// Says which address the profile must show.
    Begin { name: String, platform: String, handle: String },
    /// Looks for the address on the profile: a token, or an account as platform:id for all claims on it.
    Check { token: String },
    /// Claims that peers announced.
    List,
    /// Claims that contradict each other, and those whose proof is gone: nobody is paid for them.
    Disputes,
    /// Vouches for what was earned with an account whose profile proves the claim no more: payouts go on for 7 days.
    Confirm { token: String },
}

#[derive(Subcommand, Debug, Clone)]
pub enum PeerVerb {
    /// Settles with another instance from now on.
    Add {
        domain: String,
        /// Platforms on whose sign-ins its word is taken for claims, with commas: github,vimeo. None by default.
        #[arg(long, value_name = "PLATFORMS", value_delimiter = ',')]
        claims: Vec<String>,
    },
    /// Changes on which platforms a peer's word is taken for claims that were proved by signing in.
    Trust {
        domain: String,
        /// All of them, with commas: github,vimeo. `none` for no platform.
        #[arg(long, value_name = "PLATFORMS", value_delimiter = ',', required = true)]
        claims: Vec<String>,
    },
    List,
}

#[derive(Subcommand, Debug, Clone)]
pub enum SettlementVerb {
    /// Lists statements, and what is missing of payments.
    List,
    /// Pays again what the peer says did not arrive of a payment.
    Repay { reference: String },
}

#[derive(Subcommand, Debug, Clone)]
pub enum MonthVerb {
    Status,
}

#[derive(Subcommand, Debug, Clone)]
pub enum LedgerVerb {
    /// Proves the books again from the first entry; also while the server runs.
    Verify {
        /// A head that was printed earlier and noted outside this machine: its entry must still be in the journal.
        #[arg(long, value_name = "HASH")]
        head: Option<NotedHead>,
    },
    /// Balances of the accounts whose code begins so.
    Accounts {
        #[arg(default_value = "")]
        prefix: String,
    },
}

#[derive(Subcommand, Debug, Clone)]
pub enum PayoutVerb {
    /// Says where a creator is paid.
    Account {
        name: String,
        account: String,
    },
    /// Pays out everything that is available.
    Request {
        name: String,
    },
    List,
}

#[derive(Subcommand, Debug, Clone)]
pub enum FederationVerb {
    /// The newest deliveries and how they ended.
    Deliveries,
    /// The newest activities received and what they did.
    Inbox,
    /// Tries waiting deliveries to a host again now.
    Retry { host: String },
}

impl Verb {
    /// The console's command behind a verb; `None` for verbs that are not about a running instance.
    pub fn into_command(self) -> Option<Command> {
        Some(match self {
            Verb::User { verb: UserVerb::Create { name, budget, public, operator } } => {
                Command::UserCreate { name, budget, is_public: public, is_operator: operator }
            }
            Verb::User { verb: UserVerb::List } => Command::UserList,
            Verb::User { verb: UserVerb::Password { name } } => Command::UserPassword { name },
            Verb::User { verb: UserVerb::Budget { name, amount } } => Command::BudgetSet { name, budget: amount },
            Verb::Bridge { verb: BridgeVerb::List } => Command::BridgeList,
            Verb::Bridge { verb: BridgeVerb::Import { name, platform, file, account, complete } } => {
                // The serving process stands in another directory.
                let path = std::path::absolute(&file).unwrap_or(file);
                Command::BridgeImport { name, platform, path, account, is_complete: complete }
            }
            Verb::Bridge { verb: BridgeVerb::Imports { name } } => Command::BridgeImports { name },
            Verb::Bridge { verb: BridgeVerb::Connect { name, platform, handle, trusted } } => {
                Command::BridgeConnect { name, platform, handle, is_trusted: trusted }
            }
            Verb::Bridge { verb: BridgeVerb::Disconnect { name, platform } } => {
                Command::BridgeDisconnect { name, platform }
            }
            Verb::Bridge { verb: BridgeVerb::Look { platform, handle } } => Command::BridgeLookUp { platform, handle },
            Verb::Bridge { verb: BridgeVerb::Refuse { platform, handle } } => {
                Command::BridgeRefuse { platform, handle }
            }
            Verb::Bridge { verb: BridgeVerb::Allow { platform, handle } } => Command::BridgeAllow { platform, handle },
            Verb::Bridge { verb: BridgeVerb::Sync { platform, handle } } => Command::BridgeSync { platform, handle },
            Verb::Bridge { verb: BridgeVerb::Status { platform } } => Command::BridgeStatus { platform },
            Verb::Bridge { verb: BridgeVerb::Pause { platform } } => Command::BridgePause { platform, is_paused: true },
            Verb::Bridge { verb: BridgeVerb::Resume { platform } } => {
                Command::BridgePause { platform, is_paused: false }
            }
            Verb::Bridge { verb: BridgeVerb::Test { platform, handle } } => Command::BridgeTest { platform, handle },
            Verb::Like { name, target } => Command::Like { name, target },
            Verb::Unlike { name, target } => Command::Unlike { name, target },
            Verb::Claim { verb: ClaimVerb::Begin { name, platform, handle } } => {
                Command::ClaimBegin { name, platform, handle }
            }
            Verb::Claim { verb: ClaimVerb::Check { token } } => Command::ClaimCheck { token },
            Verb::Claim { verb: ClaimVerb::List } => Command::ClaimList,
            Verb::Claim { verb: ClaimVerb::Disputes } => Command::ClaimDisputes,
            Verb::Claim { verb: ClaimVerb::Confirm { token } } => Command::ClaimConfirm { token },
            Verb::Peer { verb: PeerVerb::Add { domain, claims } } => Command::PeerAdd { address: domain, claims },
            Verb::Peer { verb: PeerVerb::Trust { domain, claims } } => Command::PeerTrust { address: domain, claims },
            Verb::Peer { verb: PeerVerb::List } => Command::PeerList,
            Verb::Settlement { verb: SettlementVerb::List } => Command::SettlementList,
            Verb::Settlement { verb: SettlementVerb::Repay { reference } } => Command::SettlementRepay { reference },
            Verb::Month { verb: MonthVerb::Status } => Command::MonthStatus,
            Verb::Ledger { verb: LedgerVerb::Accounts { prefix } } => Command::LedgerAccounts { prefix },
            Verb::Ledger { verb: LedgerVerb::Verify { head } } => {
                Command::LedgerVerify { head: head.map(|head| head.to_string()) }
            }
            Verb::Payout { verb: PayoutVerb::Account { name, account } } => Command::PayoutAccount { name, account },
            Verb::Payout { verb: PayoutVerb::Request { name } } => Command::PayoutRequest { name },
            Verb::Payout { verb: PayoutVerb::List } => Command::PayoutList,
            Verb::Federation { verb: FederationVerb::Deliveries } => Command::DeliveryList,
            Verb::Federation { verb: FederationVerb::Inbox } => Command::InboxList,
            Verb::Federation { verb: FederationVerb::Retry { host } } => Command::DeliveryRetry { host },
            Verb::Status => Command::Status,
            Verb::Serve
            | Verb::Demo { .. }
            | Verb::Init { .. }
            | Verb::Sandbox { .. }
            | Verb::Config { .. }
            | Verb::Bridge { verb: BridgeVerb::Decode { .. } } => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_negative_amount_is_left_to_the_flow_to_refuse() {
        let check = |words: &[&str], amount: &str| {
            let arguments = Arguments::try_parse_from([&["fedflattr"], words].concat()).expect("well formed");
            assert!(arguments.json, "an option is still one: {words:?}");
            let command = arguments.verb.into_command().expect("a command");
            let (Command::BudgetSet { budget, .. } | Command::UserCreate { budget: Some(budget), .. }) = command else {
                panic!("another command: {command:?}");
            };
            assert_eq!(budget, amount);
        };
        check(&["user", "budget", "bob", "-3", "--json"], "-3");
        check(&["user", "budget", "bob", "--json", "-0.50"], "-0.50");
        check(&["user", "budget", "--json", "bob", "3"], "3");
        check(&["user", "create", "bob", "--budget", "-3", "--json"], "-3");
    }

    #[test]
    fn a_noted_head_is_hex_and_long_enough_to_mean_one_entry() {
        let check = |head: &str, is_taken: bool| {
            let parsed = Arguments::try_parse_from(["fedflattr", "ledger", "verify", "--head", head]);
            assert_eq!(parsed.is_ok(), is_taken, "{head}");
        };
        check("0123456789abcdef", true);
        check(&"AB".repeat(32), true);
        for head in ["", "none", "0123456789abcde", "0123456789abcdeg", &"ab".repeat(33)] {
            check(head, false);
        }
    }
}
