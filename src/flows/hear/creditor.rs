//! The creditor's half of a channel: what is stated, acknowledged and paid to us.
//!
//! Owns that a statement is accepted as a whole or not at all, that a creator is promised money only after the debtor's
//! acknowledgement, and that a payment notice names only what is still open. Money itself comes by a rail:
//! [`receive_money`].

use std::collections::BTreeMap;

use super::{Evidence, HearError, Hearing};
use crate::domain::ledger::{Account, Entry, Kind};
use crate::domain::message::{Body, ObligationPart, StatementOffer, payment_reference};
use crate::domain::money::Amount;
use crate::domain::settlement::{Event, RejectCode, host_of, step};
use crate::domain::statement::check;
use crate::domain::time::Month;
use crate::flows::receive_money;
use crate::flows::settle::say;
use crate::storage::payments::{self, NewPayment};
use crate::storage::settlement::{self, NewLine, NewStatement};
use crate::storage::{self, Tx, evidence, identities, ledger};

impl Hearing<'_> {
    /// The debtor states what it owes for a month: checked, then accepted or rejected as a whole.
    pub(super) fn statement(
        &self,
        tx: &mut Tx,
        offer: &StatementOffer,
        evidence: Option<&Evidence>,
    ) -> Result<String, HearError> {
        self.only("the debtor", !self.channel.is_debtor)?;
        let evidence = evidence.ok_or(HearError::NoEvidence)?;
        let uri = self.message.envelope.id();
        let object = (uri.clone(), self.digest.clone());
        let refusal = match self.refusal(tx, offer, evidence)? {
            None => self.keep_commitment(tx, offer, evidence)?,
            refusal => refusal,
        };
        if let Some(code) = refusal {
            let body = Body::Reject { object: object.0, object_digest: object.1, code };
            say(tx, self.close, &self.channel, body)?;
            return Ok(format!("statement of {} rejected: {}", offer.month, code.as_str()));
        }
        let new = NewStatement {
            channel: self.channel.id,
            month: offer.month,
            uri: &uri,
            digest: &self.digest,
            sum: offer.sum,
            like_count: offer.like_count,
            creator_count: offer.creator_count,
            root: &hex::encode(offer.root.hash),
            expires_at: offer.expires,
            due_at: offer.month.due(),
        };
        let statement = settlement::make_statement(tx, &new, self.close.now)?;
        let lines: Vec<NewLine> = (0_i64..)
            .zip(&evidence.lines)
            .map(|(position, line)| NewLine {
                statement_id: statement.0,
                position,
                creator_uri: line.creator.clone(),
                identity: line.identity.clone(),
                like_count: i64::try_from(line.like_count).expect("checked against the offer's count"),
                units: i64::try_from(line.sum).expect("checked against the offer's sum"),
                leaves_root: hex::encode(line.leaves_root),
                subtotal: hex::encode(line.subtotal().hash),
                origin_month: line.origin.map(|month| month.to_string()),
                paid_units: 0,
            })
            .collect();
        settlement::save_lines(tx, &lines)?;
        let body = Body::Accept { object: object.0, object_digest: object.1 };
        let answer = say(tx, self.close, &self.channel, body)?;
        settlement::set_statement_answer(tx, statement, &answer.uri)?;
        Ok(format!("statement of {} over {} accepted", offer.month, offer.sum))
    }

    /// Keeps the commitment that the statement rests on, so that it can be proved years later. A second one for a month is
    /// evidence against the peer.
    fn keep_commitment(
        &self,
        tx: &mut Tx,
        offer: &StatementOffer,
        evidence: &Evidence,
    ) -> Result<Option<RejectCode>, HearError> {
        let (home, body) = (&self.channel.debtor_uri, evidence.commitment.to_string());
        let other = evidence::save_commitment(tx, home, offer.month, &offer.commitment_digest, &body)?;
        let Some((_, first)) = other else { return Ok(None) };
        let subject = format!("{home} {}", offer.month);
        evidence::save_evidence(tx, "two_commitments", &subject, &first, &body, self.close.now)?;
        settlement::freeze_channel(tx, self.channel.id, &format!("two commitments for {}", offer.month))?;
        Ok(Some(RejectCode::RootMismatch))
    }

    /// Why a statement cannot be accepted, if so.
    fn refusal(
        &self,
        tx: &mut Tx,
        offer: &StatementOffer,
        evidence: &Evidence,
    ) -> Result<Option<RejectCode>, HearError> {
        if self.channel.terms != "open" {
            // A channel is of one currency: with terms for another one only, the currency is what is wrong.
            let theirs = settlement::channels(tx)?.into_iter().filter(|channel| {
                channel.is_open() && !channel.is_debtor && channel.debtor_uri == self.channel.debtor_uri
            });
            let has_other_terms = theirs.count() > 0;
            return Ok(Some(if has_other_terms { RejectCode::Currency } else { RejectCode::Terms }));
        }
        if self.close.now < offer.month.freeze() || offer.expires != offer.month.statement_expiry() {
            return Ok(Some(RejectCode::Clock));
        }
        if settlement::statement_of_month(tx, self.channel.id, offer.month)?.is_some() {
            return Ok(Some(RejectCode::Duplicate));
        }
        let debtor = &self.channel.debtor_uri;
        if let Err(code) = check(offer, &self.channel.creditor_uri, debtor, &evidence.lines, &evidence.commitment) {
            return Ok(Some(code));
        }
        for line in &evidence.lines {
            let Some(creator) = receive_money::creator_by_uri(tx, self.close.instance, &line.creator)? else {
                return Ok(Some(RejectCode::UnknownCreator));
            };
            let claimed = identities::claims_of_creator(tx, creator.id)?;
            let mut is_claimed = false;
            for claim in claimed.iter().filter(|claim| may_be_stated(claim, offer.month)) {
                let identity = identities::identity(tx, claim.identity_id)?;
                let identity = identity.map(|identity| identity.external_id()).transpose()?;
                is_claimed |= identity.is_some_and(|identity| identity.to_string() == line.identity);
            }
            if !is_claimed {
                return Ok(Some(RejectCode::NotClaimed));
            }
        }
        Ok(None)
    }

    /// Creditor: the acknowledgement is here, so the creators are promised what the statement says.
    pub(super) fn agree(&self, tx: &mut Tx, answer_uri: &str) -> Result<String, HearError> {
        self.only("the debtor", !self.channel.is_debtor)?;
        let statement = settlement::statement_by_answer(tx, answer_uri)?;
        let statement = statement.ok_or_else(|| HearError::UnknownObject(answer_uri.to_owned()))?;
        let state = statement.state()?;
        let next = step(state, Event::Acknowledged)?;
        if next == state {
            return Ok(format!("statement of {} was agreed before", statement.month));
        }
        let currency = self.channel.currency()?;
        let debtor = host_of(&self.channel.debtor_uri).to_owned();
        let mut promised: BTreeMap<Account, i64> = BTreeMap::new();
        for line in settlement::lines(tx, statement.id, 0, i64::MAX)? {
            let creator = receive_money::creator_by_uri(tx, self.close.instance, &line.creator_uri)?;
            let creator = creator.ok_or_else(|| storage::Error::corrupt("creator", &line.creator_uri))?;
            *promised.entry(Account::CreatorPromised(creator.id, debtor.clone())).or_default() += line.units;
        }
        let mut entry =
            Entry::new(format!("statement/{}/agreed", statement.digest), Kind::StatementAgreed, self.close.now);
        for (account, units) in promised {
            if units > 0 {
                let amount = Amount::from_units(units, currency);
                entry = entry.transfer(Account::DueFrom(debtor.clone()), account, amount);
            }
        }
        ledger::post(tx, &entry)?;
        settlement::set_statement_state(tx, statement.id, next)?;
        Ok(format!("statement of {} agreed", statement.month))
    }

    /// Creditor: a payment is announced; the money itself comes by the rail.
    pub(super) fn payment(&self, tx: &mut Tx, parts: &[ObligationPart], total: Amount) -> Result<String, HearError> {
        self.only("the debtor", !self.channel.is_debtor)?;
        let sum = Amount::sum(parts.iter().map(|part| part.amount), total.currency());
        if sum != Some(total) || total.floor_to_cent() != total {
            return Err(HearError::BadParts);
        }
        let mut covered = Vec::new();
        for part in parts {
            let statement = settlement::statement_by_digest(tx, &part.obligation)?
                .filter(|statement| statement.channel_id == self.channel.id)
                .ok_or_else(|| HearError::UnknownObject(part.obligation.clone()))?;
            let is_twice = covered.iter().any(|(id, _)| *id == statement.id);
            let payable = statement.open_units() - payments::unpayable_units(tx, statement.id)?;
            if is_twice || part.amount.units() > payable {
                return Err(HearError::BadParts);
            }
            let state = step(statement.state()?, Event::PaymentNoticed)?;
            settlement::set_statement_state(tx, statement.id, state)?;
            covered.push((statement.id, part.amount.units()));
        }
        let reference = payment_reference(&self.digest);
        let new = NewPayment {
            channel: self.channel.id,
            uri: &self.message.envelope.id(),
            digest: &self.digest,
            reference: &reference,
            total,
            parts: &covered,
        };
        payments::make_payment(tx, &new, self.close.now)?;
        receive_money::match_suspense(tx, self.close, &reference)?;
        Ok(format!("payment of {total} announced"))
    }
}

/// Whether a debtor may owe something for a claim. What it saw at its freeze is its own evidence, so what has happened to
/// the claim since does not matter; a creator of ours whose proof is contested or gone is not another's. Otherwise one
/// line could make us reject what is owed to everybody else. What is received for such a claim waits at the payout.
fn may_be_stated(claim: &identities::Claim, month: Month) -> bool {
    let was_replaced_since = claim.verified_at.is_some() && claim.changed_at >= month.freeze().micros();
    claim.may_be_theirs() || (claim.state == "replaced" && was_replaced_since)
}
