//! What can never change about an instance, and is compared with the configuration at every start.

use diesel::RunQueryDsl;

use super::postgres::TestDatabase;
use super::{Backend, on_both_databases};
use crate::config::Config;
use crate::domain::ledger::{Account, Entry, Kind};
use crate::domain::money::Amount;
use crate::federation::Node;
use crate::federation::node::{StartError, open_database};
use crate::flows::register::{self, Registration};
use crate::storage::{Error, Tx, ledger};

/// The place of an instance that is started again and again with other configurations.
struct Place {
    directory: tempfile::TempDir,
    database: Option<TestDatabase>,
}

impl Place {
    fn on(backend: Backend) -> Place {
        let database = match backend {
            Backend::Sqlite => None,
            Backend::Postgres => Some(TestDatabase::create().expect("PostgreSQL is installed")),
        };
        Place { directory: tempfile::tempdir().unwrap(), database }
    }

    fn config(&self, domain: &str, currency: &str) -> Config {
        let mut flags = vec![
            ("server.domain".to_owned(), domain.to_owned()),
            ("server.data_dir".to_owned(), self.directory.path().display().to_string()),
            ("money.currency".to_owned(), currency.to_owned()),
        ];
        flags.extend(self.database.iter().map(|database| ("database.url".to_owned(), database.url.clone())));
        Config::load(None, std::iter::empty(), &flags).unwrap().config
    }

    async fn start(&self, currency: &str) -> Result<Node, StartError> {
        Node::start(self.config("node.example", currency)).await
    }

    /// As a database is that was made before the currency was kept.
    async fn forget_currency(&self) {
        let db = open_database(&self.config("node.example", "EUR"), true).unwrap();
        let forget = |tx: &mut Tx| match tx {
            Tx::Sqlite(db) => diesel::sql_query("DELETE FROM ledger_currency").execute(*db),
            Tx::Postgres(db) => diesel::sql_query("DELETE FROM ledger_currency").execute(*db),
        };
        db.write(move |tx| Ok::<_, Error>(forget(tx)?)).await.unwrap();
    }
}

fn run(scenario: impl AsyncFn(Place)) {
    on_both_databases(|on| {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(scenario(Place::on(on)));
    });
}

fn assert_other_currency(started: Result<Node, StartError>, expected: &str) {
    let refused = started.err().expect("refused");
    assert!(matches!(refused, StartError::OtherCurrency { .. }), "{refused}");
    assert!(refused.to_string().contains(expected), "{refused}");
}

#[test]
fn an_instance_is_never_started_with_another_domain() {
    run(async |place| {
        drop(place.start("EUR").await.unwrap());
        let refused = Node::start(place.config("other.example", "EUR")).await.err().expect("refused");
        assert!(matches!(refused, StartError::OtherDomain { .. }), "{refused}");
        place.start("EUR").await.unwrap();
    });
}

#[test]
fn an_instance_is_never_started_with_another_currency() {
    run(async |place| {
        drop(place.start("SEK").await.unwrap());
        assert_other_currency(place.start("EUR").await, "in SEK, money.currency says EUR");
        place.start("SEK").await.unwrap();
    });
}

#[test]
fn books_from_before_the_currency_was_kept_take_the_one_that_they_are_in() {
    run(async |place| {
        let node = place.start("EUR").await.unwrap();
        // What a stranger sends in another currency is nobody's, and does not make it the currency of the books.
        let krona = Amount::parse("20", "SEK".parse().unwrap()).unwrap();
        let stray = Entry::new("stray", Kind::Deposit, node.now()).transfer(
            Account::Bank("sandbox".to_owned()),
            Account::SuspenseUnmatched,
            krona,
        );
        node.write(move |tx| ledger::post(tx, &stray)).await.unwrap();
        drop(node);
        place.forget_currency().await;
        drop(place.start("EUR").await.unwrap());
        assert_other_currency(place.start("SEK").await, "in EUR, money.currency says SEK");
    });
}

#[test]
fn books_from_before_the_currency_was_kept_refuse_another_one_when_anybody_has_a_budget_or_money() {
    run(async |place| {
        let node = place.start("EUR").await.unwrap();
        let (instance, now) = (node.instance.clone(), node.now());
        let budget = instance.policy.minimum_budget;
        let registration = Registration { name: "ada".to_owned(), budget, is_public: false, is_operator: true };
        let id = node.write(move |tx| register::register(tx, &instance, &registration, now)).await.unwrap();
        drop(node);
        place.forget_currency().await;
        assert_other_currency(place.start("SEK").await, "in EUR");

        let node = place.start("EUR").await.unwrap();
        let deposit = Entry::new("deposit", Kind::Deposit, now).transfer(
            Account::Bank("sandbox".to_owned()),
            Account::PatronAvailable(id),
            budget,
        );
        node.write(move |tx| ledger::post(tx, &deposit)).await.unwrap();
        drop(node);
        place.forget_currency().await;
        assert_other_currency(place.start("SEK").await, "in EUR");
        place.start("EUR").await.unwrap();
    });
}
