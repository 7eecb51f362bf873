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
use super::values::{AppNetDialect, Domain, Email, HttpUrl, InstagramApi, Locale, LogFormat, LogLevel, TwitterApi};
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
        /// The largest export file that a patron may upload, in bytes.
        upload_limit_bytes: u64 = 2147483648, within 1048576..=1099511627776;
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

    /// The bridge to Twitter (X). Each item read from its API is billed to you; archives and addresses cost nothing. Its
    /// terms have forbidden paying for favourites before: read them first (docs/bridges/twitter.md).
    "bridge.twitter" => Twitter {
        /// Whether the bridge runs.
        enabled: bool = true;
        /// Which interface is spoken: `2`, or `1.1`, which new apps do not get any more.
        api: TwitterApi = "2";
        /// Where its API is.
        base_url: HttpUrl = "https://api.x.com";
        /// Where people sign in.
        auth_url: HttpUrl = "https://x.com/i/oauth2/authorize";
        /// The client id of your app, or its API key for `1.1`. Without one nobody can sign in there.
        client_id: String = "", within 0..=200;
        /// Its secret.
        client_secret: Option<Secret> = unset("example");
        /// An app-only token, for public profiles and posts.
        token: Option<Secret> = unset("example");
        /// The time between two looks at a patron's likes, in seconds.
        poll_interval_seconds: u64 = 21600, within 1..=86400;
        /// The most requests that polling may bring an hour to, look-ups included. Not set: nine tenths of what the
        /// platform says that it allows.
        requests_per_hour_max: Option<u64> = unset(1000), within 1..=1000000;
    }

    /// The bridge to Instagram. No API lists likes any more: people bring their export file (docs/bridges/instagram.md).
    "bridge.instagram" => Instagram {
        /// Whether the bridge runs.
        enabled: bool = true;
        /// Which interface is spoken: `graph`, that of today, or `legacy`, which ended in 2020.
        api: InstagramApi = "graph";
        /// Where the API is. Not set: the export file alone is read.
        base_url: Option<HttpUrl> = unset("https://graph.instagram.com");
        /// Where people sign in.
        auth_url: HttpUrl = "https://www.instagram.com/oauth/authorize";
        /// Where codes are exchanged.
        token_url: HttpUrl = "https://api.instagram.com/oauth/access_token";
        /// The client id of your app. Without one nobody can sign in there.
        client_id: String = "", within 0..=200;
        /// Its secret.
        client_secret: Option<Secret> = unset("example");
        /// The time between two looks at a patron's likes, in seconds.
        poll_interval_seconds: u64 = 3600, within 1..=86400;
        /// The most requests that polling may bring an hour to, look-ups included. Not set: nine tenths of what the
        /// platform says that it allows.
        requests_per_hour_max: Option<u64> = unset(1000), within 1..=1000000;
    }

    /// The bridge to Vimeo (docs/bridges/vimeo.md).
    "bridge.vimeo" => Vimeo {
        /// Whether the bridge runs.
        enabled: bool = true;
        /// Where its API is.
        base_url: HttpUrl = "https://api.vimeo.com";
        /// Where people sign in.
        auth_url: HttpUrl = "https://api.vimeo.com/oauth/authorize";
        /// The client id of your app. Without it and its secret nobody can sign in there.
        client_id: String = "", within 0..=200;
        /// Its secret.
        client_secret: Option<Secret> = unset("example");
        /// An access token of yours. Without one the app gets one for itself.
        token: Option<Secret> = unset("example");
        /// The time between two looks at a patron's likes, in seconds.
        poll_interval_seconds: u64 = 1800, within 1..=86400;
        /// The most requests that polling may bring an hour to, look-ups included. Not set: nine tenths of what the
        /// platform says that it allows.
        requests_per_hour_max: Option<u64> = unset(1000), within 1..=1000000;
    }

    /// The bridge to SoundCloud (docs/bridges/soundcloud.md).
    "bridge.soundcloud" => SoundCloud {
        /// Whether the bridge runs.
        enabled: bool = true;
        /// Where its API is.
        base_url: HttpUrl = "https://api.soundcloud.com";
        /// Where people sign in.
        auth_url: HttpUrl = "https://secure.soundcloud.com/authorize";
        /// Where tokens are given out.
        token_url: HttpUrl = "https://secure.soundcloud.com/oauth/token";
        /// Where short addresses are looked up.
        short_url: HttpUrl = "https://on.soundcloud.com";
        /// The client id of your app. Without it and its secret nothing can be asked.
        client_id: String = "", within 0..=200;
        /// Its secret.
        client_secret: Option<Secret> = unset("example");
        /// The time between two looks at a patron's likes, in seconds.
        poll_interval_seconds: u64 = 1800, within 1..=86400;
        /// The most requests that polling may bring an hour to, look-ups included. Not set: nine tenths of what the
        /// platform says that it allows.
        requests_per_hour_max: Option<u64> = unset(1000), within 1..=1000000;
    }

    /// The bridge to App.net, which closed in 2017, and to its successor pnut.io (docs/bridges/appnet.md).
    "bridge.appnet" => AppNet {
        /// Whether the bridge runs.
        enabled: bool = true;
        /// Whose servers are spoken to.
        dialect: AppNetDialect = "appnet";
        /// Where the API is. Not set: saved files alone are read.
        base_url: Option<HttpUrl> = unset("https://api.pnut.io/v1");
        /// Where people sign in.
        auth_url: HttpUrl = "https://pnut.io/oauth/authenticate";
        /// Where codes are exchanged.
        token_url: HttpUrl = "https://api.pnut.io/v1/oauth/access_token";
        /// The client id of your app. Without it and its secret nobody can sign in there.
        client_id: String = "", within 0..=200;
        /// Its secret.
        client_secret: Option<Secret> = unset("example");
        /// A token of yours, for more requests.
        token: Option<Secret> = unset("example");
        /// The time between two looks at a patron's likes, in seconds.
        poll_interval_seconds: u64 = 1800, within 1..=86400;
        /// The most requests that polling may bring an hour to, look-ups included. Not set: nine tenths of what the
        /// platform says that it allows.
        requests_per_hour_max: Option<u64> = unset(1000), within 1..=1000000;
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
        /// The most requests that polling may bring an hour to, look-ups included. Not set: nine tenths of what the
        /// platform says that it allows.
        requests_per_hour_max: Option<u64> = unset(1000), within 1..=1000000;
    }

    /// The bridge to Flickr. New keys need a Pro account; export files and addresses need none (docs/bridges/flickr.md).
    "bridge.flickr" => Flickr {
        /// Whether the bridge runs.
        enabled: bool = true;
        /// Where its API is.
        base_url: HttpUrl = "https://api.flickr.com";
        /// Where people sign in.
        auth_url: HttpUrl = "https://www.flickr.com/services/oauth";
        /// Your API key. Without one only export files and addresses are read.
        api_key: String = "", within 0..=200;
        /// Its secret. Without it nobody can sign in there.
        api_secret: Option<Secret> = unset("example");
        /// The time between two looks at a patron's likes, in seconds.
        poll_interval_seconds: u64 = 1800, within 1..=86400;
        /// The most requests that polling may bring an hour to, look-ups included. Flickr names 3,600 for a key.
        requests_per_hour_max: u64 = 3240, within 1..=1000000;
    }

    /// The bridge to 500px, whose API closed in 2018: saved pages and lists of addresses are read (docs/bridges/500px.md).
    "bridge.500px" => FiveHundredPx {
        /// Whether the bridge runs.
        enabled: bool = true;
        /// A server that speaks the interface of before 2018.
        base_url: Option<HttpUrl> = unset("http://127.0.0.1:8100/500px");
        /// Where people sign in there. Not set: below `base_url`.
        auth_url: Option<HttpUrl> = unset("http://127.0.0.1:8100/500px/v1/oauth");
        /// The consumer key of your app.
        consumer_key: String = "", within 0..=200;
        /// Its secret. Without it nobody can sign in there.
        consumer_secret: Option<Secret> = unset("example");
        /// The time between two looks at a patron's likes, in seconds.
        poll_interval_seconds: u64 = 3600, within 1..=86400;
        /// The most requests that polling may bring an hour to, look-ups included. Not set: nine tenths of what the
        /// platform says that it allows.
        requests_per_hour_max: Option<u64> = unset(1000), within 1..=1000000;
    }

    /// The bridge to the fediverse: favourites given on Mastodon and its kin count as likes. It needs no key of yours: it
    /// introduces itself to each server (docs/bridges/fediverse.md).
    "bridge.fediverse" => Fediverse {
        /// Whether the bridge runs. Likes that other servers send by themselves come all the same.
        enabled: bool = true;
        /// The time between two looks at a patron's favourites, in seconds.
        poll_interval_seconds: u64 = 900, within 1..=86400;
        /// The most requests that polling may bring an hour to, look-ups included. Not set: nine tenths of what the
        /// platform says that it allows.
        requests_per_hour_max: Option<u64> = unset(1000), within 1..=1000000;
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
