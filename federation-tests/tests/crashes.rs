//! `kill -9` at every numbered step of close and settlement: after a restart everything ends with the same bytes.
//!
//! Two instances are brought to the last day of June and their data is copied. From that copy the rest of the story is
//! played once without a crash, and then once for each point and passing with a crash there; ledger, commitments and
//! messages must come out the same.

mod tests;

use std::path::{Path, PathBuf};

use diesel::{Connection, PgConnection, RunQueryDsl};
use federation_tests::world::*;
use federation_tests::{on_sqlite, program};
use fedflattr::cli::stage::Stage;
use fedflattr::console::Command;
use fedflattr::fault::CRASH_VARIABLE;
use fedflattr::sandbox::bank::Bank;
use fedflattr::storage::{self, Database, Options, ledger, months, settlement};
use tests::on_postgresql;
use tests::postgres::TestDatabase;

const ALPHA: usize = 0;
const BETA: usize = 1;

/// What a crash at a point may change.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Allowed {
    /// Nothing at all: every byte, every time.
    Nothing,
    /// When a later answer was given: a peer that found us dead asks again when its clock has moved on. What is owed, by
    /// which statement and commitment, stays the same to the byte.
    LaterAnswers,
}

/// Where the process dies, and how often that point is passed in the story. Numbered by their order.
const POINTS: [(&str, usize, u32, Allowed); 9] = [
    ("close.before_commit", ALPHA, 7, Allowed::Nothing),
    ("close.after_commit", ALPHA, 7, Allowed::Nothing),
    ("outbox.expanded", ALPHA, 2, Allowed::Nothing),
    ("delivery.answered", ALPHA, 4, Allowed::LaterAnswers),
    ("inbox.processed", ALPHA, 2, Allowed::LaterAnswers),
    ("settle.announced", ALPHA, 1, Allowed::LaterAnswers),
    ("rail.paid", ALPHA, 1, Allowed::LaterAnswers),
    ("inbox.processed", BETA, 4, Allowed::LaterAnswers),
    ("rail.booked", BETA, 1, Allowed::LaterAnswers),
];

/// Ten seconds before the payment day everybody reads the bank, so the payment itself is always read at the last time.
const TIMES: [&str; 6] = [
    "2013-07-01T00:00:10Z",
    "2013-07-04T00:00:10Z",
    "2013-07-05T00:00:00Z",
    "2013-07-09T23:59:50Z",
    "2013-07-10T00:00:10Z",
    "2013-07-10T02:00:00Z",
];

/// What an instance holds at the end, in a form that can be compared.
#[derive(Debug, PartialEq, Eq)]
struct Fingerprint {
    balances: Vec<String>,
    entries: Vec<String>,
    commitments: Vec<String>,
    messages: Vec<String>,
    /// The statements among the messages.
    offers: Vec<String>,
    statements: Vec<String>,
}

impl Fingerprint {
    /// What is in one and not in the other, a line each.
    fn differences(&self, other: &Fingerprint, allowed: Allowed) -> Vec<String> {
        let mut pairs = vec![
            (&self.balances, &other.balances),
            (&self.commitments, &other.commitments),
            (&self.offers, &other.offers),
            (&self.statements, &other.statements),
        ];
        if allowed == Allowed::Nothing {
            pairs.extend([(&self.entries, &other.entries), (&self.messages, &other.messages)]);
        }
        let mut differences = Vec::new();
        for (found, wanted) in pairs {
            differences.extend(found.iter().filter(|line| !wanted.contains(line)).map(|line| format!("+ {line}")));
            differences.extend(wanted.iter().filter(|line| !found.contains(line)).map(|line| format!("- {line}")));
        }
        differences
    }
}

/// The data of both instances and the bank on the last day of June.
struct Snapshot {
    bank: Bank,
    copies: Vec<Copy>,
}

enum Copy {
    Files(PathBuf),
    /// Name of the template database.
    Database(String),
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_step_the_month_ends_with_the_same_bytes_on_sqlite() -> anyhow::Result<()> {
    let roles = [on_sqlite("alpha"), on_sqlite("beta")];
    let stage = Stage::set_up(program(), &roles).await?;
    crash_everywhere(stage, &[None, None]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_step_the_month_ends_with_the_same_bytes_on_postgresql() -> anyhow::Result<()> {
    let Some((alpha, alpha_db)) = on_postgresql("alpha") else { return Ok(()) };
    let Some((beta, beta_db)) = on_postgresql("beta") else { return Ok(()) };
    let stage = Stage::set_up(program(), &[alpha, beta]).await?;
    crash_everywhere(stage, &[Some(alpha_db), Some(beta_db)]).await
}

async fn crash_everywhere(mut stage: Stage, databases: &[Option<TestDatabase>]) -> anyhow::Result<()> {
    populate(&stage, &["ada", "ben"], &[("mira", "kelp"), ("oskar", "quill")])?;
    add_patron(&stage, ALPHA, "ada", "5.00", "20.00").await?;
    add_patron(&stage, ALPHA, "ben", "1.01", "20.00").await?;
    make_peers(&stage).await?;
    stage.advance_to("2013-06-01T09:00:00Z").await?;
    add_creator(&stage, BETA, "mira").await?;
    stage.rest().await?;
    for patron in ["ada", "ben"] {
        for repository in ["mira/kelp", "oskar/quill"] {
            give_star(&stage, patron, repository, "2013-06-10T10:00:00Z")?;
        }
    }
    stage.advance_to("2013-06-30T12:00:00Z").await?;
    for index in [ALPHA, BETA] {
        stage.kill(index)?;
    }
    let snapshot = save(&stage, databases)?;

    let expected = play(&mut stage, &snapshot, databases, None).await?;
    assert_eq!(expected[ALPHA].commitments.len(), 1, "June was committed to");
    // Half a cent stays open, which is never due: the receipt is the end of the road.
    let is_receipted = expected[ALPHA].messages.iter().any(|message| message.contains("flattr:Receipt"));
    assert!(is_receipted, "{:?}", expected[ALPHA].statements);
    let mut crashes = 0;
    for (point, index, passings, allowed) in POINTS {
        for passing in 1..=passings {
            let crash = Some((index, format!("{point}#{passing}")));
            let outcome = play(&mut stage, &snapshot, databases, crash).await?;
            for (side, (found, wanted)) in outcome.iter().zip(&expected).enumerate() {
                let differences = found.differences(wanted, allowed);
                assert!(
                    differences.is_empty(),
                    "instance {side} after a crash at {point}#{passing} of instance {index}:\n{}",
                    differences.join("\n")
                );
            }
            crashes += 1;
        }
    }
    eprintln!("{crashes} crashes survived");
    stage.strike();
    Ok(())
}

/// Plays July from the snapshot, with at most one crash; the dead are revived at once.
async fn play(
    stage: &mut Stage,
    snapshot: &Snapshot,
    databases: &[Option<TestDatabase>],
    crash: Option<(usize, String)>,
) -> anyhow::Result<Vec<Fingerprint>> {
    restore(stage, snapshot, databases)?;
    stage.set_clock("2013-06-30T12:00:00Z")?;
    let planned = crash.is_some();
    for index in [ALPHA, BETA] {
        let env: Vec<(&str, String)> = match &crash {
            Some((at, point)) if *at == index => vec![(CRASH_VARIABLE, point.clone())],
            _ => Vec::new(),
        };
        stage.start(index, &env).await?;
    }
    let mut has_crashed = false;
    for time in TIMES {
        stage.set_clock(time)?;
        loop {
            let rested = stage.rest().await;
            if rested.is_err() {
                // A process that is ending does not answer any more, and is not gone yet.
                tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            }
            let mut revived = false;
            for index in [ALPHA, BETA] {
                if stage.has_ended(index) {
                    stage.start(index, &[]).await?;
                    (has_crashed, revived) = (true, true);
                }
            }
            match rested {
                Ok(()) if !revived => break,
                Err(error) if !revived => return Err(error),
                _ => {}
            }
        }
    }
    assert_eq!(has_crashed, planned, "{crash:?} was reached");
    let mut fingerprints = Vec::new();
    for index in [ALPHA, BETA] {
        let quarantined = stage.data(index, Command::InboxList).await?;
        let quarantined = quarantined.as_array().cloned().unwrap_or_default();
        assert!(quarantined.iter().all(|row| text(row, "state") == "done"), "{quarantined:?}");
        stage.kill(index)?;
        stage.verify_books(index)?;
        fingerprints.push(fingerprint(stage, index, databases).await?);
    }
    Ok(fingerprints)
}

fn database_url(stage: &Stage, index: usize, databases: &[Option<TestDatabase>]) -> String {
    match &databases[index] {
        Some(database) => database.url.clone(),
        None => format!("sqlite://{}", stage.instances[index].data_dir().join("fedflattr.sqlite").display()),
    }
}

async fn fingerprint(stage: &Stage, index: usize, databases: &[Option<TestDatabase>]) -> anyhow::Result<Fingerprint> {
    let url = database_url(stage, index, databases);
    let db = Database::open(&Options { url, pool_size: 1, is_writer: false })?;
    let found = db
        .read(|tx| {
            let accounts = ledger::accounts(tx, "")?;
            let balances = accounts.iter().map(|(account, balance)| format!("{account} {balance:?}")).collect();
            let journal = ledger::journal(tx, 0, i64::MAX)?;
            let mut entries: Vec<String> =
                journal.iter().map(|stored| format!("{} {}", stored.entry.at, stored.entry.content())).collect();
            // Two instances work side by side: the order of entries may differ, what they say may not.
            entries.sort();
            let commitments = months::months(tx)?.into_iter().filter_map(|month| month.commitment).collect();
            let mut messages = Vec::new();
            for channel in settlement::channels(tx)? {
                for message in settlement::messages_of(tx, channel.id)? {
                    messages.push(format!("{} {} {}", channel.key, message.uri, message.body));
                }
            }
            messages.sort();
            let offers =
                messages.iter().filter(|message| message.contains("flattr:SettlementStatement")).cloned().collect();
            let statements = settlement::statements(tx)?;
            let statements = statements
                .into_iter()
                .map(|(statement, channel)| format!("{} {} {}", channel.key, statement.month, statement.state))
                .collect();
            Ok::<_, storage::Error>(Fingerprint { balances, entries, commitments, messages, offers, statements })
        })
        .await?;
    Ok(found)
}

fn save(stage: &Stage, databases: &[Option<TestDatabase>]) -> anyhow::Result<Snapshot> {
    let mut copies = Vec::new();
    for (instance, database) in stage.instances.iter().zip(databases) {
        copies.push(match database {
            None => {
                let copy = instance.data_dir().with_extension("copy");
                copy_files(&instance.data_dir(), &copy)?;
                Copy::Files(copy)
            }
            Some(database) => {
                let name = database.url.split(['/', '?']).rfind(|part| part.starts_with("test_")).unwrap_or_default();
                let template = format!("{name}_template");
                let sql = format!("CREATE DATABASE {template} TEMPLATE {name}");
                as_admin(database, name, &[sql])?;
                Copy::Database(template)
            }
        });
    }
    Ok(Snapshot { bank: stage.sandbox.world().bank.clone(), copies })
}

fn restore(stage: &Stage, snapshot: &Snapshot, databases: &[Option<TestDatabase>]) -> anyhow::Result<()> {
    stage.sandbox.world().bank = snapshot.bank.clone();
    for ((instance, copy), database) in stage.instances.iter().zip(&snapshot.copies).zip(databases) {
        match (copy, database) {
            (Copy::Files(copy), _) => {
                std::fs::remove_dir_all(instance.data_dir())?;
                copy_files(copy, &instance.data_dir())?;
            }
            (Copy::Database(template), Some(database)) => {
                let name = template.trim_end_matches("_template");
                let drop = format!("DROP DATABASE {name} WITH (FORCE)");
                as_admin(database, name, &[drop, format!("CREATE DATABASE {name} TEMPLATE {template}")])?;
            }
            (Copy::Database(_), None) => unreachable!("a template was made from a database"),
        }
    }
    Ok(())
}

fn copy_files(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

fn as_admin(database: &TestDatabase, name: &str, statements: &[String]) -> anyhow::Result<()> {
    let mut connection = PgConnection::establish(&database.url.replace(&format!("/{name}"), "/postgres"))?;
    for statement in statements {
        diesel::sql_query(statement).execute(&mut connection)?;
    }
    Ok(())
}
