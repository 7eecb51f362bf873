//! The table: every key that an operator can set, with its meaning, unit, bounds and default.
//!
//! Owns the names, which are a promise to operators: a key may be added, but is never renamed or given another meaning.
//! The doc comments below are also the text of `config/fedflattr.example.toml`, so they are written for its reader.

use std::net::IpAddr;
use std::path::PathBuf;

use ipnet::IpNet;

use super::derive;
use super::key::{Fallback, Key, Section, settings};
use super::secrets::{DatabaseUrl, Secret};
use super::setting::{Reader, Setting, Shown};
use super::values::{Domain, Email, HttpUrl, Locale, LogFormat, LogLevel};
use crate::domain::money::{Amount, Currency};

settings! {
    /// Who this instance is on the network, and where it listens.
    "server" => Server {
        /// The host in the address of every actor, with a port only when it is not the usual one. It can never change:
        /// peers know people, and what they are owed, by it.
        domain: Domain = "localhost:8080";
        /// The address to listen on. Leave it on this machine: TLS is the work of a reverse proxy.
        bind: IpAddr = "127.0.0.1";
        /// The TCP port to listen on.
        port: u16 = 8080, within 1..=65535;
        /// The address at which others reach this instance. Its host must be `domain`.
        base_url: HttpUrl = derived(
            derive::base_url,
            "https://<domain>; http://<domain> for a local domain with federation.allow_private_addresses"
        );
        /// The directory for what the instance keeps. A relative path starts at the working directory.
        data_dir: PathBuf = "./data";
        /// The largest request body that is read, in bytes.
        body_limit_bytes: u64 = 262144, within 1024..=67108864;
        /// Networks of the reverse proxies whose X-Forwarded-For is believed. Empty: nobody's is.
        trusted_proxies: Vec<IpNet> = [];
    }

    /// Where the books are kept.
    "database" => Database {
        /// `sqlite://<path>` for the embedded database, `postgres://user:password@host/name` for PostgreSQL. It counts
        /// as a secret, because of the password.
        url: DatabaseUrl = derived(derive::database_url, "sqlite://<server.data_dir>/fedflattr.sqlite");
        /// The number of connections that are kept open.
        pool_size: u32 = 8, within 1..=200;
    }

    /// What people and other servers are told about this instance.
    "instance" => Instance {
        /// The name at the top of every page.
        name: String = "fedflattr", within 1..=100;
        /// One paragraph for visitors and for the lists of instances.
        description: String = "", within 0..=2000;
        /// Where people write to when something is wrong.
        contact_email: Option<Email> = unset("admin@flattr.example");
        /// The language of pages for visitors whose browser asks for neither.
        default_locale: Locale = "en";
    }

    /// How this instance talks with others.
    "federation" => Federation {
        /// Private networks that may be fetched from. For tests on one machine only: an instance with a public domain
        /// refuses to start with it, since any stranger could make it reach into your network.
        allow_private_addresses: Vec<IpNet> = [];
        /// How long another server may take to answer, in seconds.
        fetch_timeout_seconds: u64 = 10, within 1..=120;
        /// The number of deliveries to other servers that run at once.
        delivery_workers: u32 = 8, within 1..=256;
        /// The oldest signed request that is accepted, in seconds before now.
        clock_skew_past_seconds: u64 = 3600, within 1..=43200;
        /// How far ahead of ours a sender's clock may be, in seconds.
        clock_skew_future_seconds: u64 = 300, within 0..=3600;
    }

    /// What the instance does with money. Amounts are texts in quotes: a bare 2.10 would be a binary fraction.
    "money" => Money {
        /// The currency of every budget and payout here: three capital letters of ISO 4217.
        currency: Currency = "EUR";
        /// The smallest monthly budget, in units of `currency`.
        minimum_budget: Amount = "2.00";
        /// The smallest payout to a creator, in units of `currency`. Less than that waits for the next month.
        minimum_payout: Amount = "10.00";
        /// How long a share waits for a creator without an account before it goes back to the patron, in months.
        unclaimed_expiry_months: u32 = 3, within 1..=12;
        /// The operator's fee on what patrons pay in, in hundredths of a percent.
        patron_fee_basis_points: u16 = 0, within 0..=10000;
        /// The operator's fee on what creators receive, in hundredths of a percent.
        creator_fee_basis_points: u16 = 0, within 0..=10000;
    }

    /// How instances settle what they owe one another.
    "settlement" => Settlement {
        /// The smallest sum that is sent to another instance, in units of `money.currency`. Less is carried over.
        minimum_transfer: Amount = "10.00";
    }

    /// The bridge to GitHub: stars given there count as likes.
    "bridge.github" => GitHub {
        /// Whether the bridge runs.
        enabled: bool = true;
        /// Where its API is.
        base_url: HttpUrl = "https://api.github.com";
        /// An access token. Without one GitHub answers 60 requests an hour, with one 5000.
        token: Option<Secret> = unset("ghp_example");
        /// Where people sign in to prove that an account is theirs.
        auth_url: HttpUrl = "https://github.com/login/oauth";
        /// The client id of your OAuth app at GitHub. Without one nobody can sign in there.
        client_id: String = "", within 0..=200;
        /// The client secret of your OAuth app.
        client_secret: Option<Secret> = unset("example");
        /// The time between two looks at a patron's stars, in seconds.
        poll_interval_seconds: u64 = 900, within 1..=86400;
    }

    /// The sandbox rail: a bank on this machine, for trying things out. Without an address there is no rail.
    "rail.sandbox" => SandboxRail {
        /// Where the sandbox bank is.
        base_url: Option<HttpUrl> = unset("http://127.0.0.1:8100/bank");
        /// This instance's account there.
        account: String = "", within 0..=64;
        /// The time between two looks at the account, in seconds.
        poll_interval_seconds: u64 = 60, within 1..=86400;
    }

    /// What the server writes about its work, to standard error.
    "log" => Log {
        /// The least important kind of message that is written.
        level: LogLevel = "info";
        /// `text` for people, `json` for machines.
        format: LogFormat = "text";
    }

    /// The queue of work that waits.
    "jobs" => Jobs {
        /// The time between two looks at the queue, in milliseconds.
        poll_interval_milliseconds: u64 = 250, within 10..=60000;
    }

    /// How people sign in.
    "auth" => Auth {
        /// How long somebody stays signed in, in days.
        session_days: u32 = 30, within 1..=365;
    }
}
