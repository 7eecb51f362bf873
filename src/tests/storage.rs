//! What the database itself must refuse, and what it must keep under load.

use diesel::connection::SimpleConnection;
use diesel::{Connection, RunQueryDsl};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::node::TestNode;
use super::{Backend, eur, on_both_databases};
use crate::domain::id::PatronId;
use crate::domain::ledger::{Account, Entry, Kind, Phase, Refusal};
use crate::flows::audit::{self, NotedHead};
use crate::storage::ledger::{self, PostError, Posted};
use crate::storage::outbox::{self, Attempt, Lease, NewDelivery};
use crate::storage::{Database, Error, Options, Tx};

const ALICE: Account = Account::PatronAvailable(PatronId(1));

fn bank() -> Account {
    Account::Bank("sandbox".to_owned())
}

fn deposit(id: &str, amount: &str) -> Entry {
    let at = super::node::START.parse().unwrap();
    Entry::new(id, Kind::Deposit, at).transfer(bank(), ALICE, eur(amount))
}

fn post(node: &TestNode, entry: Entry) -> Result<Posted, PostError> {
    node.try_flow(move |tx, _| ledger::post(tx, &entry))
}

/// Runs SQL past all our code.
fn raw(node: &TestNode, statement: &str) -> Result<usize, String> {
    let statement = statement.to_owned();
    node.try_flow(move |tx, _| -> Result<usize, Error> {
        Ok(match tx {
            Tx::Sqlite(db) => diesel::sql_query(&statement).execute(*db)?,
            Tx::Postgres(db) => diesel::sql_query(&statement).execute(*db)?,
        })
    })
    .map_err(|error| error.to_string())
}

#[test]
fn a_repeated_entry_is_written_once_and_with_other_content_refused() {
    on_both_databases(|on| {
        let node = TestNode::on(on);
        assert_eq!(post(&node, deposit("d", "1.00")).unwrap(), Posted::New);
        let head = node.journal_head();
        assert_eq!(post(&node, deposit("d", "1.00")).unwrap(), Posted::Exists);
        let later = Entry { at: "2013-06-09T00:00:00Z".parse().unwrap(), ..deposit("d", "1.00") };
        assert_eq!(post(&node, later).unwrap(), Posted::Exists);
        let other = post(&node, deposit("d", "1.000001"));
        assert!(matches!(other, Err(PostError::Refused(Refusal::ExistsWithOtherContent(_)))));
        assert_eq!(node.journal_head(), head);
    });
}

#[test]
fn the_journal_cannot_be_changed_or_deleted() {
    on_both_databases(|on| {
        let node = TestNode::on(on);
        post(&node, deposit("d", "1.00")).unwrap();
        for statement in [
            "UPDATE journal_entries SET kind = 'refund'",
            "DELETE FROM journal_entries",
            "UPDATE transfers SET units = 2",
            "DELETE FROM transfers",
        ] {
            let error = raw(&node, statement).expect_err(statement);
            assert!(error.contains("append-only"), "{statement}: {error}");
        }
        if on == Backend::Postgres {
            let error = raw(&node, "TRUNCATE transfers, journal_entries").expect_err("TRUNCATE");
            assert!(error.contains("append-only"), "{error}");
        }
        assert_eq!(node.journal_head().0, 1);
    });
}

#[test]
fn no_balance_goes_to_the_wrong_side_not_even_by_sql() {
    on_both_databases(|on| {
        let node = TestNode::on(on);
        post(&node, deposit("d", "1.00")).unwrap();
        let overdraft = deposit("x", "1.00").transfer(ALICE, Account::SuspenseUnmatched, eur("2.000001"));
        assert!(matches!(post(&node, overdraft), Err(PostError::Refused(Refusal::NotEnough { .. }))));
        for statement in [
            "UPDATE ledger_accounts SET debits_posted = credits_posted + 1 WHERE class = 'liability'",
            "UPDATE ledger_accounts SET debits_pending = credits_posted + 1 WHERE class = 'liability'",
            "UPDATE ledger_accounts SET credits_posted = debits_posted + 1 WHERE class = 'asset'",
            "UPDATE ledger_accounts SET credits_pending = debits_posted + 1 WHERE class = 'asset'",
            "UPDATE ledger_accounts SET debits_posted = -1",
        ] {
            let error = raw(&node, statement).expect_err(statement);
            assert!(error.to_lowercase().contains("check"), "{statement}: {error}");
        }
    });
}

#[test]
fn a_reservation_ends_once_even_by_sql() {
    on_both_databases(|on| {
        let node = TestNode::on(on);
        post(&node, deposit("d", "1.00")).unwrap();
        let at = super::node::START.parse().unwrap();
        let mut reserve = Entry::new("r", Kind::CutOff, at);
        reserve.push(ALICE, Account::DueTo("b".to_owned()), eur("0.60"), Phase::Pending);
        post(&node, reserve).unwrap();
        assert_eq!(node.free("patron:1:available"), eur("0.40"));
        let mut end = Entry::new("p", Kind::StatementBound, at);
        end.push(ALICE, Account::DueTo("b".to_owned()), eur("0.50"), Phase::PostPending("r#0".to_owned()));
        post(&node, end.clone()).unwrap();
        assert_eq!(node.free("patron:1:available"), eur("0.50"));
        let mut again = Entry::new("q", Kind::StatementVoided, at);
        again.push(ALICE, Account::DueTo("b".to_owned()), eur("0.60"), Phase::VoidPending("r#0".to_owned()));
        assert!(matches!(post(&node, again), Err(PostError::Refused(Refusal::AlreadyEnded(_)))));
        let error = raw(
            &node,
            "INSERT INTO transfers SELECT 'copy', entry_sequence, 9, debit_account_id, credit_account_id, units, \
             currency, phase, pending_id FROM transfers WHERE pending_id IS NOT NULL",
        )
        .expect_err("a second end");
        assert!(error.to_lowercase().contains("unique"), "{error}");
    });
}

#[test]
fn the_audit_sees_what_was_changed_behind_its_back() {
    on_both_databases(|on| {
        let node = TestNode::on(on);
        post(&node, deposit("d", "1.00")).unwrap();
        post(&node, deposit("e", "1.00")).unwrap();
        assert_eq!(node.problems(), Vec::<String>::new());
        raw(&node, "UPDATE ledger_accounts SET debits_posted = debits_posted + 5 WHERE class = 'asset'").unwrap();
        assert_eq!(node.problems(), ["the balance of bank:sandbox is not what its transfers add up to"]);
        raw(&node, "UPDATE ledger_accounts SET debits_posted = debits_posted - 5 WHERE class = 'asset'").unwrap();
        raw(&node, "UPDATE journal_head SET sequence = 1").unwrap();
        assert_eq!(node.problems().len(), 1);
        raw(&node, "UPDATE journal_head SET sequence = 2").unwrap();
    });
}

#[test]
fn a_noted_head_shows_that_the_journal_was_cut_or_begun_anew() {
    on_both_databases(|on| {
        let node = TestNode::on(on);
        let check = |noted: &str, holds: bool| {
            let noted: NotedHead = noted.parse().unwrap();
            let report = node.block_on(node.database().read(move |tx| audit::verify_since(tx, Some(&noted)))).unwrap();
            assert_eq!(report.holds(), holds, "{:?}", report.problems);
        };
        post(&node, deposit("d", "1.00")).unwrap();
        let (_, noted) = node.journal_head();
        check(&noted, true);
        post(&node, deposit("e", "1.00")).unwrap();
        check(&noted, true);
        check(&noted[..16].to_uppercase(), true);
        check(&node.journal_head().1, true);
        check(&"0".repeat(64), false);

        let emptied = TestNode::on(on);
        assert_eq!(emptied.problems(), Vec::<String>::new(), "nothing in it contradicts anything");
        let noted: NotedHead = noted.parse().unwrap();
        let report = emptied.block_on(emptied.database().read(move |tx| audit::verify_since(tx, Some(&noted))));
        assert_eq!(report.unwrap().problems.len(), 1);
    });
}

#[test]
fn a_deleted_account_is_reported_and_not_a_panic() {
    on_both_databases(|on| {
        let node = TestNode::on(on);
        post(&node, deposit("d", "1.00")).unwrap();
        let (options, delete) = (node.options(), "DELETE FROM ledger_accounts WHERE class = 'asset';");
        node.close_database();
        match on {
            Backend::Sqlite => {
                let path = options.url.trim_start_matches("sqlite://");
                let mut db = diesel::SqliteConnection::establish(path).unwrap();
                db.batch_execute(&format!("PRAGMA foreign_keys = OFF; {delete}")).unwrap();
            }
            Backend::Postgres => {
                let mut db = diesel::PgConnection::establish(&options.url).unwrap();
                db.batch_execute(&format!("SET session_replication_role = replica; {delete}")).unwrap();
            }
        }
        let database = Database::open(&Options { is_writer: false, ..options }).unwrap();
        let refused = node.block_on(database.read(audit::verify)).expect_err("refused");
        assert!(matches!(refused, Error::Corrupt { .. }), "{refused}");
    });
}

#[test]
fn concurrent_entries_keep_the_chain_whole() {
    on_both_databases(|on| {
        let node = TestNode::on(on);
        let database = node.database();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
        let tasks: Vec<_> = (0..120)
            .map(|number| {
                let database: Database = database.clone();
                // Every id is tried by two tasks, so half of them must find that it exists.
                let entry = deposit(&format!("d{}", number / 2), "0.50");
                runtime.spawn(async move { database.write(move |tx| ledger::post(tx, &entry)).await })
            })
            .collect();
        let outcomes = runtime.block_on(futures_util::future::join_all(tasks));
        let new = outcomes.into_iter().filter(|outcome| matches!(outcome, Ok(Ok(Posted::New)))).count();
        assert_eq!(new, 60);
        assert_eq!(node.balance("bank:sandbox"), eur("30.00"));
        assert_eq!(node.journal_head().0, 60);
    });
}

#[test]
fn deliveries_of_one_key_are_leased_in_order_and_one_at_a_time() {
    on_both_databases(|on| {
        let node = TestNode::on(on);
        node.patron("alice").build();
        node.flow(|tx, close| -> Result<(), Error> {
            let actor = crate::storage::people::local_actor_by_username(tx, "alice")?.expect("alice").id;
            // Twice: what is queued already is not queued again.
            for (number, key) in ["x", "x", "y", "x"].into_iter().enumerate().chain([(0, "x")]) {
                let uri = format!("https://alpha.example/activities/{number}");
                let (outgoing, _) = outbox::save_outgoing(tx, &uri, actor, "Like", "{}", close.now)?;
                let delivery = NewDelivery {
                    outgoing,
                    inbox: "https://beta.example/inbox",
                    host: "beta.example",
                    class: "social",
                    ordering_key: key,
                };
                outbox::queue_delivery(tx, &delivery, close.now)?;
            }
            Ok(())
        });
        let minute = std::time::Duration::from_secs(60);
        let lease = || -> Vec<i64> {
            let rows = node.flow(move |tx, close| {
                outbox::lease_due(tx, close.now, Lease { now: close.now, until: close.now.plus(minute) }, 10)
            });
            rows.into_iter().map(|row| row.id).collect()
        };
        let end = |id: i64, state: &'static str| {
            node.flow(move |tx, close| {
                let attempt = Attempt { state, next_at: close.now.plus(minute), status: None, error: None };
                outbox::save_attempt(tx, id, &attempt)
            });
        };
        assert_eq!(lease(), [1, 3], "the first of each key, queued once");
        assert_eq!(lease(), Vec::<i64>::new(), "leased is leased");
        end(1, "waiting");
        assert_eq!(lease(), Vec::<i64>::new(), "one that is to be retried holds back those after it");
        node.at_time(node.now().plus(minute));
        assert_eq!(lease(), [3, 1], "what is due again, and what was leased by a worker that never came back");
        end(1, "delivered");
        assert_eq!(lease(), [2]);
        end(2, "dead");
        assert_eq!(lease(), [4]);
    });
}

#[test]
fn concurrent_workers_never_lease_the_same_delivery() {
    on_both_databases(|on| {
        let node = TestNode::on(on);
        node.patron("alice").build();
        node.flow(|tx, close| -> Result<(), Error> {
            let actor = crate::storage::people::local_actor_by_username(tx, "alice")?.expect("alice").id;
            for number in 0..60 {
                let uri = format!("https://alpha.example/activities/{number}");
                let (outgoing, _) = outbox::save_outgoing(tx, &uri, actor, "Like", "{}", close.now)?;
                let delivery = NewDelivery {
                    outgoing,
                    inbox: "https://beta.example/inbox",
                    host: "beta.example",
                    class: "social",
                    ordering_key: &format!("key-{number}"),
                };
                outbox::queue_delivery(tx, &delivery, close.now)?;
            }
            Ok(())
        });
        let (database, now) = (node.database(), node.now());
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
        let until = now.plus(std::time::Duration::from_secs(60));
        let workers: Vec<_> = (0..12)
            .map(|_| {
                let database = database.clone();
                runtime.spawn(async move {
                    database.write(move |tx| outbox::lease_due(tx, now, Lease { now, until }, 5)).await
                })
            })
            .collect();
        let leased = runtime.block_on(futures_util::future::join_all(workers));
        let mut ids: Vec<i64> =
            leased.into_iter().flat_map(|rows| rows.unwrap().unwrap()).map(|delivery| delivery.id).collect();
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), count, "no delivery was leased twice");
        assert!(count > 5);
    });
}

#[test]
fn a_schema_from_the_future_is_refused() {
    on_both_databases(|on| {
        let node = TestNode::on(on);
        raw(&node, "INSERT INTO __diesel_schema_migrations (version) VALUES ('99991231000000')").unwrap();
        node.close_database();
        for is_writer in [true, false] {
            let refused = Database::open(&Options { is_writer, ..node.options() }).err().expect("refused");
            assert!(matches!(&refused, Error::NewerSchema(version) if version == "99991231000000"), "{refused}");
        }
    });
}

#[test]
fn migrations_go_up_down_and_up_again() {
    const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
    const POSTGRESQL: EmbeddedMigrations = embed_migrations!("migrations/postgresql");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("migrated.sqlite").display().to_string();
    let mut sqlite = diesel::SqliteConnection::establish(&path).unwrap();
    for _ in 0..2 {
        sqlite.run_pending_migrations(SQLITE).unwrap();
        sqlite.revert_all_migrations(SQLITE).unwrap();
    }
    sqlite.batch_execute("CREATE TABLE logins (nothing_is_left INTEGER)").unwrap();
    if let Some(database) = super::postgres::TestDatabase::create() {
        let mut postgres = diesel::PgConnection::establish(&database.url).unwrap();
        for _ in 0..2 {
            postgres.run_pending_migrations(POSTGRESQL).unwrap();
            postgres.revert_all_migrations(POSTGRESQL).unwrap();
        }
        postgres.batch_execute("CREATE TABLE logins (nothing_is_left INTEGER)").unwrap();
    }
}

#[test]
fn a_reader_cannot_write_and_a_panic_in_a_flow_leaves_nothing() {
    on_both_databases(|on| {
        let node = TestNode::on(on);
        let entry = deposit("d", "1.00");
        let written = node.block_on(node.database().read(move |tx| ledger::post(tx, &entry)));
        assert!(written.is_err());
        let panicked = node.try_flow(|tx, _| -> Result<(), PostError> {
            ledger::post(tx, &deposit("d", "1.00"))?;
            panic!("a bug");
        });
        assert!(matches!(panicked, Err(PostError::Storage(Error::Panicked(_)))));
        assert_eq!(node.journal_head().0, 0);
    });
}
