//! The stage: a sandbox, a shared virtual clock, and instances as processes of their own.
//!
//! Owns what must be cleaned up: child processes end with the stage, and its directory goes with it. The demo plays on it,
//! and so do the federation tests, which kill and revive instances and put their data back to an earlier state.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::Value;

use crate::cli::trial;
use crate::clock::{self, CLOCK_VARIABLE};
use crate::console::{Answer, Command, socket};
use crate::domain::identity::Platform;
use crate::domain::time::Timestamp;
use crate::jobs::Backlog;
use crate::sandbox::{self, Sandbox};

/// An instance to be started.
#[derive(Clone, Debug)]
pub struct Role {
    pub name: &'static str,
    /// `None` for embedded SQLite in the instance's own directory.
    pub database_url: Option<String>,
}

/// One running instance.
pub struct Performer {
    pub name: &'static str,
    pub domain: String,
    pub base_url: String,
    /// Its account at the sandbox bank.
    pub account: String,
    pub directory: PathBuf,
    process: Option<Child>,
}

pub struct Stage {
    program: PathBuf,
    directory: PathBuf,
    clock: PathBuf,
    pub sandbox: Sandbox,
    pub instances: Vec<Performer>,
}

/// How long the instances may take to come to rest.
const REST_TIMEOUT: Duration = Duration::from_secs(60);

impl Stage {
    /// Starts the sandbox and the instances on free ports of the loopback interface.
    ///
    /// - `program`: the binary that the instances run.
    pub async fn set_up(program: &Path, roles: &[Role]) -> anyhow::Result<Stage> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("fedflattr-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
        let clock = directory.join("clock");
        let sandbox = sandbox::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        let mut stage = Stage { program: program.to_owned(), directory, clock, sandbox, instances: Vec::new() };
        stage.set_clock("2013-06-01T08:00:00Z")?;
        for role in roles {
            let port = free_port()?;
            let domain = format!("{}.localhost:{port}", role.name);
            let directory = stage.directory.join(role.name);
            std::fs::create_dir_all(&directory)?;
            let performer = Performer {
                name: role.name,
                base_url: format!("http://{domain}"),
                account: format!("BANK-{}", role.name.to_uppercase()),
                domain,
                directory,
                process: None,
            };
            stage.write_config(&performer, port, role.database_url.as_deref())?;
            stage.instances.push(performer);
        }
        for index in 0..stage.instances.len() {
            stage.start(index, &[]).await?;
        }
        Ok(stage)
    }

    fn write_config(&self, performer: &Performer, port: u16, database_url: Option<&str>) -> anyhow::Result<()> {
        let github = self.sandbox.base_url(Platform::GitHub);
        let bank = format!("http://{}/bank", self.sandbox.addr);
        let doors = self.doors(performer.name);
        let database = database_url.map(|url| format!("[database]\nurl = \"{url}\"\n\n")).unwrap_or_default();
        let text = format!(
            "{database}[server]\ndomain = \"{}\"\nport = {port}\ndata_dir = \"{}\"\n\n\
             [instance]\nname = \"{}\"\n\n\
             [federation]\nallow_private_addresses = [\"127.0.0.0/8\"]\nfetch_timeout_seconds = 2\n\n\
             [money]\nminimum_budget = \"1.00\"\nminimum_payout = \"1.00\"\n\n\
             [settlement]\nminimum_transfer = \"0.01\"\n\n\
             [bridge.github]\nbase_url = \"{github}\"\ntoken = \"token-{}\"\n\n{doors}\
             [rail.sandbox]\nbase_url = \"{bank}\"\naccount = \"{}\"\n\n\
             [jobs]\npoll_interval_milliseconds = 40\n",
            performer.domain,
            performer.directory.join("data").display(),
            performer.name,
            performer.name,
            performer.account,
        );
        std::fs::write(performer.config_path(), text)?;
        Ok(())
    }

    /// The other platforms of the sandbox, where every instance is known as the same app. App.net lets nobody sign in, as
    /// today: there an address proves an account.
    fn doors(&self, name: &str) -> String {
        let at = self.sandbox.addr;
        let others = Platform::ALL.into_iter().filter(|it| !matches!(it, Platform::GitHub | Platform::AppNet));
        let section = |platform: Platform| match platform {
            Platform::Twitter => trial::section(at, platform, &format!("token = \"twitter-{name}\"\n")),
            _ => trial::section(at, platform, ""),
        };
        let appnet = self.sandbox.base_url(Platform::AppNet);
        format!("{}[bridge.appnet]\nbase_url = \"{appnet}/stream/0\"\n\n", others.map(section).collect::<String>())
    }

    /// Starts an instance and waits until it answers commands.
    ///
    /// - `env`: more variables for this run, such as a point at which it is to crash.
    pub async fn start(&mut self, index: usize, env: &[(&str, String)]) -> anyhow::Result<()> {
        let performer = &mut self.instances[index];
        let log = std::fs::OpenOptions::new().create(true).append(true).open(performer.directory.join("log"))?;
        let process = Process::new(&self.program)
            .arg("--config")
            .arg(performer.config_path())
            .arg("serve")
            .env(CLOCK_VARIABLE, &self.clock)
            .envs(env.iter().map(|(name, value)| (*name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", performer.name))?;
        performer.process = Some(process);
        let started = Instant::now();
        while started.elapsed() < REST_TIMEOUT {
            if socket::call(&performer.socket(), &Command::Status).await.is_ok_and(|answer| answer.is_some()) {
                return Ok(());
            }
            if let Some(status) = performer.process.as_mut().and_then(|process| process.try_wait().ok().flatten()) {
                performer.process = None;
                bail!("{} ended at its start: {status}", performer.name);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bail!("{} does not answer", performer.name)
    }

    /// Ends an instance as a power cut would.
    pub fn kill(&mut self, index: usize) -> anyhow::Result<()> {
        if let Some(mut process) = self.instances[index].process.take() {
            process.kill()?;
            process.wait()?;
        }
        Ok(())
    }

    pub fn process_id(&self, index: usize) -> Option<u32> {
        self.instances[index].process.as_ref().map(Child::id)
    }

    /// Whether an instance has ended by itself since it was started.
    pub fn has_ended(&mut self, index: usize) -> bool {
        let process = self.instances[index].process.as_mut();
        let has_ended = process.is_none_or(|process| !matches!(process.try_wait(), Ok(None)));
        if has_ended {
            self.instances[index].process = None;
        }
        has_ended
    }

    pub fn now(&self) -> Timestamp {
        clock::Clock::File(self.clock.clone()).now()
    }

    /// Moves the clock of all instances, the platforms and the bank.
    pub fn set_clock(&self, time: &str) -> anyhow::Result<()> {
        let time: Timestamp = time.parse()?;
        clock::set(&self.clock, time)?;
        self.sandbox.world().now = time;
        Ok(())
    }

    /// From now on the sandbox's clock leads, which people turn on its pages: whatever it shows, the instances follow.
    /// Never ends by itself.
    pub async fn follow_the_sandbox(&self) -> std::io::Error {
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let shown = self.sandbox.world().now;
            if shown != self.now()
                && let Err(error) = clock::set(&self.clock, shown)
            {
                return error;
            }
        }
    }

    /// Moves the clock on and waits until all instances are at rest.
    pub async fn advance_to(&self, time: &str) -> anyhow::Result<()> {
        self.set_clock(time)?;
        self.rest().await
    }

    /// Asks an instance something.
    pub async fn ask(&self, index: usize, command: Command) -> anyhow::Result<Answer> {
        let performer = &self.instances[index];
        let answer = socket::call(&performer.socket(), &command).await?;
        let answer = answer.with_context(|| format!("{} is not running", performer.name))?;
        answer.with_context(|| format!("{} refused {command:?}", performer.name))
    }

    /// The value behind an answer.
    pub async fn data(&self, index: usize, command: Command) -> anyhow::Result<Value> {
        Ok(self.ask(index, command).await?.data)
    }

    /// Waits until no running instance has anything to do, twice in a row: one may have just given work to another.
    pub async fn rest(&self) -> anyhow::Result<()> {
        let started = Instant::now();
        let mut quiet = 0;
        loop {
            let mut last = Vec::new();
            for (index, performer) in self.instances.iter().enumerate() {
                if performer.process.is_some() {
                    let backlog: Backlog = serde_json::from_value(self.data(index, Command::Status).await?)?;
                    if !backlog.is_empty() {
                        last.push(format!("{}: {backlog:?}", performer.name));
                    }
                }
            }
            quiet = if last.is_empty() { quiet + 1 } else { 0 };
            if quiet == 2 {
                return Ok(());
            }
            if started.elapsed() > REST_TIMEOUT {
                bail!("the instances do not come to rest:\n  {}", last.join("\n  "));
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }

    /// Verifies the books of an instance as an operator would, with the program itself.
    pub fn verify_books(&self, index: usize) -> anyhow::Result<String> {
        let output = self.run(index, &["ledger", "verify"])?;
        if !output.status.success() {
            bail!("{}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Runs the program beside an instance, with its configuration.
    pub fn run(&self, index: usize, arguments: &[&str]) -> anyhow::Result<Output> {
        let config = self.instances[index].config_path();
        let mut process = Process::new(&self.program);
        Ok(process.arg("--config").arg(config).args(arguments).env(CLOCK_VARIABLE, &self.clock).output()?)
    }

    /// The ends of the logs, for a story that broke off.
    pub fn print_logs(&self) {
        for performer in &self.instances {
            eprintln!("--- log of {}", performer.name);
            match std::fs::read_to_string(performer.directory.join("log")) {
                Ok(text) => {
                    let lines: Vec<&str> = text.lines().collect();
                    for line in lines.iter().skip(lines.len().saturating_sub(25)) {
                        eprintln!("{line}");
                    }
                }
                Err(error) => eprintln!("{error}"),
            }
        }
    }

    /// Ends the instances and clears the stage.
    pub fn strike(&mut self) {
        for index in 0..self.instances.len() {
            if let Err(error) = self.kill(index) {
                eprintln!("{} could not be ended: {error}", self.instances[index].name);
            }
        }
        remove(&self.directory);
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.strike();
    }
}

impl Performer {
    pub fn config_path(&self) -> PathBuf {
        self.directory.join("fedflattr.toml")
    }

    pub fn data_dir(&self) -> PathBuf {
        self.directory.join("data")
    }

    fn socket(&self) -> PathBuf {
        socket::path(&self.data_dir())
    }
}

fn remove(directory: &Path) {
    match std::fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            eprintln!("{} could not be removed: {error}", directory.display());
        }
        _ => {}
    }
}

/// A port that nobody listens on at this moment.
fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
