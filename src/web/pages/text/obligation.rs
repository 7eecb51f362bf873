//! What became of money that one instance owes another, in words.
//!
//! Owns that the words follow the money: a statement in the state "agreed" may be unpaid, paid in part, or paid but for a
//! rest that is carried over, and each is said as it is. Must not know storage: it is given states and amounts.

use super::{Lang, Text};
use crate::domain::money::Amount;
use crate::domain::settlement::State;
use crate::domain::time::Timestamp;

/// What is owed under a statement: all of it, or one line.
#[derive(Clone, Debug)]
pub struct Obligation {
    pub state: State,
    pub sum: Amount,
    pub paid: Amount,
    /// Whether what is open of the whole statement is too little to be paid alone.
    pub is_rest_small: bool,
    pub due_at: Timestamp,
    pub now: Timestamp,
}

/// What is to be said of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Offered,
    Void,
    /// Agreed, and the day of payment has not come.
    Awaited,
    /// The day has come and no payment is announced.
    Due,
    Announced,
    Paid,
    /// Paid but for a rest below what is paid alone.
    PaidButRest,
    /// Nothing is paid: all of it is below what is paid alone.
    CarriedOver,
    PaidInPart,
    Overdue,
    Defaulted,
}

impl Obligation {
    pub fn standing(&self) -> Standing {
        let is_open = self.paid.units() < self.sum.units();
        let is_begun = self.paid.is_positive();
        match self.state {
            State::Offered => Standing::Offered,
            State::Voided => Standing::Void,
            State::Settled => Standing::Paid,
            State::Bound | State::Agreed | State::Paying | State::Overdue | State::Defaulted if !is_open => {
                Standing::Paid
            }
            State::Overdue => Standing::Overdue,
            State::Defaulted => Standing::Defaulted,
            State::Paying => Standing::Announced,
            State::Bound | State::Agreed if is_begun && self.is_rest_small => Standing::PaidButRest,
            State::Bound | State::Agreed if is_begun => Standing::PaidInPart,
            State::Bound | State::Agreed if self.now < self.due_at => Standing::Awaited,
            State::Bound | State::Agreed if self.is_rest_small => Standing::CarriedOver,
            State::Bound | State::Agreed => Standing::Due,
        }
    }

    fn rest(&self) -> Amount {
        self.sum.checked_sub(self.paid).unwrap_or(Amount::zero(self.sum.currency()))
    }
}

impl Text {
    /// How it stands, for a cell of a table with sum and paid beside it.
    pub fn obligation(&self, obligation: &Obligation) -> String {
        let (due, rest) = (self.date(obligation.due_at), self.money(obligation.rest()));
        let is_french = self.0 == Lang::Fr;
        match obligation.standing() {
            Standing::Offered => self.pick("offered, not accepted yet", "proposé, pas encore accepté"),
            Standing::Void => self.pick("void: the shares wait again", "annulé : les parts attendent à nouveau"),
            Standing::Awaited if is_french => format!("convenu, à payer le {due}"),
            Standing::Awaited => format!("agreed, to be paid on {due}"),
            Standing::Due if is_french => format!("convenu, à payer depuis le {due}"),
            Standing::Due => format!("agreed, due since {due}"),
            Standing::Announced => self.pick("payment announced", "paiement annoncé"),
            Standing::Paid => self.pick("paid", "payé"),
            Standing::PaidButRest if is_french => format!("payé ; le reste de {rest} va au prochain paiement"),
            Standing::PaidButRest => format!("paid; the rest of {rest} goes with the next payment"),
            Standing::CarriedOver => self.pick(
                "carried over: too little for a payment of its own",
                "reporté : trop peu pour un paiement à part",
            ),
            Standing::PaidInPart if is_french => format!("payé en partie, {rest} restent dus"),
            Standing::PaidInPart => format!("paid in part, {rest} is still owed"),
            Standing::Overdue if is_french => format!("en retard : {rest} ne sont pas payés"),
            Standing::Overdue => format!("overdue: {rest} is not paid"),
            Standing::Defaulted if is_french => format!("en défaut : {rest} ne sont pas payés"),
            Standing::Defaulted => format!("in default: {rest} is not paid"),
        }
    }

    /// What became of a patron's share that was stated to the creator's instance: what happened, what happens next, and
    /// whether there is something to do. Names no amount: what is open is other patrons' too.
    ///
    /// - `host`: of the creator's instance.
    pub fn stated_share(&self, host: &str, obligation: &Obligation) -> String {
        let due = self.date(obligation.due_at);
        let is_french = self.0 == Lang::Fr;
        match obligation.standing() {
            Standing::Offered if is_french => format!("Déclarée à {host}, qui n’a pas encore accepté. Rien à faire."),
            Standing::Offered => format!("Stated to {host}, which has not accepted it yet. Nothing to do."),
            Standing::Void if is_french => format!("{host} ne l’a pas acceptée : elle attend à nouveau. Rien à faire."),
            Standing::Void => format!("Not accepted by {host}: it waits again. Nothing to do."),
            Standing::Awaited if is_french => format!("Due à {host}, payée le {due}. Rien à faire."),
            Standing::Awaited => format!("Owed to {host}, which is paid on {due}. Nothing to do."),
            Standing::Due if is_french => format!("Due à {host} depuis le {due} ; le paiement suit. Rien à faire."),
            Standing::Due => format!("Owed to {host} since {due}; the payment follows. Nothing to do."),
            Standing::Announced if is_french => format!("Le paiement à {host} est en route. Rien à faire."),
            Standing::Announced => format!("The payment to {host} is on its way. Nothing to do."),
            Standing::Paid if is_french => format!("Payée à {host}, l’instance du créateur. Terminé."),
            Standing::Paid => format!("Paid to {host}, the creator’s instance. Done."),
            Standing::PaidButRest if is_french => {
                format!("Payée à {host}, l’instance du créateur ; un petit reste va au prochain paiement. Terminé.")
            }
            Standing::PaidButRest => {
                format!("Paid to {host}, the creator’s instance; a small rest goes with the next payment. Done.")
            }
            Standing::CarriedOver if is_french => {
                format!("Due à {host} ; trop peu pour un paiement à part, elle va au prochain. Rien à faire.")
            }
            Standing::CarriedOver => {
                format!("Owed to {host}; too little for a payment of its own, it goes with the next. Nothing to do.")
            }
            Standing::PaidInPart if is_french => format!("Payée en partie à {host} ; le reste est dû. Rien à faire."),
            Standing::PaidInPart => format!("Paid in part to {host}; the rest is still owed. Nothing to do."),
            Standing::Overdue | Standing::Defaulted if is_french => {
                format!("Pas payée à {host} à temps : cette instance est en retard. Demandez à l’opérateur.")
            }
            Standing::Overdue | Standing::Defaulted => {
                format!("Not paid to {host} in time: this instance is late. Ask the operator.")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::money::Currency;

    fn obligation(state: State, paid: i64) -> Obligation {
        Obligation {
            state,
            sum: Amount::from_units(3_333_333, Currency::EUR),
            paid: Amount::from_units(paid, Currency::EUR),
            is_rest_small: 3_333_333 - paid < 10_000,
            due_at: "2013-07-10T00:00:00Z".parse().unwrap(),
            now: "2013-07-11T00:00:00Z".parse().unwrap(),
        }
    }

    #[test]
    fn the_words_follow_what_is_paid() {
        let check =
            |state, paid, expected| assert_eq!(obligation(state, paid).standing(), expected, "{state:?} {paid}");
        check(State::Offered, 0, Standing::Offered);
        check(State::Voided, 0, Standing::Void);
        check(State::Bound, 0, Standing::Due);
        check(State::Agreed, 0, Standing::Due);
        check(State::Agreed, 3_330_000, Standing::PaidButRest);
        check(State::Agreed, 1_000_000, Standing::PaidInPart);
        check(State::Agreed, 3_333_333, Standing::Paid);
        check(State::Paying, 0, Standing::Announced);
        check(State::Settled, 3_333_333, Standing::Paid);
        check(State::Overdue, 0, Standing::Overdue);
        check(State::Overdue, 1_000_000, Standing::Overdue);
        check(State::Defaulted, 0, Standing::Defaulted);
        let early = Obligation { now: "2013-07-09T00:00:00Z".parse().unwrap(), ..obligation(State::Agreed, 0) };
        assert_eq!(early.standing(), Standing::Awaited);
        let little = Obligation { is_rest_small: true, ..obligation(State::Agreed, 0) };
        assert_eq!(little.standing(), Standing::CarriedOver);
    }

    #[test]
    fn a_rest_is_named_to_the_last_unit() {
        let paid = obligation(State::Agreed, 3_330_000);
        assert_eq!(Text(Lang::En).obligation(&paid), "paid; the rest of €0.003333 goes with the next payment");
        assert_eq!(Text(Lang::Fr).obligation(&paid), "payé ; le reste de 0,003333\u{a0}€ va au prochain paiement");
        assert_eq!(
            Text(Lang::En).stated_share("beta.example", &obligation(State::Settled, 3_333_333)),
            "Paid to beta.example, the creator’s instance. Done."
        );
    }
}
