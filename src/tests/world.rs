//! Several nodes that settle with one another, their messages carried in memory and their payments by a bank in memory.
//!
//! Owns the wire: what each node has queued is collected as letters, and a test decides the fate of each. A letter that
//! comes too early for its channel waits and is tried again, as an inbox would. Every proof is verified on the way in.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use serde_json::Value;

use super::Backend;
use super::node::{Creator, Patron, TestNode};
use crate::domain::flattr;
use crate::domain::identity::ObjectRef;
use crate::domain::message::{self, Body};
use crate::domain::money::{Amount, Currency};
use crate::domain::proof;
use crate::domain::settlement::{Channel, State};
use crate::domain::share::apportion;
use crate::domain::statement::StatedLine;
use crate::domain::time::Month;
use crate::flows::hear::{Evidence, HearError, Heard, hear, record_equivocation};
use crate::flows::{Policy, settle};
use crate::storage::payments::Payment;
use crate::storage::settlement::{ChannelRow, Statement};
use crate::storage::{Error, months, outbox, settlement};

/// A message on its way.
#[derive(Clone, Debug)]
pub struct Letter {
    pub from: usize,
    pub to: usize,
    pub kind: String,
    pub uri: String,
    pub document: Value,
}

/// What the network does with a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Arrives,
    ArrivesTwice,
    Lost,
    /// Kept until [`World::release`].
    Delayed,
}

pub struct World {
    pub nodes: Vec<TestNode>,
    delayed: RefCell<Vec<Letter>>,
    /// What was refused for good, by the name of the receiver's error.
    pub refused: RefCell<Vec<String>>,
    transfers: Cell<u32>,
}

impl World {
    /// Nodes `<name>.example` of which every pair has agreed on terms.
    pub fn on(backend: Backend, names: &[&str]) -> World {
        World::with(backend, names, |_| {})
    }

    pub fn with(backend: Backend, names: &[&str], change: impl Fn(&mut Policy)) -> World {
        let world = World::strangers(backend, names, change);
        for node in 0..world.nodes.len() {
            for other in 0..world.nodes.len() {
                if node != other {
                    world.add_peer(node, other);
                }
            }
        }
        world.exchange();
        world
    }

    /// Nodes that know one another's actors and have no terms.
    pub fn strangers(backend: Backend, names: &[&str], change: impl Fn(&mut Policy)) -> World {
        let node = |name: &&str| TestNode::with(backend, &format!("{name}.example"), &change);
        let nodes: Vec<TestNode> = names.iter().map(node).collect();
        for node in &nodes {
            for other in nodes.iter().filter(|other| other.instance.host != node.instance.host) {
                node.know(other);
            }
        }
        World { nodes, delayed: RefCell::default(), refused: RefCell::default(), transfers: Cell::new(0) }
    }

    /// The operator of `node` settles with `other` from now on.
    pub fn add_peer(&self, node: usize, other: usize) {
        let (uri, account) = (self.nodes[other].instance.uri(), format!("BANK-{}", self.nodes[node].instance.host));
        let inbox = format!("{uri}/inbox");
        self.nodes[node].flow(move |tx, close| settle::add_peer(tx, close, &uri, &inbox, &account, None));
    }

    // --- Time ---

    pub fn at(&self, time: &str) {
        self.nodes.iter().for_each(|node| {
            node.at(time);
        });
    }

    /// Closes a month on every node; their statements are queued and nothing is exchanged yet.
    pub fn close_month(&self, month: &str) {
        self.nodes.iter().for_each(|node| node.close_month(month));
    }

    // --- The wire ---

    /// Takes what every node has queued since the last time, in the order in which it was said.
    pub fn collect(&self) -> Vec<Letter> {
        let mut letters = Vec::new();
        for from in 0..self.nodes.len() {
            let queued = self.nodes[from].flow(|tx, _| -> Result<_, Error> {
                let mut messages = Vec::new();
                for event in outbox::open_events(tx, i64::MAX)? {
                    outbox::finish_event(tx, event.id)?;
                    if event.kind == "message" {
                        messages.push(settlement::message_by_uri(tx, &event.subject)?.expect("a message was queued"));
                    }
                }
                Ok(messages)
            });
            letters.extend(queued.into_iter().map(|stored| self.letter(from, &stored.body)));
        }
        letters
    }

    pub fn letter(&self, from: usize, body: &str) -> Letter {
        let document: Value = serde_json::from_str(body).expect("a stored message is JSON");
        let message = message::read(&document).expect("a stored message is well formed");
        let receiver = message.envelope.receiver();
        let to = self.nodes.iter().position(|node| node.instance.uri() == receiver).expect("the receiver is here");
        Letter { from, to, kind: message.body.kind().to_owned(), uri: message.envelope.id(), document }
    }

    /// Brings a letter to its receiver.
    pub fn deliver(&self, letter: &Letter) -> Result<Heard, HearError> {
        let (sender, receiver) = (&self.nodes[letter.from], &self.nodes[letter.to]);
        let verified = proof::verify(&letter.document, &sender.signer().public_key(), receiver.now());
        verified.expect("the sender's proof is valid");
        let evidence = self.evidence(letter);
        let (document, signer) = (letter.document.clone(), sender.instance.uri());
        let heard =
            receiver.try_flow(move |tx, close| hear(tx, close, &document, &signer, close.now, evidence.as_ref()));
        match &heard {
            Ok(_) => {
                let uri = letter.uri.clone();
                sender.flow(move |tx, _| settle::acknowledgement_taken(tx, &uri));
            }
            Err(HearError::Equivocation { .. }) => {
                let document = letter.document.clone();
                receiver.flow(move |tx, close| record_equivocation(tx, &document, close.now));
            }
            Err(_) => {}
        }
        heard
    }

    /// What the receiver of a statement fetches from its debtor.
    pub fn evidence(&self, letter: &Letter) -> Option<Evidence> {
        let message = message::read(&letter.document).ok()?;
        let Body::Statement(offer) = message.body else { return None };
        let uri = letter.uri.clone();
        self.nodes[letter.from].read(move |tx| {
            let Some(row) = months::month(tx, offer.month)? else { return Ok(None) };
            let Some(statement) = settlement::statement_by_uri(tx, &uri)? else { return Ok(None) };
            let lines = settlement::lines(tx, statement.id, 0, i64::MAX)?;
            let stated = |line: settlement::StatementLine| StatedLine {
                creator: line.creator_uri,
                identity: line.identity,
                like_count: u64::try_from(line.like_count).expect("a count"),
                sum: u64::try_from(line.units).expect("a sum"),
                leaves_root: hex::decode(line.leaves_root).expect("hex").try_into().expect("32 bytes"),
                origin: line.origin_month.map(|month| month.parse().expect("a month")),
            };
            let commitment = serde_json::from_str(&row.commitment.expect("a closed month")).expect("JSON");
            Ok(Some(Evidence { lines: lines.into_iter().map(stated).collect(), commitment }))
        })
    }

    /// Carries everything that is queued, and what it leads to, until nobody has more to say.
    pub fn exchange(&self) {
        self.exchange_with(|_| Fate::Arrives);
    }

    pub fn exchange_with(&self, mut fate: impl FnMut(&Letter) -> Fate) {
        let mut early: Vec<Letter> = Vec::new();
        loop {
            let letters = self.collect();
            if letters.is_empty() {
                break;
            }
            for letter in letters {
                match fate(&letter) {
                    Fate::Lost => {}
                    Fate::Delayed => self.delayed.borrow_mut().push(letter),
                    Fate::Arrives => early.push(letter),
                    Fate::ArrivesTwice => early.extend([letter.clone(), letter]),
                }
            }
            early = self.deliver_all(early);
        }
        self.delayed.borrow_mut().extend(early);
    }

    /// Delivers in this order; what waits for an earlier message is tried again as long as anything moves. Returns the
    /// letters that still wait.
    pub fn deliver_all(&self, mut letters: Vec<Letter>) -> Vec<Letter> {
        loop {
            let before = letters.len();
            letters.retain(|letter| match self.deliver(letter) {
                Ok(_) => false,
                Err(HearError::Gap { .. }) => true,
                Err(error) => {
                    self.refused.borrow_mut().push(format!("{error:?}"));
                    false
                }
            });
            if letters.is_empty() || letters.len() == before {
                return letters;
            }
        }
    }

    /// Delivers what was delayed, and exchanges what it leads to.
    pub fn release(&self) {
        let letters = self.delayed.take();
        let early = self.deliver_all(letters);
        self.delayed.borrow_mut().extend(early);
        self.exchange();
    }

    // --- The bank ---

    /// Announces and brings out everything that is due, and tells both sides.
    pub fn pay(&self) {
        for debtor in 0..self.nodes.len() {
            for payment in self.announce(debtor) {
                self.transfer(debtor, &payment, payment.amount().expect("an amount"));
            }
        }
        self.exchange();
    }

    /// What a node announces to pay; the notices are queued.
    pub fn announce(&self, debtor: usize) -> Vec<Payment> {
        self.nodes[debtor].flow(settle::pay_due)
    }

    /// The operator pays again what is missing of a payment.
    pub fn pay_missing(&self, debtor: usize, payment: &Payment) -> Amount {
        let payment = payment.clone();
        self.nodes[debtor].flow(move |tx, _| settle::pay_missing(tx, &payment))
    }

    /// The bank debits the payment and credits `arriving` to the creditor.
    pub fn transfer(&self, debtor: usize, payment: &Payment, arriving: Amount) {
        self.debit(debtor, payment);
        self.credit(self.creditor_of(debtor, payment), payment, arriving);
    }

    pub fn creditor_of(&self, debtor: usize, payment: &Payment) -> usize {
        let channel = payment.channel_id;
        let channel = self.nodes[debtor].read(move |tx| settlement::channel(tx, channel)).expect("the channel");
        self.index_of(&channel.creditor_uri)
    }

    pub fn debit(&self, debtor: usize, payment: &Payment) {
        let payment = payment.clone();
        self.nodes[debtor].flow(move |tx, close| settle::payment_debited(tx, &payment, close.now));
    }

    pub fn credit(&self, creditor: usize, payment: &Payment, arriving: Amount) {
        self.transfers.set(self.transfers.get() + 1);
        let node = &self.nodes[creditor];
        let movement = node.movement(&format!("transfer-{}", self.transfers.get()), arriving, &payment.reference);
        node.book(movement);
    }

    // --- What stands where ---

    fn index_of(&self, uri: &str) -> usize {
        self.nodes.iter().position(|node| node.instance.uri() == uri).expect("a node of this world")
    }

    /// The channel in which `debtor` owes `creditor`, as `at` sees it.
    pub fn channel(&self, at: usize, debtor: usize, creditor: usize) -> ChannelRow {
        let (debtor, creditor) = (self.nodes[debtor].instance.uri(), self.nodes[creditor].instance.uri());
        let key = Channel { debtor, creditor, currency: Currency::EUR }.key();
        self.nodes[at].read(move |tx| settlement::channel_by_key(tx, &key)).expect("the channel")
    }

    /// The statement of a month in that channel, as `at` sees it.
    pub fn statement(&self, at: usize, debtor: usize, creditor: usize, month: &str) -> Option<Statement> {
        let (channel, month) = (self.channel(at, debtor, creditor).id, month.parse().expect("a month"));
        self.nodes[at].read(move |tx| settlement::statement_of_month(tx, channel, month))
    }

    /// Its state on the debtor's and on the creditor's side.
    pub fn states(&self, debtor: usize, creditor: usize, month: &str) -> (Option<State>, Option<State>) {
        let state = |at| self.statement(at, debtor, creditor, month).map(|row| row.state().expect("a state"));
        (state(debtor), state(creditor))
    }

    pub fn journal_heads(&self) -> Vec<(i64, String)> {
        self.nodes.iter().map(TestNode::journal_head).collect()
    }

    /// All real money of the world: what stands at the banks.
    pub fn bank_total(&self) -> Amount {
        let totals = self.nodes.iter().map(|node| node.balance("bank:sandbox"));
        Amount::sum(totals, Currency::EUR).expect("it fits")
    }

    #[track_caller]
    pub fn assert_nothing_was_refused(&self) {
        assert_eq!(*self.refused.borrow(), Vec::<String>::new());
    }
}

/// What one like is to the oracle.
pub struct OracleLike<'a> {
    pub node: &'a TestNode,
    pub patron: &'a Patron,
    pub object: &'a str,
    pub creator: &'a Creator,
}

/// One central instance that gets every like and divides every budget: what each creator must have in the end, to the
/// unit.
pub fn oracle(budget: impl Fn(&Patron) -> Amount, month: &str, likes: &[OracleLike]) -> BTreeMap<String, i64> {
    let month: Month = month.parse().expect("a month");
    let mut by_patron: BTreeMap<String, BTreeMap<flattr::Key, String>> = BTreeMap::new();
    let mut budgets = BTreeMap::new();
    for like in likes {
        let (platform, id) = like.object.split_once(':').expect("platform:id");
        let patron = like.node.instance.patron_uri(&like.patron.name);
        let key = flattr::Key {
            home: like.node.instance.uri(),
            patron: patron.clone(),
            object: ObjectRef::new(platform.parse().expect("a platform"), id).expect("an id"),
            month,
        };
        budgets.insert(patron.clone(), budget(like.patron));
        by_patron.entry(patron).or_default().insert(key, like.creator.name.clone());
    }
    let mut totals = BTreeMap::new();
    for (patron, likes) in by_patron {
        let (keys, creators): (Vec<flattr::Key>, Vec<String>) = likes.into_iter().unzip();
        for (creator, share) in creators.into_iter().zip(apportion(budgets[&patron], &keys, &vec![1; keys.len()])) {
            *totals.entry(creator).or_default() += share.units();
        }
    }
    totals
}
