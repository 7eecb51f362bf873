//! Payees: to whom the share of an object goes, as this instance itself knows it.
//!
//! Owns the rule that a peer's word never names a payee: the owner is what our own bridge recorded, the beneficiary what a
//! checked claim says, and a share leaves only where terms with the creator's home are open.

use std::collections::HashMap;

use crate::domain::id::{CreatorId, IdentityId};
use crate::domain::ledger::account::Held;
use crate::domain::money::Currency;
use crate::domain::settlement::Channel;
use crate::flows::Instance;
use crate::storage::{self, Tx, identities, settlement};

/// Where a share goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payee {
    /// A creator with an account here.
    Own { creator: CreatorId, creator_uri: String },
    /// A creator whose home is a peer with which terms are open.
    Peer { home_uri: String, creator_uri: String },
    /// Nobody yet.
    Nobody,
}

/// Looks payees up, once for each identity.
pub struct Payees<'a> {
    instance: &'a Instance,
    currency: Currency,
    known: HashMap<IdentityId, Payee>,
}

impl<'a> Payees<'a> {
    pub fn new(instance: &'a Instance, currency: Currency) -> Payees<'a> {
        Payees { instance, currency, known: HashMap::new() }
    }

    /// The payee of an identity's posts.
    pub fn of(&mut self, tx: &mut Tx, owner: Option<IdentityId>) -> Result<Payee, storage::Error> {
        let Some(owner) = owner else { return Ok(Payee::Nobody) };
        if let Some(payee) = self.known.get(&owner) {
            return Ok(payee.clone());
        }
        let payee = self.look_up(tx, owner)?;
        self.known.insert(owner, payee.clone());
        Ok(payee)
    }

    fn look_up(&self, tx: &mut Tx, owner: IdentityId) -> Result<Payee, storage::Error> {
        if identities::identity(tx, owner)?.is_some_and(|identity| identity.is_refused) {
            return Ok(Payee::Nobody);
        }
        let Some(claim) = identities::verified_claim(tx, owner)? else { return Ok(Payee::Nobody) };
        if let Some(creator) = claim.creator() {
            return Ok(Payee::Own { creator, creator_uri: claim.creator_uri });
        }
        let channel =
            Channel { debtor: self.instance.uri(), creditor: claim.home_uri.clone(), currency: self.currency };
        let channel = settlement::channel_by_key(tx, &channel.key())?;
        Ok(match channel {
            Some(channel) if channel.is_open() => {
                Payee::Peer { home_uri: claim.home_uri, creator_uri: claim.creator_uri }
            }
            _ => Payee::Nobody,
        })
    }
}

/// For whom a share waits: the identity that owns the post, or the post itself.
pub fn waits_for(tx: &mut Tx, owner: Option<IdentityId>, platform: &str, object: &str) -> Result<Held, storage::Error> {
    match owner {
        None => Ok(Held::Post(format!("{platform}:{object}"))),
        Some(owner) => {
            let identity =
                identities::identity(tx, owner)?.ok_or_else(|| storage::Error::corrupt("identity", owner))?;
            Ok(Held::Identity(identity.external_id()?))
        }
    }
}
