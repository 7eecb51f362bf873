//! One private PostgreSQL cluster for a test run, shared by every test process.
//!
//! cargo-nextest runs each test in a process of its own and plain `cargo test` runs them as threads, so the cluster lies in
//! a well-known directory below the temporary one, guarded by three file locks that the kernel frees however a process
//! ends:
//!
//! - `guard`: held while the cluster is started, joined or stopped, so these never overlap;
//! - `users`: shared by every test process for as long as it lives;
//! - `watchdog`: held by the one process that started the server.
//!
//! The watchdog is this test binary, started again for the one ignored test [`watchdog`]. It stops the server and deletes
//! the directory when `users` has been free for ten seconds. Nothing has to be installed but PostgreSQL's own programs
//! (`FEDFLATTR_TEST_POSTGRES_BIN`, the PATH or /usr/lib/postgresql); without them the PostgreSQL half of each test is
//! skipped and said, and `FEDFLATTR_TEST_REQUIRE_POSTGRES=1` makes that a failure.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use diesel::{Connection, PgConnection, RunQueryDsl};

/// Set for the process that is to be the watchdog.
const WATCHDOG: &str = "FEDFLATTR_TEST_POSTGRES_WATCHDOG";
/// How long nobody may use the server before it is stopped.
const IDLE_SECONDS: u32 = 10;
const START_SECONDS_MAX: u64 = 90;

/// A database of its own for one test; dropped with this value.
pub struct TestDatabase {
    pub url: String,
    name: String,
}

impl TestDatabase {
    /// `None` where no PostgreSQL is installed.
    pub fn create() -> Option<TestDatabase> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let admin_url = admin_url()?;
        let name = format!("test_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        run_as_admin(admin_url, &format!("CREATE DATABASE {name}")).expect("a fresh database");
        Some(TestDatabase { url: admin_url.replace("/postgres", &format!("/{name}")), name })
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        if let Some(Err(error)) =
            admin_url().map(|url| run_as_admin(url, &format!("DROP DATABASE {} WITH (FORCE)", self.name)))
        {
            eprintln!("the test database {} was left to the end of the cluster: {error}", self.name);
        }
    }
}

fn run_as_admin(url: &str, statement: &str) -> Result<(), String> {
    let mut connection = PgConnection::establish(url).map_err(|error| error.to_string())?;
    diesel::sql_query(statement).execute(&mut connection).map_err(|error| error.to_string())?;
    Ok(())
}

/// URL of the cluster's own database `postgres`; starts the cluster when it does not run.
fn admin_url() -> Option<&'static str> {
    static CLUSTER: OnceLock<Option<(File, String)>> = OnceLock::new();
    let cluster = CLUSTER.get_or_init(|| programs().map(|_| join().expect("a PostgreSQL cluster for the tests")));
    cluster.as_ref().map(|(_, url)| url.as_str())
}

/// Whether PostgreSQL is tested at all.
#[allow(dead_code, reason = "the federation tests include this file and ask otherwise")]
pub fn is_installed() -> bool {
    programs().is_some()
}

/// The directory with `initdb` and `postgres`: named, on the PATH, or where Debian puts it; the newest.
fn programs() -> Option<PathBuf> {
    let named = std::env::var_os("FEDFLATTR_TEST_POSTGRES_BIN").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path);
    let mut packaged: Vec<(u32, PathBuf)> = match fs::read_dir("/usr/lib/postgresql") {
        Ok(entries) => entries
            .filter_map(|entry| {
                let entry = entry.ok()?;
                Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin")))
            })
            .collect(),
        Err(_) => Vec::new(),
    };
    packaged.sort_unstable_by(|a, b| b.cmp(a));
    let packaged = packaged.into_iter().map(|(_, path)| path);
    let has_both = |path: &PathBuf| path.join("initdb").is_file() && path.join("postgres").is_file();
    named.into_iter().chain(on_path).chain(packaged).find(has_both)
}

/// Where the cluster lies. Short, because the path of a socket has at most 107 bytes.
fn home() -> PathBuf {
    std::env::temp_dir().join(format!("fedflattr-tests-{}", whoami()))
}

/// Our user id: whose temporary directory this is.
fn whoami() -> u32 {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").map_or(0, |metadata| metadata.uid())
}

/// The server refuses to run as root; then it runs as one of the users that exist for such things.
fn server_user() -> Option<(u32, u32)> {
    if whoami() != 0 {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").expect("a list of users");
    ["postgres", "nobody"].iter().find_map(|name| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut ids = line.split(':').skip(2);
        Some((ids.next()?.parse().ok()?, ids.next()?.parse().ok()?))
    })
}

fn lock_file(name: &str) -> io::Result<File> {
    File::options().create(true).truncate(false).write(true).open(home().join(name))
}

/// Joins the running cluster, or starts one. The returned file keeps the watchdog from stopping it.
fn join() -> io::Result<(File, String)> {
    match fs::DirBuilder::new().mode(0o711).create(home()) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let guard = lock_file("guard")?;
    guard.lock()?;
    let users = lock_file("users")?;
    users.lock_shared()?;
    let ready = home().join("ready");
    if is_free("watchdog")? {
        // Nobody watches: whatever lies here is left over from a machine or a process that was stopped hard.
        stop_left_over();
        start_watchdog()?;
    }
    let deadline = Instant::now() + Duration::from_secs(START_SECONDS_MAX);
    loop {
        match fs::read_to_string(&ready) {
            Ok(url) if url.starts_with("postgres://") => return Ok((users, url)),
            Ok(error) if !error.is_empty() => return Err(io::Error::other(error)),
            _ if Instant::now() > deadline => return Err(io::Error::other("the server did not start in time")),
            _ => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

fn is_free(name: &str) -> io::Result<bool> {
    match lock_file(name)?.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Ends a server that answers in our directory, and deletes the directory. A process id in a file that outlived its
/// server may be anybody's by now, so it is used only while the socket beside it answers.
fn stop_left_over() {
    let data = home().join("data");
    if let (Some(programs), Ok(_)) = (programs(), PgConnection::establish(&socket_url(&data))) {
        let mut stop = command(&programs.join("pg_ctl"));
        let stopped = stop.args(["stop", "-m", "immediate", "-D"]).arg(&data).status();
        if !stopped.is_ok_and(|status| status.success()) {
            eprintln!("the server in {} could not be stopped", data.display());
        }
    }
    delete_cluster();
}

fn socket_url(directory: &Path) -> String {
    format!("postgres://fedflattr@{}/postgres", directory.to_string_lossy().replace('/', "%2F"))
}

fn delete_cluster() {
    for path in [home().join("ready"), home().join("log")] {
        if let Err(error) = fs::remove_file(&path) {
            assert_eq!(error.kind(), io::ErrorKind::NotFound, "{} cannot be deleted", path.display());
        }
    }
    if let Err(error) = fs::remove_dir_all(home().join("data")) {
        assert_eq!(error.kind(), io::ErrorKind::NotFound, "the old cluster cannot be deleted");
    }
}

/// A command that runs as the server's user, with no terminal and in a process group of its own.
fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).current_dir(home());
    if let Some((user, group)) = server_user() {
        command.uid(user).gid(group);
    }
    command
}

fn start_watchdog() -> io::Result<()> {
    Command::new(std::env::current_exe()?)
        .args(["--exact", "tests::postgres::watchdog", "--ignored"])
        .env(WATCHDOG, "1")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // A test runner that ends its tests ends their process group; the server is not one test's.
        .process_group(0)
        .spawn()?;
    Ok(())
}

/// Not a test: the process that starts the server, watches whether it is used, and ends it.
#[test]
#[ignore = "started by the harness itself"]
fn watchdog() {
    if std::env::var_os(WATCHDOG).is_none() {
        return;
    }
    let lock = lock_file("watchdog").expect("a file in the cluster's directory");
    lock.lock().expect("the watchdog's lock");
    let ready = home().join("ready");
    let mut server = match start_server() {
        Ok((server, url)) => {
            fs::write(&ready, url).expect("the address of the server");
            server
        }
        Err(error) => return fs::write(&ready, format!("no server: {error}")).expect("the reason"),
    };
    let mut idle_seconds = 0;
    while server.try_wait().expect("the server is our child").is_none() {
        std::thread::sleep(Duration::from_secs(1));
        let guard = lock_file("guard").expect("a file in the cluster's directory");
        if guard.try_lock().is_err() {
            idle_seconds = 0;
            continue;
        }
        idle_seconds = if is_free("users").expect("the users' lock") { idle_seconds + 1 } else { 0 };
        if idle_seconds >= IDLE_SECONDS {
            stop_left_over();
            server.wait().expect("the server has ended");
            return;
        }
    }
}

/// Makes a cluster and starts it, without a network and without waiting for the disk.
///
/// Its collation is not byte order but that of a language, as on most real servers: what relies on the order of texts
/// must hold there too.
fn start_server() -> io::Result<(Child, String)> {
    let programs = programs().ok_or_else(|| io::Error::other("PostgreSQL is not installed"))?;
    let (home, data) = (home(), home().join("data"));
    let log = File::create(home.join("log"))?;
    fs::DirBuilder::new().mode(0o700).create(&data)?;
    if let Some((user, group)) = server_user() {
        chown(&data, Some(user), Some(group))?;
    }
    let initdb = |locale: &[&str]| -> io::Result<bool> {
        let mut initdb = command(&programs.join("initdb"));
        initdb.arg("-D").arg(&data).args(["-U", "fedflattr", "-A", "trust", "-E", "UTF8", "--no-sync"]);
        Ok(initdb.args(locale).stderr(log.try_clone()?).stdout(log.try_clone()?).status()?.success())
    };
    let linguistic = ["--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US"];
    if !initdb(&linguistic)? && !initdb(&["--locale=C.UTF-8"])? {
        return Err(io::Error::other(format!("initdb failed, see {}", home.join("log").display())));
    }
    let mut server = command(&programs.join("postgres"));
    server.arg("-D").arg(&data).arg("-k").arg(&data);
    for setting in [
        "listen_addresses=",
        "fsync=off",
        "synchronous_commit=off",
        "full_page_writes=off",
        "max_connections=300",
        "shared_buffers=64MB",
        "autovacuum=off",
    ] {
        server.args(["-c", setting]);
    }
    let mut server = server.stderr(log.try_clone()?).stdout(log).process_group(0).spawn()?;
    let url = socket_url(&data);
    let deadline = Instant::now() + Duration::from_secs(START_SECONDS_MAX);
    while let Err(error) = PgConnection::establish(&url) {
        if Instant::now() > deadline || server.try_wait()?.is_some() {
            return Err(io::Error::other(format!("{error}, see {}", home.join("log").display())));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok((server, url))
}

#[test]
fn postgresql_is_tested_or_its_absence_is_said() {
    match TestDatabase::create() {
        Some(database) => PgConnection::establish(&database.url).map(drop).expect("a connection"),
        None => {
            let is_required = std::env::var("FEDFLATTR_TEST_REQUIRE_POSTGRES").is_ok_and(|value| value == "1");
            assert!(!is_required, "PostgreSQL is required, and initdb and postgres were not found");
            let said =
                writeln!(std::io::stderr(), "SKIPPED: PostgreSQL is not installed; every test runs on SQLite only");
            said.expect("standard error takes a line");
        }
    }
}
