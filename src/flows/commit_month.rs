//! Committing to a month: the tree over all shares, the signed public commitment, and the statements to peers.
//!
//! Owns the step after which nothing about the month can change: commitment and statements are written in one
//! transaction, so no peer is ever told a sum that the public root does not hold.

use std::collections::{BTreeMap, HashMap};

use crate::domain::commitment::Seed;
use crate::domain::flattr;
use crate::domain::id::IdentityId;
use crate::domain::ledger::{Account, Entry, Kind, Phase};
use crate::domain::message::{Body, StatementOffer};
use crate::domain::money::{Amount, Currency};
use crate::domain::month_tree::{CountedShare, MonthTree, PeerTree, Place, build};
use crate::domain::proof;
use crate::domain::settlement::{Channel, host_of};
use crate::domain::statement::write_commitment;
use crate::domain::time::Month;
use crate::flows::close_month::{Close, CloseError, object_ref};
use crate::flows::payee::{Payee, Payees, waits_for};
use crate::flows::settle;
use crate::flows::{Instance, Policy};
use crate::storage::months::{self, Outcome, ShareDetail};
use crate::storage::settlement::{NewLine, NewStatement};
use crate::storage::{self, Tx, identities, ledger, outbox, people, settlement};

/// Address of a month's commitment, which anybody may read.
pub fn commitment_uri(instance: &Instance, month: Month) -> String {
    format!("{}/commitments/{month}", instance.base_url)
}

/// Shares of one currency as the commitment sees them, beside the rows behind them.
struct Counted {
    details: Vec<Option<ShareDetail>>,
    shares: Vec<CountedShare>,
}

/// Writes the month's commitment and offers a statement to every peer that is owed something.
pub fn commit(tx: &mut Tx, close: &Close, month: Month) -> Result<(), CloseError> {
    redirect(tx, close, month)?;
    release_waiting(tx, close, month)?;
    let row = months::month(tx, month)?.ok_or_else(|| storage::Error::corrupt("month", month))?;
    let seed: [u8; 32] =
        row.seed.and_then(|seed| seed.try_into().ok()).ok_or_else(|| storage::Error::corrupt("seed of", month))?;
    let seed = Seed::new(&seed);
    let mut trees: BTreeMap<Currency, (MonthTree, Counted)> = BTreeMap::new();
    for (currency, counted) in counted_shares(tx, close.instance, month)? {
        let tree = build(&seed, &counted.shares).ok_or_else(|| storage::Error::corrupt("sum of", month))?;
        trees.insert(currency, (tree, counted));
    }
    let tops: Vec<_> = trees.iter().map(|(currency, (tree, _))| (*currency, tree.top)).collect();
    let id = commitment_uri(close.instance, month);
    let unsigned = write_commitment(&id, &close.instance.uri(), month, &tops, close.now);
    let digest = proof::digest(&unsigned);
    let signed = proof::sign(unsigned, close.signer, close.now)?;
    months::save_commitment(tx, month, &signed.to_string(), &digest)?;
    outbox::push_event(tx, "commitment", &month.to_string(), close.now)?;

    for (currency, (tree, counted)) in &trees {
        for (peer, peer_tree) in &tree.peers {
            if *peer != close.instance.uri() && peer_tree.root.sum > 0 {
                offer_statement(tx, close, month, *currency, peer, peer_tree, counted, &digest)?;
            }
        }
    }
    Ok(())
}

/// Claims and channels may change between the division and this step: what was set aside for a peer and cannot go there
/// any more goes to the creator's account here, or waits.
fn redirect(tx: &mut Tx, close: &Close, month: Month) -> Result<(), CloseError> {
    let mut entry = Entry::new(format!("redirect/{month}"), Kind::Division, close.now);
    let mut payees: HashMap<Currency, Payees> = HashMap::new();
    for detail in months::shares_of_month(tx, month)? {
        let share = &detail.share;
        if share.outcome()? != Outcome::Stated {
            continue;
        }
        let (amount, patron) = (share.amount()?, crate::domain::id::PatronId(share.patron_id));
        let owner = share.identity_id.map(IdentityId);
        let payees = payees.entry(amount.currency()).or_insert_with(|| Payees::new(close.instance, amount.currency()));
        let (outcome, account) = match payees.of(tx, owner)? {
            Payee::Peer { .. } => continue,
            Payee::Own { creator, .. } => (Outcome::Paid, Account::CreatorAvailable(creator)),
            Payee::Nobody => {
                let held = waits_for(tx, owner, &detail.platform, &detail.object)?;
                (Outcome::Held, Account::PatronHeld(patron, held))
            }
        };
        months::set_outcome(tx, &[share.flattr_id], Outcome::Stated, outcome, None, None)?;
        if amount.is_positive() {
            entry = entry.transfer(Account::PatronReserved(patron, month), account.clone(), amount);
            let fee = Policy::fee(amount, close.instance.policy.creator_fee_basis_points);
            if outcome == Outcome::Paid && fee.is_positive() {
                entry = entry.transfer(account, Account::FeeCreator, fee);
            }
        }
    }
    if !entry.transfers.is_empty() {
        ledger::post(tx, &entry)?;
    }
    Ok(())
}

/// Shares that waited for a creator who has since claimed at a peer go into this month's statement. Those that came back
/// from a statement while the creator moved here are released: no claim will ask for them again.
fn release_waiting(tx: &mut Tx, close: &Close, month: Month) -> Result<(), CloseError> {
    let (mut released, mut own) = (Vec::new(), Vec::new());
    let mut entry = Entry::new(format!("release/{month}"), Kind::Release, close.now);
    let mut payees: HashMap<Currency, Payees> = HashMap::new();
    for share in months::held_before(tx, month)? {
        let currency = share.amount()?.currency();
        let payees = payees.entry(currency).or_insert_with(|| Payees::new(close.instance, currency));
        let is_due = share.expires_at <= month.freeze().micros();
        let owner = share.identity_id.map(IdentityId);
        match payees.of(tx, owner)? {
            Payee::Peer { .. } if !is_due => released.push(share.flattr_id),
            Payee::Own { creator, .. } if !is_due => {
                own.push(share.flattr_id);
                let amount = share.amount()?;
                if amount.is_positive() {
                    let held = waits_for(tx, owner, "", "")?;
                    let patron = crate::domain::id::PatronId(share.patron_id);
                    let available = Account::CreatorAvailable(creator);
                    entry = entry.transfer(Account::PatronHeld(patron, held), available.clone(), amount);
                    let fee = Policy::fee(amount, close.instance.policy.creator_fee_basis_points);
                    if fee.is_positive() {
                        entry = entry.transfer(available, Account::FeeCreator, fee);
                    }
                }
            }
            Payee::Peer { .. } | Payee::Own { .. } | Payee::Nobody => {}
        }
    }
    if !entry.transfers.is_empty() {
        ledger::post(tx, &entry)?;
    }
    if !own.is_empty() {
        months::set_outcome(tx, &own, Outcome::Held, Outcome::Released, None, Some(month))?;
    }
    if !released.is_empty() {
        months::set_outcome(tx, &released, Outcome::Held, Outcome::Stated, None, Some(month))?;
    }
    Ok(())
}

/// Every share that the commitment must account for, by currency, with its place in the tree.
fn counted_shares(tx: &mut Tx, instance: &Instance, month: Month) -> Result<BTreeMap<Currency, Counted>, CloseError> {
    let mut names: HashMap<i64, String> = HashMap::new();
    let mut payees: HashMap<Currency, Payees> = HashMap::new();
    let mut counted: BTreeMap<Currency, Counted> = BTreeMap::new();
    for detail in months::shares_to_commit(tx, month)? {
        let share = &detail.share;
        let currency = share.amount()?.currency();
        let of_month = share.month()?;
        let key = flattr::Key {
            home: instance.uri(),
            patron: patron_uri(tx, instance, &mut names, share.patron_id)?,
            object: object_ref(&detail.platform, &detail.object)?,
            month: of_month,
        };
        let payees = payees.entry(currency).or_insert_with(|| Payees::new(instance, currency));
        let place = place(tx, instance, payees, &detail, month)?;
        let share = CountedShare { key: key.text(), units: share.units, place };
        let group = counted.entry(currency).or_insert(Counted { details: Vec::new(), shares: Vec::new() });
        group.shares.push(share);
        group.details.push(Some(detail));
    }
    for budget in months::budgets_of_month(tx, month)? {
        if budget.fee_units > 0 {
            let patron = patron_uri(tx, instance, &mut names, budget.patron_id.0)?;
            let key = format!("fee\n{patron}\n{month}");
            let group =
                counted.entry(budget.currency()?).or_insert(Counted { details: Vec::new(), shares: Vec::new() });
            group.shares.push(CountedShare { key, units: budget.fee_units, place: Place::Fee });
            group.details.push(None);
        }
    }
    Ok(counted)
}

fn patron_uri(
    tx: &mut Tx,
    instance: &Instance,
    names: &mut HashMap<i64, String>,
    patron: i64,
) -> Result<String, storage::Error> {
    if let Some(uri) = names.get(&patron) {
        return Ok(uri.clone());
    }
    let row = people::patron(tx, crate::domain::id::PatronId(patron))?
        .ok_or_else(|| storage::Error::corrupt("patron", patron))?;
    let uri = instance.patron_uri(&row.name);
    names.insert(patron, uri.clone());
    Ok(uri)
}

/// Where a share stood at this freeze, even if it has moved since.
fn place(
    tx: &mut Tx,
    instance: &Instance,
    payees: &mut Payees,
    detail: &ShareDetail,
    month: Month,
) -> Result<Place, storage::Error> {
    let share = &detail.share;
    let of_month = share.month()?;
    let owner = share.identity_id.map(IdentityId);
    let ended_later = share.ended_month()?.is_some_and(|ended| ended > month);
    let outcome = if ended_later { Outcome::Held } else { share.outcome()? };
    let waits = waits_for(tx, owner, &detail.platform, &detail.object)?.to_string();
    Ok(match outcome {
        Outcome::Held if of_month == month => Place::Held(waits),
        Outcome::Held => Place::Carried(waits),
        Outcome::Returned => Place::Returned(waits),
        Outcome::Paid | Outcome::Stated | Outcome::Released => {
            let no_payee = || storage::Error::corrupt("payee of flattr", share.flattr_id);
            let (peer, creator) = if outcome == Outcome::Stated {
                match payees.of(tx, owner)? {
                    Payee::Peer { home_uri, creator_uri } => (home_uri, creator_uri),
                    Payee::Own { .. } | Payee::Nobody => return Err(no_payee()),
                }
            } else {
                // Paid here and now with whoever it belonged to; the claim may have moved to a peer since.
                let claim = identities::last_own_claim(tx, owner.ok_or_else(no_payee)?)?.ok_or_else(no_payee)?;
                (instance.uri(), claim.creator_uri)
            };
            let origin = (of_month != month).then_some(of_month);
            Place::Creator { peer, creator, identity: waits, origin }
        }
    })
}

/// Writes one statement: its message, its lines, and the reservation of what it promises.
#[allow(clippy::too_many_arguments, reason = "the parts of one statement, each computed once for all peers")]
fn offer_statement(
    tx: &mut Tx,
    close: &Close,
    month: Month,
    currency: Currency,
    peer: &str,
    tree: &PeerTree,
    counted: &Counted,
    commitment_digest: &str,
) -> Result<(), CloseError> {
    let channel = Channel { debtor: close.instance.uri(), creditor: peer.to_owned(), currency };
    let channel = settlement::channel_by_key(tx, &channel.key())?
        .ok_or_else(|| storage::Error::corrupt("channel", channel.key()))?;
    let units = i64::try_from(tree.root.sum).map_err(|_| storage::Error::corrupt("sum of", month))?;
    let sum = Amount::from_units(units, currency);
    let like_count: u64 = tree.lines.iter().map(|line| line.like_count).sum();
    let creators: std::collections::BTreeSet<&str> = tree.lines.iter().map(|line| line.creator.as_str()).collect();
    let offer = StatementOffer {
        month,
        sum,
        like_count: i64::try_from(like_count).expect("likes fit 63 bits"),
        creator_count: i64::try_from(creators.len()).expect("creators fit 63 bits"),
        root: tree.root,
        commitment: commitment_uri(close.instance, month),
        commitment_digest: commitment_digest.to_owned(),
        commitment_path: tree.path.clone(),
        expires: month.statement_expiry(),
    };
    let message = settle::say(tx, close, &channel, Body::Statement(offer.clone()))?;
    let new = NewStatement {
        channel: channel.id,
        month,
        uri: &message.uri,
        digest: &message.digest,
        sum,
        like_count: offer.like_count,
        creator_count: offer.creator_count,
        root: &hex::encode(tree.root.hash),
        expires_at: offer.expires,
        due_at: month.due(),
    };
    let statement = settlement::make_statement(tx, &new, close.now)?;
    let mut lines = Vec::with_capacity(tree.lines.len());
    let mut flattrs = Vec::new();
    let mut taken: BTreeMap<Account, i64> = BTreeMap::new();
    for (position, line) in (0_i64..).zip(&tree.lines) {
        lines.push(NewLine {
            statement_id: statement.0,
            position,
            creator_uri: line.creator.clone(),
            identity: line.identity.clone(),
            like_count: i64::try_from(line.like_count).expect("likes fit 63 bits"),
            units: i64::try_from(line.leaves.sum).expect("a line is at most its statement"),
            leaves_root: hex::encode(line.leaves.hash),
            subtotal: hex::encode(line.subtotal().hash),
            origin_month: line.origin.map(|origin| origin.to_string()),
            paid_units: 0,
        });
        for index in &line.shares {
            let detail = counted.details[*index].as_ref().expect("a line holds shares of flattrs");
            let patron = crate::domain::id::PatronId(detail.share.patron_id);
            let account = match line.origin {
                None => Account::PatronReserved(patron, month),
                Some(_) => {
                    let owner = detail.share.identity_id.map(IdentityId);
                    Account::PatronHeld(patron, waits_for(tx, owner, &detail.platform, &detail.object)?)
                }
            };
            *taken.entry(account).or_default() += detail.share.units;
            flattrs.push((detail.share.flattr_id, line.origin.is_some()));
        }
    }
    settlement::save_lines(tx, &lines)?;
    for (is_origin, ended) in [(false, None), (true, Some(month))] {
        let ids: Vec<i64> = flattrs.iter().filter(|(_, origin)| *origin == is_origin).map(|(id, _)| *id).collect();
        months::set_outcome(tx, &ids, Outcome::Stated, Outcome::Stated, Some(statement.0), ended)?;
    }
    let mut entry = Entry::new(settle::offered_entry_id(&message.digest), Kind::StatementOffered, close.now);
    for (account, units) in taken {
        if units > 0 {
            let due_to = Account::DueTo(host_of(peer).to_owned());
            entry.push(account, due_to, Amount::from_units(units, currency), Phase::Pending);
        }
    }
    ledger::post(tx, &entry)?;
    Ok(())
}
