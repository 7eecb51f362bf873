//! The configuration as an operator meets it: sources, refusals and `config show`.

use std::path::PathBuf;

use tempfile::TempDir;

use super::*;
use crate::domain::money::{Amount, Currency};

/// A configuration in the making.
struct Setup {
    directory: TempDir,
    file: Option<PathBuf>,
    variables: Vec<(String, String)>,
    flags: Vec<(String, String)>,
}

impl Setup {
    fn new() -> Setup {
        let directory = tempfile::tempdir().unwrap();
        Setup { directory, file: None, variables: Vec::new(), flags: Vec::new() }
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn file(mut self, text: &str) -> Setup {
        self.file = Some(self.write("c.toml", text).into());
        self
    }

    fn variable(mut self, name: &str, value: &str) -> Setup {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    fn secret_file(self, name: &str, text: &str) -> Setup {
        let path = self.write(name, text);
        self.variable(name, &path)
    }

    fn flag(mut self, path: &str, value: &str) -> Setup {
        self.flags.push((path.to_owned(), value.to_owned()));
        self
    }

    fn load(&self) -> Result<Loaded, ConfigError> {
        Config::load(self.file.as_deref(), self.variables.iter().cloned(), &self.flags)
    }

    fn config(&self) -> Config {
        self.load().unwrap_or_else(|error| panic!("{error}")).config
    }

    /// The whole report, with the temporary directory left off.
    fn refusal(&self) -> String {
        let error = self.load().expect_err("must be refused").to_string();
        error.replace(&format!("{}/", self.directory.path().display()), "")
    }

    fn assert_refused(&self, expected: &str) {
        let refusal = self.refusal();
        assert!(refusal.contains(expected), "{refusal}\n  does not contain\n  {expected}");
    }
}

fn toml(text: &str) -> Setup {
    Setup::new().file(text)
}

#[test]
fn the_defaults_are_those_of_the_documentation() {
    let config = Config::default();
    assert_eq!(config.server.domain.to_string(), "localhost:8080");
    assert_eq!(config.server.base_url.as_str(), "https://localhost:8080");
    assert_eq!(config.database.url, DatabaseUrl::Sqlite("./data/fedflattr.sqlite".into()));
    assert_eq!(config.money.minimum_budget, Amount::parse("2.00", Currency::EUR).unwrap());
    assert_eq!(config.bridge.github.token, None);
    assert_eq!(config.instance.default_locale, Locale::English);
}

#[test]
fn a_flag_beats_a_variable_beats_the_file_beats_the_default() {
    let setup = toml("[server]\nport = 1\n[database]\npool_size = 2\n[jobs]\npoll_interval_milliseconds = 30")
        .variable("FEDFLATTR_SERVER__PORT", "3")
        .variable("FEDFLATTR_DATABASE__POOL_SIZE", "4")
        .flag("server.port", "5");
    let loaded = setup.load().unwrap();
    assert_eq!(loaded.config.server.port, 5);
    assert_eq!(loaded.config.database.pool_size, 4);
    assert_eq!(loaded.config.jobs.poll_interval_milliseconds, 30);
    assert_eq!(loaded.config.auth.session_days, 30);
    let check = |path: &str, source: &str| assert!(loaded.sources[path].to_string().starts_with(source), "{path}");
    check("server.port", "flag");
    check("database.pool_size", "env FEDFLATTR_DATABASE__POOL_SIZE");
    check("jobs.poll_interval_milliseconds", "file ");
    assert!(loaded.sources["jobs.poll_interval_milliseconds"].to_string().ends_with("c.toml, line 6"));
    check("auth.session_days", "default");
    assert_eq!(loaded.sources.len(), loaded.config.shown().len());
}

#[test]
fn every_key_is_also_a_variable_that_takes_its_default() {
    let mut setup = Setup::new();
    for (key, value) in Config::default().shown() {
        let Some(value) = value else { continue };
        let plain = value.trim_matches(|c| matches!(c, '"' | '[' | ']'));
        setup = setup.variable(&key.variable(), plain);
    }
    assert_eq!(setup.config(), Config::default());
}

#[test]
fn a_currency_that_is_not_in_use_is_refused() {
    for code in ["SEK", "JPY", "KWD"] {
        let currency = Setup::new().flag("money.currency", code).config().money.currency;
        assert_eq!(currency.as_str(), code);
    }
    for code in ["EUX", "ZZZ", "XXX", "XAU", "BGN"] {
        toml(&format!("[money]\ncurrency = \"{code}\"")).assert_refused(&format!("`{code}` is no currency in use"));
    }
    toml("[money]\ncurrency = \"eur\"").assert_refused("three capital letters");
}

#[test]
fn a_list_in_a_flag_may_be_written_as_in_a_file() {
    let check = |text: &str, count: usize| {
        let setup = Setup::new().flag("server.domain", "localhost:18080");
        let config = setup.flag("federation.allow_private_addresses", text).config();
        assert_eq!(config.federation.allow_private_addresses.len(), count, "{text}");
        assert_eq!(config.server.base_url.is_https(), count == 0, "{text}");
    };
    check("127.0.0.0/8", 1);
    check("127.0.0.0/8,::1", 2);
    check(r#"["127.0.0.0/8", "10.0.0.0/8"]"#, 2);
    check("[]", 0);
    check(" ", 0);
}

#[test]
fn a_list_in_a_variable_has_commas() {
    let config = Setup::new().variable("FEDFLATTR_SERVER__TRUSTED_PROXIES", "10.1.2.3/8, ::1").config();
    let shown: Vec<String> = config.server.trusted_proxies.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["10.0.0.0/8", "::1/128"]);
}

#[test]
fn all_problems_are_reported_together_and_in_order() {
    let setup = toml("[server]\ndomian = \"a.example\"\nport = \"80\"\n[sever]\nx = 1\n[log]\nlevel = \"loud\"")
        .variable("FEDFLATTR_MONEY__CURENCY", "EUR")
        .variable("FEDFLATTR_BRIDGE__GITHUB__ENABLED", "yes")
        .flag("auth.session_day", "3");
    assert_eq!(
        setup.refusal(),
        "the configuration has 7 problems:
  file c.toml, line 2: there is no `server.domian`; did you mean `server.domain`?
  file c.toml, line 4: there is no `sever`; did you mean `server`?
  env FEDFLATTR_MONEY__CURENCY: there is no `FEDFLATTR_MONEY__CURENCY`; did you mean `FEDFLATTR_MONEY__CURRENCY`?
  flag: there is no `auth.session_day`; did you mean `auth.session_days`?
  server.port (file c.toml, line 3): expected a whole number from 1 to 65535, found `80`
  bridge.github.enabled (env FEDFLATTR_BRIDGE__GITHUB__ENABLED): expected true or false, found `yes`
  log.level (file c.toml, line 7): expected one of error, warn, info, debug, trace, found `loud`"
    );
}

#[test]
fn a_file_that_is_not_toml_is_refused_with_its_lines() {
    let refusal = toml("[server]\nport = \n[log]\nlevel = info\n").refusal();
    assert!(refusal.contains("c.toml, line 2: not TOML") && refusal.contains("c.toml, line 4: not TOML"), "{refusal}");
    toml("[server]\nport = 1\nport = 2\n").assert_refused("line 3: not TOML: duplicate key");
}

#[test]
fn a_file_that_was_named_must_exist() {
    let error = Config::load(Some(Path::new("no/such.toml")), std::iter::empty(), &[]).unwrap_err();
    assert!(error.to_string().contains("no/such.toml: cannot be read"), "{error}");
}

#[test]
fn a_section_is_not_a_value_and_a_value_is_not_a_section() {
    toml("bridge = 1")
        .assert_refused("bridge (file c.toml, line 1): expected a section with keys in it, found a whole");
    toml("[server.port]\nx = 1").assert_refused("expected a whole number from 1 to 65535, found a table");
    toml("[bridge.gitub]\nenabled = true").assert_refused("there is no `bridge.gitub`; did you mean `bridge.github`?");
}

#[test]
fn numbers_outside_their_bounds_are_refused() {
    let check = |text: &str, found: &str| toml(text).assert_refused(&format!("found {found}"));
    check("server.port = 0", "the number 0");
    check("server.port = 65536", "the number 65536");
    check("server.port = 99999999999999999999", "a number that is too large");
    check("server.port = 80.5", "a decimal number");
    check("money.unclaimed_expiry_months = 0", "the number 0");
    check("money.unclaimed_expiry_months = 13", "the number 13");
    check("money.patron_fee_basis_points = 10001", "the number 10001");
    check("database.pool_size = -1", "the number -1");
    assert_eq!(toml("money.unclaimed_expiry_months = 12").config().money.unclaimed_expiry_months, 12);
    assert_eq!(toml("money.creator_fee_basis_points = 10000").config().money.creator_fee_basis_points, 10_000);
}

#[test]
fn amounts_are_read_exactly_or_refused_with_their_key() {
    let check = |value: &str, reason: &str| {
        let setup = toml(&format!("money.minimum_payout = {value}"));
        setup.assert_refused("money.minimum_payout (file c.toml, line 1): ");
        setup.assert_refused(reason);
    };
    check("\"-2.00\"", "`-2.00` is not above zero");
    check("\"0\"", "is not above zero");
    check("\"0.1234567\"", "more than six decimal places");
    check(&format!("\"{}\"", "9".repeat(30)), "is outside the range of an amount");
    check("\"two\"", "is not an amount");
    check("2.10", "found a decimal number: without quotes it would be read as a binary fraction");
    check("2", "found the number 2: without quotes");
    let money = toml("money.minimum_budget = \"0.50\"\nmoney.currency = \"SEK\"").config().money;
    assert_eq!(money.minimum_budget.to_string(), "0.50 SEK");
    assert_eq!(money.minimum_payout.to_string(), "10.00 SEK");
}

#[test]
fn a_wrong_currency_is_reported_once() {
    let refusal = toml("money.currency = \"euro\"").refusal();
    assert!(refusal.starts_with("the configuration has a problem:\n  money.currency"), "{refusal}");
}

#[test]
fn a_wrong_domain_is_reported_once() {
    let refusal = toml("server.domain = \"https://a.example\"").refusal();
    assert!(refusal.starts_with("the configuration has a problem:\n  server.domain"), "{refusal}");
}

#[test]
fn a_secret_may_come_from_a_file_without_its_last_line_break() {
    let token = |text: &str| {
        let setup = Setup::new().secret_file("FEDFLATTR_BRIDGE__GITHUB__TOKEN_FILE", text);
        setup.config().bridge.github.token.expect("a token was given").expose().to_owned()
    };
    assert_eq!(token("ghp_1\n"), "ghp_1");
    assert_eq!(token("ghp_1\r\n"), "ghp_1");
    assert_eq!(token("ghp_1"), "ghp_1");
    let url =
        Setup::new().secret_file("FEDFLATTR_DATABASE__URL_FILE", "postgres://u:p@db/books\n").config().database.url;
    assert!(matches!(url, DatabaseUrl::Postgresql(url) if url.expose() == "postgres://u:p@db/books"));
}

#[test]
fn a_secret_and_its_file_together_are_refused() {
    Setup::new()
        .variable("FEDFLATTR_BRIDGE__GITHUB__TOKEN", "a")
        .secret_file("FEDFLATTR_BRIDGE__GITHUB__TOKEN_FILE", "b")
        .assert_refused("both FEDFLATTR_BRIDGE__GITHUB__TOKEN and FEDFLATTR_BRIDGE__GITHUB__TOKEN_FILE are set");
}

#[test]
fn a_secret_file_that_cannot_be_used_is_refused() {
    let variable = "FEDFLATTR_BRIDGE__GITHUB__TOKEN_FILE";
    Setup::new().variable(variable, "no/such").assert_refused("no/such: cannot be read");
    Setup::new().secret_file(variable, "\n").assert_refused("the secret is empty");
    Setup::new().secret_file(variable, "a\nb\n").assert_refused("a line break");
    Setup::new()
        .secret_file("FEDFLATTR_SERVER__DOMAIN_FILE", "a.example")
        .assert_refused("there is no `FEDFLATTR_SERVER__DOMAIN_FILE`");
}

#[test]
fn no_secret_is_ever_shown() {
    let setup = Setup::new()
        .variable("FEDFLATTR_BRIDGE__GITHUB__TOKEN", "hunter2")
        .variable("FEDFLATTR_DATABASE__URL", "postgres://alice:hunter2@db.example/books?sslmode=require");
    let loaded = setup.load().unwrap();
    let shown = loaded.to_string();
    assert!(shown.contains("bridge.github.token = \"********\"  # env FEDFLATTR_BRIDGE__GITHUB__TOKEN\n"), "{shown}");
    assert!(shown.contains("database.url = \"postgres://alice:********@db.example/books?sslmode=require\""), "{shown}");
    assert!(!shown.contains("hunter2"));
    assert!(!format!("{loaded:?} {loaded:#?}").contains("hunter2"));

    let refused = [
        ("FEDFLATTR_DATABASE__URL", "mysql://alice:hunter2@db/books"),
        ("FEDFLATTR_DATABASE__URL", "hunter2"),
        ("FEDFLATTR_DATABASE__URL", "postgres://alice:hunter2@db\n"),
        ("FEDFLATTR_BRIDGE__GITHUB__TOKEN", "hunter2\n"),
        ("FEDFLATTR_BRIDGE__GITHUB__BASE_URL", "https://alice:hunter2@github.example"),
        ("FEDFLATTR_SERVER__BASE_URL", "https://alice:hunter2@localhost:8080"),
    ];
    for (variable, value) in refused {
        let refusal = Setup::new().variable(variable, value).refusal();
        assert!(refusal.contains(variable) && !refusal.contains("hunter2"), "{refusal}");
    }
    let list = toml("bridge.github.token = [\"hunter2\"]").refusal();
    assert!(list.contains("expected a secret text, found a list"), "{list}");
}

#[test]
fn what_config_show_prints_reads_back_as_the_same_configuration() {
    let setup = toml("instance.name = 'a \"b\" \\ c'\nserver.trusted_proxies = ['10.0.0.0/8', '::1/128']");
    let loaded = setup.load().unwrap();
    assert_eq!(toml(&loaded.to_string()).config(), loaded.config);
}

#[test]
fn variables_for_other_parts_of_the_program_are_left_alone() {
    let setup = Setup::new()
        .variable("FEDFLATTR_CONFIG", "x")
        .variable("FEDFLATTR_TEST_CLOCK", "x")
        .variable("FEDFLATTR_TEST_CRASH_AT", "x")
        .variable("PATH", "x");
    assert_eq!(setup.config(), Config::default());
    Setup::new().variable("FEDFLATTR_COFFEE", "x").assert_refused("there is no `FEDFLATTR_COFFEE`\n".trim_end());
}

#[test]
fn text_that_is_not_one_line_of_utf8_is_refused() {
    toml("instance.name = \"a\\nb\"").assert_refused("a line break or another control character");
    Setup::new().variable("FEDFLATTR_INSTANCE__NAME", "a\u{fffd}").assert_refused("not valid UTF-8");
    toml("instance.name = \"\"").assert_refused("expected a text of 1 to 100 characters");
    toml("instance.contact_email = \"nobody\"").assert_refused("`nobody` is not a mail address");
}

mod rules_between_keys {
    use super::*;

    const ALLOW: &str = "federation.allow_private_addresses = ['127.0.0.0/8']\n";

    #[test]
    fn a_public_instance_may_not_fetch_from_private_networks() {
        for domain in ["a.example", "example.com", "192.168.1.5", "localhost.example", "mylocalhost", "[2001:db8::1]"] {
            toml(&format!("{ALLOW}server.domain = '{domain}'"))
                .assert_refused(&format!("must be empty with the public domain `{domain}`"));
        }
        for domain in ["localhost", "localhost:9000", "b.localhost", "one.test:81", "127.0.0.2:8", "[::1]:8081"] {
            let config = toml(&format!("{ALLOW}server.domain = '{domain}'")).config();
            assert_eq!(config.server.base_url.as_str(), format!("http://{domain}"));
        }
    }

    #[test]
    fn plain_http_is_for_tests() {
        toml("server.base_url = 'http://localhost:8080'").assert_refused("server.base_url: must begin with https://");
        assert!(
            !toml(&format!("{ALLOW}server.base_url = 'http://localhost:8080'")).config().server.base_url.is_https()
        );
        toml("server.base_url = 'ftp://localhost:8080'").assert_refused("the address must begin with https://");
    }

    #[test]
    fn the_base_url_leads_to_the_domain() {
        let domain = "server.domain = 'a.example'\n";
        let check =
            |url: &str, reason: &str| toml(&format!("{domain}server.base_url = '{url}'")).assert_refused(reason);
        check("https://b.example", "`https://b.example` must have the host and port of server.domain, `a.example`");
        check("https://a.example:8443", "must have the host and port");
        check("https://sub.a.example", "must have the host and port");
        check("https://a.example/social", "must not have a path");
        check("https://a.example/?q", "must not contain `?`");
        let accepted = toml(&format!("{domain}server.base_url = 'https://A.example:443/'")).config();
        assert_eq!(accepted.server.base_url.as_str(), "https://a.example");
    }

    #[test]
    fn the_librarys_own_switch_for_private_networks_is_refused() {
        for value in ["1", "0", ""] {
            Setup::new()
                .variable("DANGER_FEDERATION_ALLOW_LOCAL_IP", value)
                .assert_refused("DANGER_FEDERATION_ALLOW_LOCAL_IP: this variable switches off the check");
        }
    }

    #[test]
    fn an_address_of_many_hosts_is_nothing_to_listen_on() {
        toml("server.bind = '224.0.0.1'").assert_refused("nothing can listen on");
        toml("server.bind = '255.255.255.255'").assert_refused("nothing can listen on");
        toml("server.bind = 'localhost'").assert_refused("expected an IP address such as 127.0.0.1, found `localhost`");
        assert!(toml("server.bind = '::'").config().server.bind.is_unspecified());
    }

    #[test]
    fn a_token_does_not_travel_in_the_clear() {
        toml("bridge.github.base_url = 'http://github.example'").assert_refused("would travel in the clear");
        let config = toml("bridge.github.base_url = 'http://127.0.0.1:9/api/v3/'").config();
        assert_eq!(config.bridge.github.base_url.as_str(), "http://127.0.0.1:9/api/v3");
    }

    #[test]
    fn several_rules_are_reported_together() {
        let text =
            format!("{ALLOW}server.domain = 'a.example'\nserver.bind = 'ff02::1'\nserver.base_url = 'https://b.test'");
        assert!(toml(&text).refusal().starts_with("the configuration has 3 problems:"));
    }
}
