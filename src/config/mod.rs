//! Configuration: what an operator may decide, read once at start from a file, the environment and flags.
//!
//! Owns the promise that the server starts only with a configuration it has understood completely: an unknown name, a
//! value of the wrong form or an unsafe combination is refused, all of them in one report. Code receives the section
//! that it needs, never the whole.
//!
//! Every key is described once, in `table`. A value passes through `sources` (collect), `setting` (parse) and `check`
//! (compare); `example` writes the commented file. For operators: docs/configuration.md.

mod bridges;
mod check;
mod derive;
mod error;
mod example;
mod given;
mod key;
mod secrets;
mod setting;
mod sources;
mod table;
mod values;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

pub use self::bridges::Bridges;
pub use self::error::{ConfigError, Problem};
pub use self::example::example;
pub use self::given::Source;
pub use self::secrets::{DatabaseUrl, MASK, Secret};
pub use self::table::{
    AppNet, Auth, Database, Federation, Fediverse, FiveHundredPx, Flickr, GitHub, Instagram, Instance, Jobs, Log,
    Money, SandboxRail, Server, Settlement, SoundCloud, Twitter, Vimeo,
};
pub use self::values::{AppNetDialect, Domain, Email, HttpUrl, InstagramApi, Locale, LogFormat, LogLevel, TwitterApi};

use self::key::Key;
use self::setting::{Reader, Shown, quoted};
use self::sources::{Sources, all_keys};

/// Everything that an operator may decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    pub server: Server,
    pub database: Database,
    pub instance: Instance,
    pub federation: Federation,
    pub money: Money,
    pub settlement: Settlement,
    pub bridge: Bridges,
    pub rail: Rails,
    pub log: Log,
    pub jobs: Jobs,
    pub auth: Auth,
}

/// One section for each way in which money moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rails {
    pub sandbox: SandboxRail,
}

/// A configuration, and where each of its values came from.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub config: Config,
    /// One for each key, by its path (`bridge.github.token`).
    pub sources: BTreeMap<String, Source>,
}

impl Config {
    /// Reads the configuration: flag over environment over file over default.
    ///
    /// - `path`: the TOML file; `None` for none. A file that is named must exist.
    /// - `env`: all variables of the process, see [`environment`]; those of others are ignored.
    /// - `overrides`: flags, as pairs of a path such as `server.port` and a value.
    /// - errors: every problem with the sources and the values. Rules between keys ([`Config::check`]) are judged only
    ///   when each value by itself is right.
    /// - effects: reads the file, and the files that `..._FILE` variables name.
    pub fn load(
        path: Option<&Path>,
        env: impl Iterator<Item = (String, String)>,
        overrides: &[(String, String)],
    ) -> Result<Loaded, ConfigError> {
        let mut sources = Sources::default();
        if let Some(path) = path {
            sources.add_file(path);
        }
        sources.add_environment(env);
        sources.add_flags(overrides);
        sources.add_defaults();

        let Sources { given, problems } = sources;
        let mut reader = Reader::new(&given, problems);
        let config = Config::read(&mut reader);
        if !reader.problems.is_empty() {
            return Err(ConfigError { problems: reader.problems });
        }
        let config = config.expect("a value that is missing has left a problem");
        config.check()?;
        let source_of = |key: &Key| given.get(&key.path()).map_or(Source::Default, |(_, source)| source.clone());
        Ok(Loaded { config, sources: all_keys().map(|key| (key.path(), source_of(key))).collect() })
    }

    fn read(reader: &mut Reader) -> Option<Config> {
        // Each section is read before the first `?`, so that one wrong value does not hide another.
        let server = Server::read(reader);
        let database = Database::read(reader);
        let instance = Instance::read(reader);
        let federation = Federation::read(reader);
        let money = Money::read(reader);
        let settlement = Settlement::read(reader);
        let bridge = Bridges::read(reader);
        let sandbox_rail = SandboxRail::read(reader);
        let log = Log::read(reader);
        let jobs = Jobs::read(reader);
        let auth = Auth::read(reader);
        Some(Config {
            server: server?,
            database: database?,
            instance: instance?,
            federation: federation?,
            money: money?,
            settlement: settlement?,
            bridge: bridge?,
            rail: Rails { sandbox: sandbox_rail? },
            log: log?,
            jobs: jobs?,
            auth: auth?,
        })
    }

    /// Each key with its value as TOML writes it, in the order of the table.
    fn shown(&self) -> Vec<(&'static Key, Shown)> {
        [
            self.server.shown(),
            self.database.shown(),
            self.instance.shown(),
            self.federation.shown(),
            self.money.shown(),
            self.settlement.shown(),
            self.bridge.shown(),
            self.rail.sandbox.shown(),
            self.log.shown(),
            self.jobs.shown(),
            self.auth.shown(),
        ]
        .concat()
    }
}

impl Default for Config {
    /// What an instance gets that sets nothing.
    fn default() -> Config {
        Config::load(None, std::iter::empty(), &[]).expect("the defaults of the table are a valid configuration").config
    }
}

impl Loaded {
    /// The file that gives an instance again what `overrides` gave by flags, secrets included.
    ///
    /// - `overrides`: those that this was loaded with.
    pub fn file_of_flags(&self, overrides: &[(String, String)]) -> String {
        let mut out = String::from("# Every key with its meaning and default: `fedflattr config example`.\n");
        let mut section = "";
        for (key, shown) in self.config.shown() {
            let Some((_, given)) = overrides.iter().rev().find(|(path, _)| *path == key.path()) else { continue };
            if key.section != section {
                section = key.section;
                out.push_str(&format!("\n[{section}]\n"));
            }
            // A secret is masked where it is shown, and every secret is a text.
            let value = if key.is_secret { quoted(given) } else { shown.unwrap_or_else(|| quoted(given)) };
            out.push_str(&format!("{} = {value}\n", key.name));
        }
        out
    }
}

/// `config show`: a line `key = value  # source` for each key, with secrets masked.
impl fmt::Display for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (key, value) in self.config.shown() {
            let path = key.path();
            let source = &self.sources[&path];
            match value {
                Some(value) => writeln!(f, "{path} = {value}  # {source}")?,
                None => writeln!(f, "# {path} is not set  # {source}")?,
            }
        }
        Ok(())
    }
}

/// The variables of this process. A value that is not UTF-8 is kept in a form that every key refuses.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())))
}
