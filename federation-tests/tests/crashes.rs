//! `kill -9` at every numbered step of close and settlement: after a restart everything ends with the same bytes.
//!
//! Two instances are brought to the last day of June and their data is copied. From that copy the rest of the story is
//! played once without a crash, and then once for each point and passing with a crash there; ledger, commitments and
//! messages must come out the same, and so must the bank.

mod tests;

use std::collections::BTreeSet;
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

/// Where the process dies, and how often that point is passed in the story. Numbered by their order.
const POINTS: [(&str, usize, u32); 14] = [
    ("close.before_commit", ALPHA, 7),
    ("close.after_commit", ALPHA, 7),
    ("outbox.expanded", ALPHA, 2),
    ("delivery.answered", ALPHA, 4),
    ("inbox.processed", ALPHA, 2),
    ("settle.announced", ALPHA, 1),
    ("rail.paid", ALPHA, 1),
    ("rail.booked", ALPHA, 1),
    ("outbox.expanded", BETA, 2),
    ("delivery.answered", BETA, 2),
    ("inbox.processed", BETA, 4),
    ("rail.booked", BETA, 1),
    ("rail.paid_out", BETA, 1),
    ("settle.voided", ALPHA, 1),
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
    statements: Vec<String>,
    /// What the bank holds for everybody: a payment that was made twice would show here first.
    bank: Vec<String>,
}

impl Fingerprint {
    /// What is in one and not in the other, a line each.
    fn differences(&self, other: &Fingerprint) -> Vec<String> {
        let pairs = [
            (&self.balances, &other.balances),
            (&self.commitments, &other.commitments),
            (&self.statements, &other.statements),
            (&self.entries, &other.entries),
            (&self.messages, &other.messages),
            (&self.bank, &other.bank),
        ];
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

/// A point in the code that is not in the list above would be a step at which nobody ever died.
#[test]
fn every_numbered_step_of_the_program_is_died_at() {
    let mut points = BTreeSet::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the sources are there") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let source = std::fs::read_to_string(&path).unwrap_or_default();
            let calls = source.split("fault::point(\"").skip(1);
            points.extend(calls.filter_map(|call| call.split('"').next()).map(str::to_owned));
        }
    }
    let tried: BTreeSet<String> = POINTS.iter().map(|(point, ..)| (*point).to_owned()).collect();
    assert_eq!(points, tried);
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

    let mut crashes = 0;
    for story in [Story::Settled, Story::Voided] {
        let expected = play(&mut stage, &snapshot, databases, story, None).await?;
        assert_eq!(expected[ALPHA].commitments.len(), 1, "June was committed to");
        // Half a cent stays open, which is never due: the receipt is the end of the road.
        let is_receipted = expected[ALPHA].messages.iter().any(|message| message.contains("flattr:Receipt"));
        assert_eq!(is_receipted, story == Story::Settled, "{:?}", expected[ALPHA].statements);
        for (point, index, passings) in POINTS.into_iter().filter(|(point, ..)| story.passes(point)) {
            for passing in 1..=passings {
                let crash = Some((index, format!("{point}#{passing}")));
                eprintln!("{point}#{passing} of instance {index}");
                let outcome = play(&mut stage, &snapshot, databases, story, crash).await?;
                for (side, (found, wanted)) in outcome.iter().zip(&expected).enumerate() {
                    let differences = found.differences(wanted);
                    assert!(
                        differences.is_empty(),
                        "instance {side} after a crash at {point}#{passing} of instance {index}:\n{}",
                        differences.join("\n")
                    );
                }
                crashes += 1;
            }
        }
    }
    eprintln!("{crashes} crashes survived");
    stage.strike();
    Ok(())
}

/// Which July is played.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Story {
    /// Both instances are there: offered, agreed, paid, and the creator is paid out.
    Settled,
    /// Beta is down until alpha's statement has expired.
    Voided,
}

impl Story {
    fn passes(self, point: &str) -> bool {
        (point == "settle.voided") == (self == Story::Voided)
    }

    fn times(self) -> &'static [&'static str] {
        match self {
            Story::Settled => &TIMES,
            Story::Voided => &["2013-07-01T00:00:10Z", "2013-07-04T00:00:10Z", "2013-07-09T00:00:10Z"],
        }
    }
}

/// Plays July from the snapshot, with at most one crash; the dead are revived at once.
async fn play(
    stage: &mut Stage,
    snapshot: &Snapshot,
    databases: &[Option<TestDatabase>],
    story: Story,
    crash: Option<(usize, String)>,
) -> anyhow::Result<Vec<Fingerprint>> {
    restore(stage, snapshot, databases)?;
    stage.set_clock("2013-06-30T12:00:00Z")?;
    let mut alive = match story {
        Story::Settled => vec![ALPHA, BETA],
        Story::Voided => vec![ALPHA],
    };
    for index in alive.clone() {
        let env: Vec<(&str, String)> = match &crash {
            Some((at, point)) if *at == index => vec![(CRASH_VARIABLE, point.clone())],
            _ => Vec::new(),
        };
        stage.start(index, &env).await?;
    }
    let mut has_crashed = false;
    for time in story.times() {
        stage.set_clock(time)?;
        has_crashed |= rest_and_revive(stage, &alive).await?;
    }
    if story == Story::Voided {
        alive.push(BETA);
        stage.start(BETA, &[]).await?;
        retry_everything(stage, &alive).await?;
    } else {
        let (name, account) = ("mira".to_owned(), account_of("mira"));
        stage.ask(BETA, Command::PayoutAccount { name: name.clone(), account }).await?;
        stage.ask(BETA, Command::PayoutRequest { name }).await?;
    }
    has_crashed |= rest_and_revive(stage, &alive).await?;
    // What waits for a time that will not come in this story.
    retry_everything(stage, &alive).await?;
    has_crashed |= rest_and_revive(stage, &alive).await?;
    assert_eq!(has_crashed, crash.is_some(), "{crash:?} was reached");
    let bank: Vec<String> =
        stage.sandbox.world().bank.balances.iter().map(|(account, amount)| format!("{account} {amount}")).collect();
    let mut fingerprints = Vec::new();
    for index in alive {
        let quarantined = stage.data(index, Command::InboxList).await?;
        let quarantined = quarantined.as_array().cloned().unwrap_or_default();
        assert!(quarantined.iter().all(|row| text(row, "state") == "done"), "{quarantined:?}");
        stage.kill(index)?;
        stage.verify_books(index)?;
        let fingerprint = fingerprint(stage, index, databases).await?;
        fingerprints.push(Fingerprint { bank: bank.clone(), ..fingerprint });
    }
    Ok(fingerprints)
}

/// Waits until nothing is left to do, reviving who has died on the way. Says whether anybody has.
async fn rest_and_revive(stage: &mut Stage, alive: &[usize]) -> anyhow::Result<bool> {
    let mut has_crashed = false;
    loop {
        let rested = stage.rest().await;
        if rested.is_err() {
            // A process that is ending does not answer any more, and is not gone yet.
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        }
        let mut revived = false;
        for index in alive {
            if stage.has_ended(*index) {
                stage.start(*index, &[]).await?;
                (has_crashed, revived) = (true, true);
            }
        }
        match rested {
            Ok(()) if !revived => return Ok(has_crashed),
            Err(error) if !revived => {
                stage.print_logs();
                return Err(error);
            }
            // Whoever found it dead would try again later, by a clock that stands still here.
            _ => retry_everything(stage, alive).await?,
        }
    }
}

/// Makes due at once what waits because the other side was dead, so that every answer is given at the time of the story.
async fn retry_everything(stage: &Stage, alive: &[usize]) -> anyhow::Result<()> {
    for index in alive {
        for other in [ALPHA, BETA].into_iter().filter(|other| other != index) {
            let host = stage.instances[other].domain.clone();
            stage.ask(*index, Command::DeliveryRetry { host }).await?;
        }
    }
    Ok(())
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
            let statements = settlement::statements(tx)?;
            let statements = statements
                .into_iter()
                .map(|(statement, channel)| format!("{} {} {}", channel.key, statement.month, statement.state))
                .collect();
            let bank = Vec::new();
            Ok::<_, storage::Error>(Fingerprint { balances, entries, commitments, messages, statements, bank })
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
