//! Logins, actors with their keys, patrons and creators.

use diesel::dsl::{exists, not};
use diesel::prelude::*;

use super::schema::{actor_keys, actors, claims, creators, identities, login_tokens, logins, patrons};
use super::{Error, Result, Tx};
use crate::domain::id::{ActorId, CreatorId, LoginId, PatronId};
use crate::domain::money::{Amount, Currency};
use crate::domain::time::Timestamp;

#[derive(Debug, Clone, Queryable)]
pub struct Login {
    #[diesel(deserialize_as = i64)]
    pub id: LoginId,
    pub name: String,
    pub password_hash: Option<String>,
    pub is_operator: bool,
    pub is_disabled: bool,
    pub created_at: i64,
}

/// Makes a login. `None` when the name is taken.
pub fn make_login(tx: &mut Tx, name: &str, is_operator: bool, now: Timestamp) -> Result<Option<LoginId>> {
    let id: Option<i64> = both!(tx, |db| diesel::insert_into(logins::table)
        .values((
            logins::name.eq(name),
            logins::is_operator.eq(is_operator),
            logins::is_disabled.eq(false),
            logins::created_at.eq(now.micros()),
        ))
        .on_conflict_do_nothing()
        .returning(logins::id)
        .get_result(db)
        .optional())?;
    Ok(id.map(LoginId))
}

pub fn login_by_name(tx: &mut Tx, name: &str) -> Result<Option<Login>> {
    Ok(both!(tx, |db| logins::table.filter(logins::name.eq(name)).first(db).optional())?)
}

pub fn login(tx: &mut Tx, id: LoginId) -> Result<Option<Login>> {
    Ok(both!(tx, |db| logins::table.find(id.0).first(db).optional())?)
}

pub fn logins(tx: &mut Tx) -> Result<Vec<Login>> {
    Ok(both!(tx, |db| logins::table.order(logins::name).load(db))?)
}

pub fn set_password(tx: &mut Tx, id: LoginId, password_hash: &str) -> Result<()> {
    both!(tx, |db| diesel::update(logins::table.find(id.0)).set(logins::password_hash.eq(password_hash)).execute(db))?;
    Ok(())
}

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenPurpose {
    Session,
    /// A one-time link with which a login sets its password.
    SetUp,
}

impl TokenPurpose {
    const fn as_str(self) -> &'static str {
        match self {
            TokenPurpose::Session => "session",
            TokenPurpose::SetUp => "setup",
        }
    }
}

pub fn save_token(
    tx: &mut Tx,
    token_hash: &str,
    login: LoginId,
    purpose: TokenPurpose,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<()> {
    both!(tx, |db| diesel::insert_into(login_tokens::table)
        .values((
            login_tokens::token_hash.eq(token_hash),
            login_tokens::login_id.eq(login.0),
            login_tokens::purpose.eq(purpose.as_str()),
            login_tokens::created_at.eq(now.micros()),
            login_tokens::expires_at.eq(expires_at.micros()),
        ))
        .execute(db))?;
    Ok(())
}

/// The login behind a token that is neither expired nor used.
pub fn login_by_token(tx: &mut Tx, token_hash: &str, purpose: TokenPurpose, now: Timestamp) -> Result<Option<Login>> {
    let login: Option<Login> = both!(tx, |db| login_tokens::table
        .inner_join(logins::table)
        .filter(login_tokens::token_hash.eq(token_hash))
        .filter(login_tokens::purpose.eq(purpose.as_str()))
        .filter(login_tokens::expires_at.gt(now.micros()))
        .filter(login_tokens::used_at.is_null())
        .select(logins::all_columns)
        .first(db)
        .optional())?;
    Ok(login.filter(|login| !login.is_disabled))
}

/// Ends a token: a session that signs out, or a link that was used.
pub fn end_token(tx: &mut Tx, token_hash: &str, now: Timestamp) -> Result<bool> {
    let ended = both!(tx, |db| diesel::update(login_tokens::table)
        .filter(login_tokens::token_hash.eq(token_hash))
        .filter(login_tokens::used_at.is_null())
        .set(login_tokens::used_at.eq(now.micros()))
        .execute(db))?;
    Ok(ended == 1)
}

/// Ends every token of a login for a purpose. Says how many.
pub fn end_tokens_of(tx: &mut Tx, login: LoginId, purpose: TokenPurpose, now: Timestamp) -> Result<usize> {
    Ok(both!(tx, |db| diesel::update(login_tokens::table)
        .filter(login_tokens::login_id.eq(login.0))
        .filter(login_tokens::purpose.eq(purpose.as_str()))
        .filter(login_tokens::used_at.is_null())
        .set(login_tokens::used_at.eq(now.micros()))
        .execute(db))?)
}

/// Forgets sessions that are over; a link that was used is kept, to be told from one that never was.
pub fn delete_ended_tokens(tx: &mut Tx, now: Timestamp) -> Result<usize> {
    Ok(both!(tx, |db| diesel::delete(login_tokens::table)
        .filter(login_tokens::purpose.eq(TokenPurpose::Session.as_str()))
        .filter(login_tokens::used_at.is_not_null().or(login_tokens::expires_at.le(now.micros())))
        .execute(db))?)
}

/// What kind of actor it is to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActorKind {
    /// This instance itself.
    Instance,
    Patron,
    /// A proxy of an account on a platform.
    Bridged,
    Remote,
}

impl ActorKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            ActorKind::Instance => "instance",
            ActorKind::Patron => "patron",
            ActorKind::Bridged => "bridged",
            ActorKind::Remote => "remote",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct Actor {
    #[diesel(deserialize_as = i64)]
    pub id: ActorId,
    pub uri: String,
    pub kind: String,
    pub actor_type: String,
    pub host: String,
    pub username: String,
    pub display_name: String,
    pub summary: String,
    pub inbox: String,
    pub shared_inbox: Option<String>,
    pub rsa_key_id: String,
    pub rsa_public_pem: String,
    pub ed25519_key_id: Option<String>,
    pub ed25519_multikey: Option<String>,
    pub document: Option<String>,
    pub fetched_at: i64,
    pub gone_at: Option<i64>,
}

impl Actor {
    pub fn is_local(&self) -> bool {
        self.kind != ActorKind::Remote.as_str()
    }

    pub fn is_kind(&self, kind: ActorKind) -> bool {
        self.kind == kind.as_str()
    }
}

/// An actor to be stored; the same for local and remote ones.
#[derive(Debug, Clone, Insertable, AsChangeset)]
#[diesel(table_name = actors, treat_none_as_default_value = false, treat_none_as_null = true)]
pub struct NewActor {
    pub uri: String,
    pub kind: String,
    pub actor_type: String,
    pub host: String,
    pub username: String,
    pub display_name: String,
    pub summary: String,
    pub inbox: String,
    pub shared_inbox: Option<String>,
    pub rsa_key_id: String,
    pub rsa_public_pem: String,
    pub ed25519_key_id: Option<String>,
    pub ed25519_multikey: Option<String>,
    pub document: Option<String>,
    pub fetched_at: i64,
    pub gone_at: Option<i64>,
}

/// The private keys of a local actor.
#[derive(Clone, Queryable)]
pub struct ActorKeys {
    pub rsa_private_pem: String,
    pub ed25519_seed: Vec<u8>,
}

/// Stores an actor, or what is new about it; its id stays.
pub fn save_actor(tx: &mut Tx, actor: &NewActor) -> Result<Actor> {
    Ok(both!(tx, |db| diesel::insert_into(actors::table)
        .values(actor)
        .on_conflict(actors::uri)
        .do_update()
        .set(actor)
        .get_result(db))?)
}

/// Gives a local actor its keys, once: whoever comes second receives those of the first.
pub fn give_keys(
    tx: &mut Tx,
    actor: ActorId,
    keys: &ActorKeys,
    rsa_public_pem: &str,
    multikey: &str,
) -> Result<ActorKeys> {
    let inserted = both!(tx, |db| diesel::insert_into(actor_keys::table)
        .values((
            actor_keys::actor_id.eq(actor.0),
            actor_keys::rsa_private_pem.eq(&keys.rsa_private_pem),
            actor_keys::ed25519_seed.eq(&keys.ed25519_seed),
        ))
        .on_conflict_do_nothing()
        .execute(db))?;
    if inserted == 1 {
        both!(tx, |db| diesel::update(actors::table.find(actor.0))
            .set((actors::rsa_public_pem.eq(rsa_public_pem), actors::ed25519_multikey.eq(multikey)))
            .execute(db))?;
    }
    actor_keys(tx, actor)?.ok_or_else(|| Error::corrupt("keys of actor", actor))
}

/// The actor that stands for this instance, once it was made.
pub fn instance_actor(tx: &mut Tx) -> Result<Option<Actor>> {
    Ok(both!(tx, |db| actors::table.filter(actors::kind.eq(ActorKind::Instance.as_str())).first(db).optional())?)
}

pub fn actor_keys(tx: &mut Tx, actor: ActorId) -> Result<Option<ActorKeys>> {
    Ok(both!(tx, |db| actor_keys::table
        .find(actor.0)
        .select((actor_keys::rsa_private_pem, actor_keys::ed25519_seed))
        .first(db)
        .optional())?)
}

pub fn actor(tx: &mut Tx, id: ActorId) -> Result<Option<Actor>> {
    Ok(both!(tx, |db| actors::table.find(id.0).first(db).optional())?)
}

pub fn actor_by_uri(tx: &mut Tx, uri: &str) -> Result<Option<Actor>> {
    Ok(both!(tx, |db| actors::table.filter(actors::uri.eq(uri)).first(db).optional())?)
}

/// The local actor with this user name, whatever its case.
pub fn local_actor_by_username(tx: &mut Tx, username: &str) -> Result<Option<Actor>> {
    Ok(both!(tx, |db| actors::table
        .filter(actors::username.eq(username.to_lowercase()))
        .filter(actors::kind.ne(ActorKind::Remote.as_str()))
        .first(db)
        .optional())?)
}

/// Changes what people see of a local actor.
pub fn rename_actor(tx: &mut Tx, id: ActorId, username: &str, display_name: &str, summary: &str) -> Result<()> {
    both!(tx, |db| diesel::update(actors::table.find(id.0))
        .set((actors::username.eq(username), actors::display_name.eq(display_name), actors::summary.eq(summary)))
        .execute(db))?;
    Ok(())
}

pub fn set_actor_type(tx: &mut Tx, id: ActorId, actor_type: &str) -> Result<()> {
    both!(tx, |db| diesel::update(actors::table.find(id.0)).set(actors::actor_type.eq(actor_type)).execute(db))?;
    Ok(())
}

#[derive(Debug, Clone, Queryable)]
pub struct Patron {
    #[diesel(deserialize_as = i64)]
    pub id: PatronId,
    #[diesel(deserialize_as = i64)]
    pub login_id: LoginId,
    #[diesel(deserialize_as = i64)]
    pub actor_id: ActorId,
    pub name: String,
    pub currency: String,
    pub budget_units: i64,
    pub is_public: bool,
    pub deposit_reference: String,
    pub created_at: i64,
}

impl Patron {
    pub fn currency(&self) -> Result<Currency> {
        self.currency.parse().map_err(|_| Error::corrupt("currency", &self.currency))
    }

    pub fn budget(&self) -> Result<Amount> {
        Ok(Amount::from_units(self.budget_units, self.currency()?))
    }
}

/// A patron to be made.
pub struct NewPatron<'a> {
    pub login: LoginId,
    pub actor: ActorId,
    pub name: &'a str,
    pub budget: Amount,
    pub is_public: bool,
    pub deposit_reference: &'a str,
}

pub fn make_patron(tx: &mut Tx, patron: &NewPatron, now: Timestamp) -> Result<PatronId> {
    let id: i64 = both!(tx, |db| diesel::insert_into(patrons::table)
        .values((
            patrons::login_id.eq(patron.login.0),
            patrons::actor_id.eq(patron.actor.0),
            patrons::name.eq(patron.name),
            patrons::currency.eq(patron.budget.currency().as_str()),
            patrons::budget_units.eq(patron.budget.units()),
            patrons::is_public.eq(patron.is_public),
            patrons::deposit_reference.eq(patron.deposit_reference),
            patrons::created_at.eq(now.micros()),
        ))
        .returning(patrons::id)
        .get_result(db))?;
    Ok(PatronId(id))
}

pub fn patron(tx: &mut Tx, id: PatronId) -> Result<Option<Patron>> {
    Ok(both!(tx, |db| patrons::table.find(id.0).first(db).optional())?)
}

pub fn patron_by_name(tx: &mut Tx, name: &str) -> Result<Option<Patron>> {
    Ok(both!(tx, |db| patrons::table.filter(patrons::name.eq(name)).first(db).optional())?)
}

pub fn patron_by_actor(tx: &mut Tx, actor: ActorId) -> Result<Option<Patron>> {
    Ok(both!(tx, |db| patrons::table.filter(patrons::actor_id.eq(actor.0)).first(db).optional())?)
}

pub fn patron_by_login(tx: &mut Tx, login: LoginId) -> Result<Option<Patron>> {
    Ok(both!(tx, |db| patrons::table.filter(patrons::login_id.eq(login.0)).first(db).optional())?)
}

pub fn patron_by_deposit_reference(tx: &mut Tx, reference: &str) -> Result<Option<Patron>> {
    Ok(both!(tx, |db| patrons::table.filter(patrons::deposit_reference.eq(reference)).first(db).optional())?)
}

/// Patrons after the id `after`, in order of id.
pub fn patrons_after(tx: &mut Tx, after: PatronId, limit: i64) -> Result<Vec<Patron>> {
    Ok(both!(tx, |db| patrons::table.filter(patrons::id.gt(after.0)).order(patrons::id).limit(limit).load(db))?)
}

pub fn count_patrons(tx: &mut Tx) -> Result<i64> {
    Ok(both!(tx, |db| patrons::table.count().get_result(db))?)
}

pub fn set_budget(tx: &mut Tx, patron: PatronId, budget: Amount) -> Result<()> {
    both!(tx, |db| diesel::update(patrons::table.find(patron.0))
        .set(patrons::budget_units.eq(budget.units()))
        .execute(db))?;
    Ok(())
}

#[derive(Debug, Clone, Queryable)]
pub struct Creator {
    #[diesel(deserialize_as = i64)]
    pub id: CreatorId,
    #[diesel(deserialize_as = i64)]
    pub login_id: LoginId,
    pub name: String,
    pub bank_account: Option<String>,
    pub created_at: i64,
}

/// The creator of a login; made on first use.
pub fn creator_of_login(tx: &mut Tx, login: LoginId, name: &str, now: Timestamp) -> Result<CreatorId> {
    both!(tx, |db| diesel::insert_into(creators::table)
        .values((creators::login_id.eq(login.0), creators::name.eq(name), creators::created_at.eq(now.micros()),))
        .on_conflict(creators::login_id)
        .do_nothing()
        .execute(db))?;
    let id: i64 =
        both!(tx, |db| creators::table.filter(creators::login_id.eq(login.0)).select(creators::id).first(db))?;
    Ok(CreatorId(id))
}

pub fn creator(tx: &mut Tx, id: CreatorId) -> Result<Option<Creator>> {
    Ok(both!(tx, |db| creators::table.find(id.0).first(db).optional())?)
}

pub fn creator_by_name(tx: &mut Tx, name: &str) -> Result<Option<Creator>> {
    Ok(both!(tx, |db| creators::table.filter(creators::name.eq(name)).first(db).optional())?)
}

pub fn creator_by_login(tx: &mut Tx, login: LoginId) -> Result<Option<Creator>> {
    Ok(both!(tx, |db| creators::table.filter(creators::login_id.eq(login.0)).first(db).optional())?)
}

pub fn creators(tx: &mut Tx) -> Result<Vec<Creator>> {
    Ok(both!(tx, |db| creators::table.order(creators::id).load(db))?)
}

pub fn set_bank_account(tx: &mut Tx, creator: CreatorId, bank_account: &str) -> Result<()> {
    both!(tx, |db| diesel::update(creators::table.find(creator.0))
        .set(creators::bank_account.eq(bank_account))
        .execute(db))?;
    Ok(())
}

/// Creators whom a public list may name, by name: with an account that is proved here and not refused, with a login that is
/// not disabled, and, where they are patrons too, giving in their own name.
///
/// - `after`: the last name of the page before; empty for the first.
pub fn listed_creators(tx: &mut Tx, after: &str, limit: i64) -> Result<Vec<Creator>> {
    Ok(both!(tx, |db| creators::table
        .filter(creators::name.gt(after))
        .filter(
            creators::id.nullable().eq_any(
                claims::table
                    .inner_join(identities::table)
                    .filter(claims::state.eq("verified"))
                    .filter(identities::is_refused.eq(false))
                    .select(claims::creator_id),
            ),
        )
        .filter(not(exists(
            logins::table.filter(logins::id.eq(creators::login_id)).filter(logins::is_disabled.eq(true)),
        )))
        .filter(not(exists(
            patrons::table.filter(patrons::login_id.eq(creators::login_id)).filter(patrons::is_public.eq(false)),
        )))
        .order(creators::name)
        .limit(limit)
        .load(db))?)
}
