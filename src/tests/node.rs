//! One whole instance at the level of flows: a database, a policy, a key and a clock that only the test moves.
//!
//! Owns the check that the books hold: a node that is dropped without a panic is audited, and a problem fails the test.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::postgres::TestDatabase;
use super::{Backend, eur};
use crate::domain::flattr::Source;
use crate::domain::id::{LoginId, ObjectId, PatronId};
use crate::domain::identity::{ExternalId, ObjectRef};
use crate::domain::ledger::Account;
use crate::domain::money::{Amount, Currency};
use crate::domain::proof::{Seed, SigningKey};
use crate::domain::time::{Month, Timestamp};
use crate::flows::claim::{Look, Released, Seen};
use crate::flows::close_month::{self, Close, Progress};
use crate::flows::flattr::{PatronLike, Recorded};
use crate::flows::fund::{Booked, Movement};
use crate::flows::notice::SeenPost;
use crate::flows::register::Registration;
use crate::flows::{Instance, Policy, audit, claim, flattr, fund, notice, pay_out, receive_money, register, settle};
use crate::storage::connections::{self, NewClaimCheck};
use crate::storage::identities::{self, SeenIdentity};
use crate::storage::people::{self, NewActor};
use crate::storage::{self, Database, FlowError, Options, Tx, bank, ledger, months};

/// The day on which every test begins.
pub const START: &str = "2013-06-02T12:00:00Z";

/// Where the database lies; outlives the open database, so that it can be reopened.
enum Place {
    File(TempDir),
    Server(TestDatabase),
}

pub struct TestNode {
    runtime: Runtime,
    database: RefCell<Option<Database>>,
    place: Place,
    pub instance: Arc<Instance>,
    signer: Arc<SigningKey>,
    now: Cell<Timestamp>,
    /// The random bytes that the next step of a close is given.
    pub seed: Cell<[u8; 32]>,
    movements: Cell<u32>,
}

/// A patron of a node.
#[derive(Clone, Debug)]
pub struct Patron {
    pub id: PatronId,
    pub name: String,
}

/// A creator of a node, with a bank account on file.
#[derive(Clone, Debug)]
pub struct Creator {
    pub login: LoginId,
    pub name: String,
}

pub struct PatronBuilder<'n> {
    node: &'n TestNode,
    name: String,
    budget: Amount,
    deposit: Option<Amount>,
}

impl PatronBuilder<'_> {
    pub fn with_budget(mut self, budget: &str) -> Self {
        self.budget = eur(budget);
        self
    }

    /// What is paid in at once; without it, the budget.
    pub fn deposited(mut self, deposit: &str) -> Self {
        self.deposit = Some(eur(deposit));
        self
    }

    pub fn build(self) -> Patron {
        let PatronBuilder { node, name, budget, deposit } = self;
        let registration = Registration { name: name.clone(), budget, is_public: true, is_operator: false };
        let id = node.flow(move |tx, close| register::register(tx, close.instance, &registration, close.now));
        let patron = Patron { id, name };
        let deposit = deposit.unwrap_or(budget);
        if deposit.is_positive() {
            node.deposit(&patron, deposit);
        }
        patron
    }
}

impl TestNode {
    pub fn on(backend: Backend) -> TestNode {
        TestNode::with(backend, "alpha.example", |_| {})
    }

    /// A node with another host, or another policy than the default: no fees, a payout from 10.00, expiry after 3 months.
    pub fn with(backend: Backend, host: &str, change: impl FnOnce(&mut Policy)) -> TestNode {
        let mut policy = Policy {
            currency: Currency::EUR,
            minimum_budget: eur("0.01"),
            minimum_payout: eur("10.00"),
            minimum_transfer: eur("0.01"),
            unclaimed_expiry_months: 3,
            patron_fee_basis_points: 0,
            creator_fee_basis_points: 0,
        };
        change(&mut policy);
        let instance = Instance { base_url: format!("https://{host}"), host: host.to_owned(), policy };
        let mut secret = [0_u8; 32];
        secret.iter_mut().zip(host.bytes()).for_each(|(byte, letter)| *byte = letter);
        let signer = SigningKey::from_seed(&Seed::from_bytes(secret), format!("{}#ed25519-key", instance.uri()));
        let place = match backend {
            Backend::Sqlite => Place::File(tempfile::tempdir().expect("a temporary directory")),
            Backend::Postgres => Place::Server(TestDatabase::create().expect("PostgreSQL is installed")),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let node = TestNode {
            runtime,
            database: RefCell::new(None),
            place,
            instance: Arc::new(instance),
            signer: Arc::new(signer),
            now: Cell::new(START.parse().expect("a time")),
            seed: Cell::new(secret),
            movements: Cell::new(0),
        };
        node.reopen();
        node
    }

    /// What a crash leaves: everything that was committed, and nothing else.
    pub fn reopen(&self) {
        drop(self.database.take());
        let options = self.options();
        self.database.replace(Some(Database::open(&options).expect("the database opens")));
    }

    pub fn options(&self) -> Options {
        let url = match &self.place {
            Place::File(directory) => format!("sqlite://{}", directory.path().join("node.sqlite").display()),
            Place::Server(database) => database.url.clone(),
        };
        Options { url, pool_size: 8, is_writer: true }
    }

    pub fn database(&self) -> Database {
        self.database.borrow().clone().expect("open between two reopenings")
    }

    /// Ends the connections, so that the database can be opened by other means.
    pub fn close_database(&self) {
        drop(self.database.take());
    }

    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    // --- Time ---

    pub fn now(&self) -> Timestamp {
        self.now.get()
    }

    pub fn at(&self, time: &str) -> &TestNode {
        self.now.set(time.parse().expect("a time"));
        self
    }

    pub fn at_time(&self, time: Timestamp) -> &TestNode {
        self.now.set(time);
        self
    }

    // --- Flows ---

    /// Runs a flow in a transaction of its own, with this node's instance, key and clock.
    pub fn try_flow<T, E, F>(&self, mut flow: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: FlowError,
        F: FnMut(&mut Tx, &Close) -> Result<T, E> + Send + 'static,
    {
        let (instance, signer, now, seed) = (self.instance.clone(), self.signer.clone(), self.now(), self.seed.get());
        let database = self.database();
        self.runtime.block_on(database.write(move |tx| {
            let close = Close { instance: &instance, signer: &signer, now, secret: seed };
            flow(tx, &close)
        }))
    }

    /// As [`TestNode::try_flow`], for what must succeed.
    pub fn flow<T, E, F>(&self, flow: F) -> T
    where
        T: Send + 'static,
        E: FlowError + std::fmt::Debug,
        F: FnMut(&mut Tx, &Close) -> Result<T, E> + Send + 'static,
    {
        self.try_flow(flow).expect("the flow succeeds")
    }

    pub fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&mut Tx) -> Result<T, storage::Error> + Send + 'static,
    ) -> T {
        self.runtime.block_on(self.database().read(query)).expect("the query succeeds")
    }

    // --- People and posts ---

    pub fn patron(&self, name: &str) -> PatronBuilder<'_> {
        PatronBuilder { node: self, name: name.to_owned(), budget: eur("2.00"), deposit: None }
    }

    pub fn deposit(&self, patron: &Patron, amount: Amount) {
        let (id, number) = (patron.id, self.next_movement());
        let reference = self.read(move |tx| people::patron(tx, id)).expect("the patron").deposit_reference;
        let movement = self.movement(&number, amount, &reference);
        assert_eq!(self.book(movement), Booked::Deposit(patron.id));
    }

    fn next_movement(&self) -> String {
        self.movements.set(self.movements.get() + 1);
        format!("deposit-{}", self.movements.get())
    }

    pub fn movement(&self, id: &str, amount: Amount, reference: &str) -> Movement {
        Movement {
            rail: settle::RAIL.to_owned(),
            id: id.to_owned(),
            amount,
            reference: reference.to_owned(),
            counterparty: "somebody".to_owned(),
            value_at: self.now(),
        }
    }

    /// Books what came in, as the job does that reads the rail: a peer's payment first, else a deposit or suspense.
    pub fn book(&self, movement: Movement) -> Booked {
        self.flow(move |tx, close| -> Result<Booked, fund::FundError> {
            let is_payment = receive_money::receive(tx, close, &movement).map_err(|error| match error {
                close_month::CloseError::Storage(error) => fund::FundError::Storage(error),
                other => panic!("the books refused a payment: {other}"),
            })?;
            if is_payment { Ok(Booked::Known) } else { fund::book_incoming(tx, &movement, close.now) }
        })
    }

    /// A post with its author, as a platform's bridge would report it: `object("vimeo:7", "vimeo:76979871")`.
    pub fn object(&self, owner: &str, object: &str) -> ObjectId {
        self.post(Some(owner), object)
    }

    /// A post whose author is not known.
    pub fn orphan(&self, object: &str) -> ObjectId {
        self.post(None, object)
    }

    fn post(&self, owner: Option<&str>, object: &str) -> ObjectId {
        let (platform, id) = object.split_once(':').expect("platform:id");
        let object = ObjectRef::new(platform.parse().expect("a platform"), id).expect("an id");
        let owner = owner.map(|owner| {
            let external_id: ExternalId = owner.parse().expect("platform:id");
            SeenIdentity {
                handle: format!("handle-{}", external_id.account()),
                display_name: format!("Name of {owner}"),
                profile_url: format!("https://platform.example/{owner}"),
                avatar_url: None,
                bio: String::new(),
                external_id,
            }
        });
        let url = format!("https://platform.example/posts/{id}");
        let seen = SeenPost { title: format!("Post {id}"), url, owner, object, published_at: None };
        self.flow(move |tx, close| notice::post(tx, close.instance, &seen, close.now)).id
    }

    // --- Likes ---

    pub fn like(&self, patron: &Patron, object: ObjectId) -> Recorded {
        self.like_from(patron, object, None)
    }

    /// A like that the platform says happened at `liked_at`.
    pub fn like_of(&self, patron: &Patron, object: ObjectId, liked_at: &str) -> Recorded {
        self.like_from(patron, object, Some(liked_at.parse().expect("a time")))
    }

    fn like_from(&self, patron: &Patron, object: ObjectId, liked_at: Option<Timestamp>) -> Recorded {
        let like = PatronLike {
            patron: patron.id,
            object,
            source: Source::Page,
            received_at: self.now(),
            liked_at,
            like_uri: None,
        };
        self.flow(move |tx, _| flattr::record(tx, &like))
    }

    pub fn unlike(&self, patron: &Patron, object: ObjectId) {
        let patron = patron.id;
        self.flow(move |tx, close| flattr::take_back(tx, patron, object, close.now));
    }

    pub fn strike_out(&self, patron: &Patron, object: ObjectId) {
        let patron = patron.id;
        self.flow(move |tx, close| flattr::strike_out(tx, patron, object, close.now));
    }

    // --- Creators ---

    pub fn creator(&self, name: &str) -> Creator {
        let name = name.to_owned();
        self.flow(move |tx, close| -> Result<Creator, storage::Error> {
            let login = people::make_login(tx, &name, false, close.now)?.expect("the name is free");
            let id = people::creator_of_login(tx, login, &name, close.now)?;
            people::set_bank_account(tx, id, &format!("ACCOUNT-{name}"))?;
            Ok(Creator { login, name: name.clone() })
        })
    }

    /// A creator of this node proves that an account is theirs.
    pub fn claim(&self, creator: &Creator, identity: &str) -> Released {
        self.claim_by_login(creator.login, identity)
    }

    pub fn claim_by_login(&self, login: LoginId, identity: &str) -> Released {
        let address = self.claim_address(login, identity);
        self.look(identity, &[&address]).released
    }

    /// Begins a claim; returns the address that the profile must show.
    pub fn claim_address(&self, login: LoginId, identity: &str) -> String {
        let identity: ExternalId = identity.parse().expect("platform:id");
        self.flow(move |tx, close| {
            let token = format!("token-{login}-{identity}");
            let claim = claim::begin(tx, close.instance, login, &identity, &token, close.now)?;
            Ok::<_, claim::ClaimError>(claim::claim_url(close.instance, &claim.token))
        })
    }

    /// Reads the profile of an account, which shows these addresses and no others.
    pub fn look(&self, identity: &str, addresses: &[&str]) -> Seen {
        self.look_from(identity, addresses, self.now())
    }

    /// A look that was begun at another time than it ended.
    pub fn look_from(&self, identity: &str, addresses: &[&str], seen_at: Timestamp) -> Seen {
        let identity: ExternalId = identity.parse().expect("platform:id");
        let addresses: Vec<String> = addresses.iter().map(|address| (*address).to_owned()).collect();
        self.flow(move |tx, close| {
            let row = identities::identity_by_external_id(tx, &identity)?.expect("the identity is known");
            let shows = |address: &str| addresses.iter().any(|shown| shown == address);
            let look = Look { identity: row.id, shows: &shows, is_there: true, seen_at };
            claim::look(tx, close.instance, &look, close.now)
        })
    }

    /// Another node announces a claim of its creator. Nothing is checked yet; returns the address to look for.
    pub fn announce(&self, identity: &str, home: &TestNode, creator: &Creator) -> String {
        let token = format!("token-{}-{identity}", creator.login);
        let (home_uri, creator_uri) = (home.instance.uri(), home.instance.creator_uri(&creator.name));
        let address = claim::peer_claim_url(&home_uri, &token).expect("a plain token");
        let identity: ExternalId = identity.parse().expect("platform:id");
        let (signed_in_at, proved_since) = (None, None);
        let check = NewClaimCheck { identity, home: home_uri, creator: creator_uri, token, signed_in_at, proved_since };
        self.flow(move |tx, close| connections::queue_claim_check(tx, &check, close.now));
        address
    }

    /// Another node's creator has proved that an account is theirs, and this node has seen the proof.
    pub fn hear_claim(&self, identity: &str, home: &TestNode, creator: &Creator) {
        let address = self.announce(identity, home, creator);
        self.look(identity, &[&address]);
    }

    // --- The month ---

    /// Does one step of a close.
    pub fn step(&self) -> Progress {
        self.flow(close_month::step)
    }

    /// Does steps until there is nothing to do at this time.
    pub fn run_steps(&self) -> Progress {
        loop {
            match self.step() {
                Progress::Done { .. } => {}
                other => return other,
            }
        }
    }

    /// Moves the clock through the end of a month: cut-off, grace, freeze, and the close.
    pub fn close_month(&self, month: &str) {
        let month: Month = month.parse().expect("a month");
        self.at_time(month.cut_off()).run_steps();
        if self.at_time(month.freeze()).run_steps() == Progress::Idle {
            return; // An instance of creators only has no months.
        }
        let row = self.read(move |tx| months::month(tx, month)).expect("the month was cut off");
        assert_eq!(row.stage, "closed", "{month} is closed");
    }

    /// Sends shares whose time is over back.
    pub fn expire(&self) -> usize {
        self.flow(|tx, close| claim::expire(tx, close.now))
    }

    // --- Payouts ---

    /// Pays a creator out as far as the bank; returns the reference.
    ///
    /// As the job does before a payout, it looks again at the profiles first: they still show what they showed.
    pub fn request_payout(&self, creator: &Creator) -> Result<String, pay_out::PayOutError> {
        let name = creator.name.clone();
        let (login, instance) = (creator.login, self.instance.clone());
        let proved = self.read(move |tx| {
            let mut proved = Vec::new();
            let Some(creator) = people::creator_by_login(tx, login)? else { return Ok(proved) };
            for claim in identities::claims_of_creator(tx, creator.id)? {
                if claim.state == "verified" {
                    let identity = identities::identity(tx, claim.identity_id)?.expect("the identity of a claim");
                    proved.push((identity.external_id()?.to_string(), claim::claim_url(&instance, &claim.token)));
                }
            }
            Ok(proved)
        });
        for (identity, address) in proved {
            self.look(&identity, &[&address]);
        }
        self.try_flow(move |tx, close| {
            pay_out::request(tx, close.instance, &name, settle::RAIL, close.now).map(|payout| payout.reference)
        })
    }

    pub fn payout_state(&self, reference: &str) -> String {
        let reference = reference.to_owned();
        self.read(move |tx| bank::payout_by_reference(tx, &reference)).expect("the payout").state
    }

    // --- The books ---

    /// The posted balance of an account: its code, in which a patron or creator may stand by name.
    pub fn balance(&self, code: &str) -> Amount {
        let account = self.account(code);
        self.read(move |tx| ledger::balance(tx, &account, Currency::EUR)).posted()
    }

    /// What can still be taken out of an account.
    pub fn free(&self, code: &str) -> Amount {
        let account = self.account(code);
        self.read(move |tx| ledger::balance(tx, &account, Currency::EUR)).free()
    }

    fn account(&self, code: &str) -> Account {
        let mut parts: Vec<String> = code.splitn(3, ':').map(str::to_owned).collect();
        if parts.len() == 3 && parts[1].parse::<i64>().is_err() {
            let (kind, name) = (parts[0].clone(), parts[1].clone());
            let id = self.read(move |tx| match kind.as_str() {
                "patron" => Ok(people::patron_by_name(tx, &name)?.map(|patron| patron.id.0)),
                _ => Ok(people::creator_by_name(tx, &name)?.map(|creator| creator.id.0)),
            });
            parts[1] = id.unwrap_or_else(|| panic!("nobody here is called {}", parts[1])).to_string();
        }
        parts.join(":").parse().expect("an account of the chart")
    }

    /// Compares posted balances: `assert_ledger("patron:alice:available 0.00, creator:carol:available 2.00")`.
    #[track_caller]
    pub fn assert_ledger(&self, expected: &str) {
        for line in expected.split(',') {
            let (code, amount) = line.trim().rsplit_once(' ').expect("an account and an amount");
            assert_eq!(self.balance(code), eur(amount), "{code} on {}", self.instance.host);
        }
    }

    /// What the audit finds wrong.
    pub fn problems(&self) -> Vec<String> {
        self.read(audit::verify).problems
    }

    /// Number and hash of the journal's last entry: equal for equal histories.
    pub fn journal_head(&self) -> (i64, String) {
        let head = self.read(ledger::head);
        (head.sequence, hex::encode(head.hash))
    }

    /// Makes another node's instance actor known here, as its document would.
    pub fn know(&self, other: &TestNode) {
        let (uri, host) = (other.instance.uri(), other.instance.host.clone());
        let actor = NewActor {
            kind: "remote".to_owned(),
            actor_type: "Application".to_owned(),
            username: host.clone(),
            display_name: host.clone(),
            host,
            summary: String::new(),
            inbox: format!("{uri}/inbox"),
            shared_inbox: None,
            rsa_key_id: format!("{uri}#main-key"),
            rsa_public_pem: String::new(),
            ed25519_key_id: Some(format!("{uri}#ed25519-key")),
            ed25519_multikey: Some(other.signer.public_key().to_string()),
            document: None,
            fetched_at: self.now().micros(),
            gone_at: None,
            uri,
        };
        self.flow(move |tx, _| people::save_actor(tx, &actor));
    }

    pub fn signer(&self) -> &SigningKey {
        &self.signer
    }
}

impl Drop for TestNode {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            if self.database.borrow().is_some() {
                assert_eq!(self.problems(), Vec::<String>::new(), "the books of {}", self.instance.host);
            }
            drop(self.database.take());
        }
    }
}
