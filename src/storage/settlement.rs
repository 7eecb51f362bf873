//! Peers, channels with their messages, statements with their lines, and payments between instances.
//!
//! Owns the message chain of each channel: one row for each sender and sequence, never changed, so that a repeat has the
//! same bytes and a fork is seen.

use diesel::prelude::*;

use super::schema::{channel_messages, channels, peers, statement_lines, statements};
use super::{Error, Result, Tx};
use crate::domain::id::{ChannelId, StatementId};
use crate::domain::money::{Amount, Currency};
use crate::domain::settlement::{Channel, State};
use crate::domain::time::{Month, Timestamp};

#[derive(Debug, Clone, Queryable)]
pub struct Peer {
    pub id: i64,
    pub uri: String,
    pub host: String,
    pub inbox: String,
    pub state: String,
    pub created_at: i64,
    /// The platforms on whose sign-ins we take this peer's word: slugs, with commas.
    pub trusted_claims: String,
    /// Those on which this peer takes ours, as its terms say.
    pub trusts_claims: String,
}

impl Peer {
    /// Whether our operator takes this peer's word for claims that were proved by signing in at a platform.
    pub fn is_trusted_on(&self, platform: &str) -> bool {
        self.state == "added" && self.trusted_claims.split(',').any(|slug| slug == platform)
    }

    /// Whether this peer takes ours.
    pub fn trusts_us_on(&self, platform: &str) -> bool {
        self.trusts_claims.split(',').any(|slug| slug == platform)
    }
}

/// Notes an instance that offered terms; one that our operator has added stays added.
pub fn note_peer(tx: &mut Tx, uri: &str, host: &str, inbox: &str, now: Timestamp) -> Result<Peer> {
    both!(tx, |db| diesel::insert_into(peers::table)
        .values((
            peers::uri.eq(uri),
            peers::host.eq(host),
            peers::inbox.eq(inbox),
            peers::state.eq("seen"),
            peers::created_at.eq(now.micros()),
        ))
        .on_conflict_do_nothing()
        .execute(db))?;
    Ok(both!(tx, |db| peers::table.filter(peers::uri.eq(uri)).first(db))?)
}

/// Makes an instance a peer in this state.
pub fn save_peer(tx: &mut Tx, uri: &str, host: &str, inbox: &str, state: &str, now: Timestamp) -> Result<Peer> {
    Ok(both!(tx, |db| diesel::insert_into(peers::table)
        .values((
            peers::uri.eq(uri),
            peers::host.eq(host),
            peers::inbox.eq(inbox),
            peers::state.eq(state),
            peers::created_at.eq(now.micros()),
        ))
        .on_conflict(peers::uri)
        .do_update()
        .set((peers::inbox.eq(inbox), peers::state.eq(state)))
        .get_result(db))?)
}

/// Notes on which platforms we take a peer's word for claims.
pub fn set_trusted_claims(tx: &mut Tx, peer: i64, platforms: &str) -> Result<()> {
    both!(tx, |db| diesel::update(peers::table.find(peer)).set(peers::trusted_claims.eq(platforms)).execute(db))?;
    Ok(())
}

/// Notes on which platforms a peer takes our word.
pub fn set_trusts_claims(tx: &mut Tx, peer: i64, platforms: &str) -> Result<()> {
    both!(tx, |db| diesel::update(peers::table.find(peer)).set(peers::trusts_claims.eq(platforms)).execute(db))?;
    Ok(())
}

pub fn peer_by_host(tx: &mut Tx, host: &str) -> Result<Option<Peer>> {
    Ok(both!(tx, |db| peers::table.filter(peers::host.eq(host)).first(db).optional())?)
}

pub fn peer_by_uri(tx: &mut Tx, uri: &str) -> Result<Option<Peer>> {
    Ok(both!(tx, |db| peers::table.filter(peers::uri.eq(uri)).first(db).optional())?)
}

pub fn peer(tx: &mut Tx, id: i64) -> Result<Option<Peer>> {
    Ok(both!(tx, |db| peers::table.find(id).first(db).optional())?)
}

pub fn peers(tx: &mut Tx) -> Result<Vec<Peer>> {
    Ok(both!(tx, |db| peers::table.order(peers::host).load(db))?)
}

#[derive(Debug, Clone, Queryable)]
pub struct ChannelRow {
    #[diesel(deserialize_as = i64)]
    pub id: ChannelId,
    pub peer_id: i64,
    pub key: String,
    pub debtor_uri: String,
    pub creditor_uri: String,
    pub currency: String,
    pub is_debtor: bool,
    pub terms: String,
    pub frozen_because: Option<String>,
    pub payee_account: Option<String>,
    pub minimum_units: i64,
    pub pulled_at: Option<i64>,
}

impl ChannelRow {
    pub fn channel(&self) -> Result<Channel> {
        let currency = self.currency.parse().map_err(|_| Error::corrupt("currency", &self.currency))?;
        Ok(Channel { debtor: self.debtor_uri.clone(), creditor: self.creditor_uri.clone(), currency })
    }

    pub fn currency(&self) -> Result<Currency> {
        Ok(self.channel()?.currency)
    }

    pub fn is_open(&self) -> bool {
        self.terms == "open" && self.frozen_because.is_none()
    }
}

/// Finds a channel, or makes it without terms.
pub fn channel_with(tx: &mut Tx, peer: &Peer, channel: &Channel, is_debtor: bool) -> Result<ChannelRow> {
    both!(tx, |db| diesel::insert_into(channels::table)
        .values((
            channels::peer_id.eq(peer.id),
            channels::key.eq(channel.key()),
            channels::debtor_uri.eq(&channel.debtor),
            channels::creditor_uri.eq(&channel.creditor),
            channels::currency.eq(channel.currency.as_str()),
            channels::is_debtor.eq(is_debtor),
            channels::terms.eq("none"),
            channels::minimum_units.eq(0),
        ))
        .on_conflict(channels::key)
        .do_nothing()
        .execute(db))?;
    Ok(both!(tx, |db| channels::table.filter(channels::key.eq(channel.key())).first(db))?)
}

pub fn channel(tx: &mut Tx, id: ChannelId) -> Result<Option<ChannelRow>> {
    Ok(both!(tx, |db| channels::table.find(id.0).first(db).optional())?)
}

pub fn channel_by_key(tx: &mut Tx, key: &str) -> Result<Option<ChannelRow>> {
    Ok(both!(tx, |db| channels::table.filter(channels::key.eq(key)).first(db).optional())?)
}

pub fn channels(tx: &mut Tx) -> Result<Vec<ChannelRow>> {
    Ok(both!(tx, |db| channels::table.order(channels::key).load(db))?)
}

/// The open channels with peers of our operator's whose copy was last asked for before `before`, or never.
pub fn channels_to_pull(tx: &mut Tx, before: Timestamp) -> Result<Vec<(ChannelRow, Peer)>> {
    Ok(both!(tx, |db| channels::table
        .inner_join(peers::table)
        .filter(peers::state.eq("added"))
        .filter(channels::terms.eq("open"))
        .filter(channels::frozen_because.is_null())
        .filter(channels::pulled_at.is_null().or(channels::pulled_at.lt(before.micros())))
        .order(channels::id)
        .load(db))?)
}

pub fn set_pulled(tx: &mut Tx, id: ChannelId, at: Timestamp) -> Result<()> {
    both!(tx, |db| diesel::update(channels::table.find(id.0)).set(channels::pulled_at.eq(at.micros())).execute(db))?;
    Ok(())
}

pub fn set_terms(tx: &mut Tx, id: ChannelId, terms: &str) -> Result<()> {
    both!(tx, |db| diesel::update(channels::table.find(id.0)).set(channels::terms.eq(terms)).execute(db))?;
    Ok(())
}

/// Notes from which amount on our own terms ask for a payment.
pub fn set_minimum(tx: &mut Tx, id: ChannelId, minimum: Amount) -> Result<()> {
    both!(tx, |db| diesel::update(channels::table.find(id.0))
        .set(channels::minimum_units.eq(minimum.units()))
        .execute(db))?;
    Ok(())
}

/// Notes what the creditor's terms say: where it is paid, and from which amount on.
pub fn set_payee(tx: &mut Tx, id: ChannelId, account: &str, minimum: Amount) -> Result<()> {
    both!(tx, |db| diesel::update(channels::table.find(id.0))
        .set((channels::payee_account.eq(account), channels::minimum_units.eq(minimum.units())))
        .execute(db))?;
    Ok(())
}

pub fn freeze_channel(tx: &mut Tx, id: ChannelId, because: &str) -> Result<()> {
    both!(tx, |db| diesel::update(channels::table.find(id.0)).set(channels::frozen_because.eq(because)).execute(db))?;
    Ok(())
}

#[derive(Debug, Clone, Queryable)]
pub struct StoredMessage {
    pub id: i64,
    #[diesel(deserialize_as = i64)]
    pub channel_id: ChannelId,
    pub is_ours: bool,
    pub sequence: i64,
    pub uri: String,
    pub kind: String,
    pub digest: String,
    pub body: String,
    pub stored_at: i64,
}

/// A message to be stored.
pub struct NewMessage<'a> {
    pub channel: ChannelId,
    pub is_ours: bool,
    pub sequence: i64,
    pub uri: &'a str,
    pub kind: &'a str,
    pub digest: &'a str,
    pub body: &'a str,
}

pub fn save_message(tx: &mut Tx, message: &NewMessage, now: Timestamp) -> Result<()> {
    both!(tx, |db| diesel::insert_into(channel_messages::table)
        .values((
            channel_messages::channel_id.eq(message.channel.0),
            channel_messages::is_ours.eq(message.is_ours),
            channel_messages::sequence.eq(message.sequence),
            channel_messages::uri.eq(message.uri),
            channel_messages::kind.eq(message.kind),
            channel_messages::digest.eq(message.digest),
            channel_messages::body.eq(message.body),
            channel_messages::stored_at.eq(now.micros()),
        ))
        .execute(db))?;
    Ok(())
}

/// The last message of one side of a channel.
pub fn last_message(tx: &mut Tx, channel: ChannelId, is_ours: bool) -> Result<Option<StoredMessage>> {
    Ok(both!(tx, |db| channel_messages::table
        .filter(channel_messages::channel_id.eq(channel.0))
        .filter(channel_messages::is_ours.eq(is_ours))
        .order(channel_messages::sequence.desc())
        .first(db)
        .optional())?)
}

/// One message of a channel by its number.
pub fn message_by_sequence(
    tx: &mut Tx,
    channel: ChannelId,
    is_ours: bool,
    sequence: i64,
) -> Result<Option<StoredMessage>> {
    Ok(both!(tx, |db| channel_messages::table
        .filter(channel_messages::channel_id.eq(channel.0))
        .filter(channel_messages::is_ours.eq(is_ours))
        .filter(channel_messages::sequence.eq(sequence))
        .first(db)
        .optional())?)
}

pub fn message_by_uri(tx: &mut Tx, uri: &str) -> Result<Option<StoredMessage>> {
    Ok(both!(tx, |db| channel_messages::table.filter(channel_messages::uri.eq(uri)).first(db).optional())?)
}

/// Our messages of a channel after a sequence number: what a peer pulls.
pub fn own_messages_after(tx: &mut Tx, channel: ChannelId, after: i64, limit: i64) -> Result<Vec<StoredMessage>> {
    Ok(both!(tx, |db| channel_messages::table
        .filter(channel_messages::channel_id.eq(channel.0))
        .filter(channel_messages::is_ours.eq(true))
        .filter(channel_messages::sequence.gt(after))
        .order(channel_messages::sequence)
        .limit(limit)
        .load(db))?)
}

/// The newest messages of a channel, for the operator.
pub fn messages_of(tx: &mut Tx, channel: ChannelId) -> Result<Vec<StoredMessage>> {
    Ok(both!(tx, |db| channel_messages::table
        .filter(channel_messages::channel_id.eq(channel.0))
        .order(channel_messages::id)
        .load(db))?)
}

#[derive(Debug, Clone, Queryable)]
pub struct Statement {
    #[diesel(deserialize_as = i64)]
    pub id: StatementId,
    #[diesel(deserialize_as = i64)]
    pub channel_id: ChannelId,
    pub month: String,
    pub uri: String,
    pub digest: String,
    pub state: String,
    pub units: i64,
    pub like_count: i64,
    pub creator_count: i64,
    pub root: String,
    pub paid_units: i64,
    pub expires_at: i64,
    pub due_at: i64,
    pub answer_uri: Option<String>,
    pub created_at: i64,
}

impl Statement {
    pub fn state(&self) -> Result<State> {
        State::parse(&self.state).ok_or_else(|| Error::corrupt("statement state", &self.state))
    }

    pub fn month(&self) -> Result<Month> {
        self.month.parse().map_err(|_| Error::corrupt("month", &self.month))
    }

    /// What is not paid yet.
    pub fn open_units(&self) -> i64 {
        self.units - self.paid_units
    }
}

/// A statement to be recorded, ours or a peer's.
pub struct NewStatement<'a> {
    pub channel: ChannelId,
    pub month: Month,
    pub uri: &'a str,
    pub digest: &'a str,
    pub sum: Amount,
    pub like_count: i64,
    pub creator_count: i64,
    pub root: &'a str,
    pub expires_at: Timestamp,
    pub due_at: Timestamp,
}

pub fn make_statement(tx: &mut Tx, statement: &NewStatement, now: Timestamp) -> Result<StatementId> {
    let id: i64 = both!(tx, |db| diesel::insert_into(statements::table)
        .values((
            statements::channel_id.eq(statement.channel.0),
            statements::month.eq(statement.month.to_string()),
            statements::uri.eq(statement.uri),
            statements::digest.eq(statement.digest),
            statements::state.eq(State::Offered.as_str()),
            statements::units.eq(statement.sum.units()),
            statements::like_count.eq(statement.like_count),
            statements::creator_count.eq(statement.creator_count),
            statements::root.eq(statement.root),
            statements::paid_units.eq(0),
            statements::expires_at.eq(statement.expires_at.micros()),
            statements::due_at.eq(statement.due_at.micros()),
            statements::created_at.eq(now.micros()),
        ))
        .returning(statements::id)
        .get_result(db))?;
    Ok(StatementId(id))
}

pub fn statement(tx: &mut Tx, id: StatementId) -> Result<Option<Statement>> {
    Ok(both!(tx, |db| statements::table.find(id.0).first(db).optional())?)
}

pub fn statement_by_uri(tx: &mut Tx, uri: &str) -> Result<Option<Statement>> {
    Ok(both!(tx, |db| statements::table.filter(statements::uri.eq(uri)).first(db).optional())?)
}

pub fn statement_by_digest(tx: &mut Tx, digest: &str) -> Result<Option<Statement>> {
    Ok(both!(tx, |db| statements::table.filter(statements::digest.eq(digest)).first(db).optional())?)
}

pub fn statement_by_answer(tx: &mut Tx, answer_uri: &str) -> Result<Option<Statement>> {
    Ok(both!(tx, |db| statements::table.filter(statements::answer_uri.eq(answer_uri)).first(db).optional())?)
}

pub fn statement_of_month(tx: &mut Tx, channel: ChannelId, month: Month) -> Result<Option<Statement>> {
    Ok(both!(tx, |db| statements::table
        .filter(statements::channel_id.eq(channel.0))
        .filter(statements::month.eq(month.to_string()))
        .first(db)
        .optional())?)
}

/// Statements of a channel, oldest month first.
pub fn statements_of(tx: &mut Tx, channel: ChannelId) -> Result<Vec<Statement>> {
    Ok(both!(tx, |db| statements::table
        .filter(statements::channel_id.eq(channel.0))
        .order(statements::month)
        .load(db))?)
}

/// All statements in a state, with their channels, oldest first.
pub fn statements_in(tx: &mut Tx, states: &[State]) -> Result<Vec<(Statement, ChannelRow)>> {
    let states: Vec<&str> = states.iter().map(|state| state.as_str()).collect();
    Ok(both!(tx, |db| statements::table
        .inner_join(channels::table)
        .filter(statements::state.eq_any(&states))
        .order(statements::id)
        .load(db))?)
}

pub fn statements(tx: &mut Tx) -> Result<Vec<(Statement, ChannelRow)>> {
    Ok(both!(tx, |db| statements::table
        .inner_join(channels::table)
        .order((statements::month.desc(), channels::key))
        .load(db))?)
}

pub fn set_statement_state(tx: &mut Tx, id: StatementId, state: State) -> Result<()> {
    both!(tx, |db| diesel::update(statements::table.find(id.0)).set(statements::state.eq(state.as_str())).execute(db))?;
    Ok(())
}

pub fn set_statement_answer(tx: &mut Tx, id: StatementId, answer_uri: &str) -> Result<()> {
    both!(tx, |db| diesel::update(statements::table.find(id.0))
        .set(statements::answer_uri.eq(answer_uri))
        .execute(db))?;
    Ok(())
}

pub fn add_paid(tx: &mut Tx, id: StatementId, units: i64) -> Result<()> {
    both!(tx, |db| diesel::update(statements::table.find(id.0))
        .set(statements::paid_units.eq(statements::paid_units + units))
        .execute(db))?;
    Ok(())
}

#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct StatementLine {
    pub id: i64,
    #[diesel(deserialize_as = i64)]
    pub statement_id: StatementId,
    pub position: i64,
    pub creator_uri: String,
    pub identity: String,
    pub like_count: i64,
    pub units: i64,
    pub leaves_root: String,
    pub subtotal: String,
    pub origin_month: Option<String>,
    pub paid_units: i64,
}

#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = statement_lines, treat_none_as_default_value = false)]
pub struct NewLine {
    pub statement_id: i64,
    pub position: i64,
    pub creator_uri: String,
    pub identity: String,
    pub like_count: i64,
    pub units: i64,
    pub leaves_root: String,
    pub subtotal: String,
    pub origin_month: Option<String>,
    pub paid_units: i64,
}

pub fn save_lines(tx: &mut Tx, lines: &[NewLine]) -> Result<()> {
    for batch in lines.chunks(500) {
        both!(tx, |db| diesel::insert_into(statement_lines::table).values(batch).execute(db))?;
    }
    Ok(())
}

/// The lines of a statement from a position on, in order.
pub fn lines(tx: &mut Tx, statement: StatementId, from: i64, limit: i64) -> Result<Vec<StatementLine>> {
    Ok(both!(tx, |db| statement_lines::table
        .filter(statement_lines::statement_id.eq(statement.0))
        .filter(statement_lines::position.ge(from))
        .order(statement_lines::position)
        .limit(limit)
        .load(db))?)
}

pub fn add_line_paid(tx: &mut Tx, line: i64, units: i64) -> Result<()> {
    both!(tx, |db| diesel::update(statement_lines::table.find(line))
        .set(statement_lines::paid_units.eq(statement_lines::paid_units + units))
        .execute(db))?;
    Ok(())
}

/// Lines that a creator received, with their statements, newest month first.
pub fn lines_for_creator(tx: &mut Tx, creator_uri: &str) -> Result<Vec<(StatementLine, Statement, ChannelRow)>> {
    Ok(both!(tx, |db| statement_lines::table
        .inner_join(statements::table.inner_join(channels::table))
        .filter(statement_lines::creator_uri.eq(creator_uri))
        .filter(channels::is_debtor.eq(false))
        .order((statements::month.desc(), statement_lines::id))
        .select((statement_lines::all_columns, statements::all_columns, channels::all_columns))
        .load(db))?)
}
