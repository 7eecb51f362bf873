//! The command line: `fedflattr <noun> <verb>`.
//!
//! Owns exit codes (0 done, 1 refused or failed, 2 misused) and the choice of where a command runs: in the serving process
//! over its socket when there is one, else here. Must not decide anything: it parses, asks [`crate::console`], prints.

mod args;
mod decode;
mod demo;
mod init;
mod serve;
pub mod stage;
mod trial;

use std::convert::Infallible;
use std::io::Write;
use std::net::Ipv4Addr;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;

use crate::config::{Config, DatabaseUrl, Loaded, environment};
use crate::console::bridges::warnings;
use crate::console::{Answer, Command, Refused, execute, socket};
use crate::federation::{Node, library, node};
use crate::flows::audit::{self, NotedHead};
use crate::jobs;
pub use args::Arguments;
use args::{ConfigVerb, LedgerVerb, Verb};

/// How often a long command says how far it is.
const PROGRESS_EVERY: Duration = Duration::from_secs(2);

/// Parses the command line and carries it out.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&anyhow::Error::from(error)),
    };
    match runtime.block_on(run(arguments)) {
        Ok(code) => code,
        Err(error) => fail(&error),
    }
}

fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {}", sentence(error));
    ExitCode::FAILURE
}

/// The error and its causes, each said once: many an error repeats its cause in its own text.
fn sentence(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// Prints the answer of a command. A reader that has seen enough (`| head`) is no error.
fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let written = writeln!(out, "{}", text.trim_end_matches('\n')).and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write the answer"),
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let done = Ok(ExitCode::SUCCESS);
    match arguments.verb.clone() {
        Verb::Serve => serve::run(load(&arguments)?.config).await.map(|()| ExitCode::SUCCESS),
        Verb::Demo { exit } => demo::run(exit).await,
        Verb::Init { domain, admin, directory } => {
            init::run(&domain, &admin, &directory, &arguments.set).await.map(|()| ExitCode::SUCCESS)
        }
        Verb::Sandbox { port, print_config: true, .. } => {
            anyhow::ensure!(port != 0, "name the port that the sandbox is to have");
            print(&trial::config((Ipv4Addr::LOCALHOST, port).into()))?;
            done
        }
        Verb::Sandbox { port, control_port, empty, .. } => {
            serve::sandbox(port, control_port, empty).await.map(|()| ExitCode::SUCCESS)
        }
        Verb::Config { verb: ConfigVerb::Check } => {
            let config = load(&arguments)?.config;
            let warnings =
                warnings(&config.bridge).into_iter().map(|warning| format!("\n{warning}")).collect::<String>();
            print(&format!("the configuration is right{warnings}"))?;
            done
        }
        Verb::Config { verb: ConfigVerb::Show } => {
            print(&load(&arguments)?.to_string())?;
            done
        }
        Verb::Config { verb: ConfigVerb::Example } => {
            print(&crate::config::example())?;
            done
        }
        Verb::Bridge { verb: args::BridgeVerb::Decode { list, platform, kind, file } } => {
            decode::run(list, platform.as_deref(), kind.as_deref(), file.as_deref())
        }
        Verb::Ledger { verb: LedgerVerb::Verify { head } } => {
            let config = load(&arguments)?.config;
            verify(&arguments, &config, head).await
        }
        verb => {
            let command = verb.into_command().expect("every other verb is a command of the console");
            ask(&arguments, &load(&arguments)?.config, command).await
        }
    }
}

/// Reads the configuration that the arguments name.
fn load(arguments: &Arguments) -> anyhow::Result<Loaded> {
    let flags: Vec<(String, String)> = arguments.set.clone();
    Ok(Config::load(arguments.config.as_deref(), environment(), &flags)?)
}

/// Hands a command to the serving process, or carries it out here when none serves.
async fn ask(arguments: &Arguments, config: &Config, command: Command) -> anyhow::Result<ExitCode> {
    let path = socket::path(&config.server.data_dir);
    let imports = match &command {
        Command::BridgeImport { name, .. } => Some(Command::BridgeImports { name: name.clone() }),
        _ => None,
    };
    let call = async { socket::call(&path, &command).await.context("the control socket does not answer") };
    let said = progress(imports.clone(), |command| {
        let path = path.clone();
        async move { socket::call(&path, &command).await.ok().flatten() }
    });
    let answered = tokio::select! {
        answered = call => answered?,
        never = said => match never {},
    };
    let outcome = match answered {
        Some(outcome) => outcome,
        None => {
            refuse_without_database(arguments, config, &command)?;
            let node = Node::start(config.clone()).await?;
            if imports.is_some() {
                // Nobody else carries commands out: what another one left half done is over.
                jobs::imports::give_up_commands(&node).await?;
            }
            let federation = library::federation(&node).await?;
            let said = progress(imports, |command| {
                let federation = federation.clone();
                async move { Some(execute(&federation, command).await) }
            });
            tokio::select! {
                outcome = execute(&federation, command) => outcome,
                never = said => match never {},
            }
        }
    };
    show(arguments, outcome)
}

/// Refuses to tell of an instance that is not there: to start it would make one.
fn refuse_without_database(arguments: &Arguments, config: &Config, command: &Command) -> anyhow::Result<()> {
    let DatabaseUrl::Sqlite(path) = &config.database.url else { return Ok(()) };
    if !command.only_reads() || path.exists() {
        return Ok(());
    }
    let hint = match &arguments.config {
        None => "name its configuration with --config or FEDFLATTR_CONFIG",
        Some(_) => "look at database.url and server.data_dir of the configuration",
    };
    anyhow::bail!(
        "there is no instance here: no database at {}; {hint}, or make one with `fedflattr init`",
        path.display()
    )
}

/// Says now and then how far an import is, for as long as somebody waits for it.
///
/// - `imports`: the command that tells of imports, the newest first; without one nothing is said.
async fn progress<A>(imports: Option<Command>, ask: impl Fn(Command) -> A) -> Infallible
where
    A: Future<Output = Option<Result<Answer, Refused>>>,
{
    let Some(command) = imports else { return std::future::pending().await };
    loop {
        tokio::time::sleep(PROGRESS_EVERY).await;
        let Some(Ok(answer)) = ask(command.clone()).await else { continue };
        let newest = &answer.data[0];
        if newest["state"] == "running" {
            eprintln!("{} likes so far", newest["likes"]);
        }
    }
}

fn show(arguments: &Arguments, outcome: Result<Answer, Refused>) -> anyhow::Result<ExitCode> {
    match outcome {
        Ok(answer) if arguments.json => print(&serde_json::to_string_pretty(&answer.data)?)?,
        Ok(answer) => print(&answer.text)?,
        Err(refused) => {
            eprintln!("error: {refused}");
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Verifies the books beside a serving process: it only reads, so it needs neither the lock nor the socket.
async fn verify(arguments: &Arguments, config: &Config, noted: Option<NotedHead>) -> anyhow::Result<ExitCode> {
    let db = node::open_database(config, false)?;
    let report = db.read(move |tx| audit::verify_since(tx, noted.as_ref())).await?;
    show(arguments, crate::console::audit_answer(&report))
}

/// Waits until somebody or something asks the program to end: Ctrl-C, a service manager, a terminal that is closed.
async fn until_ended() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminated = signal(SignalKind::terminate())?;
    let mut hung_up = if ignores_hangup() { None } else { Some(signal(SignalKind::hangup())?) };
    let hang_up = async {
        match &mut hung_up {
            Some(hung_up) => hung_up.recv().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminated.recv() => Ok(()),
        _ = hang_up => Ok(()),
    }
}

/// Whether the program was started to outlive its terminal, as by `nohup`.
fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

/// Makes a directory, and those above it, that only its owner can look into: keys and the control socket are in it.
fn make_private_directory(path: &Path) -> anyhow::Result<()> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.with_context(|| format!("cannot make {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_only_tells_makes_no_instance() {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data").display().to_string();
        let flags = [("server.domain", "localhost:21997"), ("server.data_dir", &data)];
        let flags = flags.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let config = Config::load(None, std::iter::empty(), &flags).unwrap().config;
        let refused = |words: &[&str]| {
            let arguments = Arguments::try_parse_from([&["fedflattr"], words].concat()).unwrap();
            let command = arguments.verb.clone().into_command().unwrap();
            refuse_without_database(&arguments, &config, &command).err().map(|error| error.to_string())
        };
        for words in [&["bridge", "list"][..], &["status"], &["user", "list"], &["bridge", "status", "github"]] {
            let told = refused(words).expect("a refusal");
            assert!(told.contains("there is no instance here") && told.contains("--config"), "{told}");
        }
        assert_eq!(refused(&["user", "create", "ana"]), None);
        let DatabaseUrl::Sqlite(path) = &config.database.url else { panic!("the default is SQLite") };
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "").unwrap();
        assert_eq!(refused(&["bridge", "list"]), None);
    }

    #[test]
    fn a_cause_that_is_in_the_text_already_is_not_said_twice() {
        let check = |error: anyhow::Error, expected: &str| assert_eq!(sentence(&error), expected);
        check(anyhow::anyhow!("disk full").context("could not write: disk full"), "could not write: disk full");
        check(anyhow::anyhow!("disk full").context("could not write"), "could not write: disk full");
    }
}
