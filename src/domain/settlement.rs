//! Settlement between two instances: channels, and the life of a statement and its obligation.
//!
//! Owns the one table of states. A statement is offered by the debtor, bound when the creditor's Accept came in time,
//! agreed when the creditor holds the acknowledgement; only then a creator sees "promised". The bytes of the messages are
//! in [`super::message`]. Source: docs/settlement-protocol.md, "Messages and states".

use super::money::Currency;

/// One direction of debt between two instances in one currency.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Channel {
    /// URI of the debtor's instance actor.
    pub debtor: String,
    pub creditor: String,
    pub currency: Currency,
}

impl Channel {
    /// `<debtor host>/<creditor host>/<currency>`
    pub fn key(&self) -> String {
        format!("{}/{}/{}", host_of(&self.debtor), host_of(&self.creditor), self.currency)
    }
}

/// Host, with a port where it is not the scheme's own, of an absolute URI.
pub fn host_of(uri: &str) -> &str {
    let rest = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

/// Where a statement and its obligation stand, on either side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    Offered,
    /// Debtor only: the Accept came in time, the obligation is posted, the acknowledgement is on its way.
    Bound,
    Agreed,
    Paying,
    Settled,
    Voided,
    Overdue,
    Defaulted,
}

/// What happens to a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// Debtor: an Accept came before the deadline.
    AcceptedInTime,
    /// Debtor: the acknowledgement was taken by the creditor's inbox. Creditor: it is here.
    Acknowledged,
    /// A Reject, ours or theirs.
    Rejected,
    /// Debtor: no Accept came in time. Creditor: the void is here.
    Withdrawn,
    PaymentNoticed,
    /// A receipt that leaves less than nothing open.
    ReceivedInFull,
    /// A receipt that leaves something open.
    ReceivedInPart,
    BecameOverdue,
    BecameDefaulted,
}

/// A step that the table does not have. An error when a peer asked for it, a bug when our own code did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a statement that is {from:?} cannot be {event:?}")]
pub struct IllegalStep {
    pub from: State,
    pub event: Event,
}

impl State {
    pub const ALL: [State; 8] = [
        State::Offered,
        State::Bound,
        State::Agreed,
        State::Paying,
        State::Settled,
        State::Voided,
        State::Overdue,
        State::Defaulted,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            State::Offered => "offered",
            State::Bound => "bound",
            State::Agreed => "agreed",
            State::Paying => "paying",
            State::Settled => "settled",
            State::Voided => "voided",
            State::Overdue => "overdue",
            State::Defaulted => "defaulted",
        }
    }

    pub fn parse(text: &str) -> Option<State> {
        State::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// Whether the debtor owes what is not paid.
    pub const fn is_owed(self) -> bool {
        matches!(self, State::Bound | State::Agreed | State::Paying | State::Overdue | State::Defaulted)
    }
}

pub fn step(state: State, event: Event) -> Result<State, IllegalStep> {
    use Event::*;
    use State::*;
    Ok(match (state, event) {
        (Offered, AcceptedInTime) => Bound,
        (Offered | Bound, Acknowledged) => Agreed,
        (Offered, Rejected | Withdrawn) => Voided,
        (Bound | Agreed | Overdue | Defaulted, PaymentNoticed) => Paying,
        // Money may come after the date at which it was missed.
        (Paying | Overdue | Defaulted, ReceivedInFull) => Settled,
        (Paying, ReceivedInPart) => Agreed,
        // Two payments were on their way: the first made the statement look idle again.
        (Agreed, ReceivedInFull) => Settled,
        (Agreed, ReceivedInPart) => Agreed,
        (Overdue | Defaulted, ReceivedInPart) => state,
        (Bound | Agreed | Paying, BecameOverdue) => Overdue,
        (Overdue, BecameDefaulted) => Defaulted,
        // What is repeated is harmless.
        (Bound | Agreed | Paying | Settled | Overdue | Defaulted, AcceptedInTime) => state,
        (Agreed | Paying | Settled | Overdue | Defaulted, Acknowledged) => state,
        (Voided, Rejected | Withdrawn) => Voided,
        (Paying, PaymentNoticed) => Paying,
        (Settled, ReceivedInFull) => Settled,
        (from, event) => return Err(IllegalStep { from, event }),
    })
}

/// Why a creditor rejects a whole statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RejectCode {
    Currency,
    Terms,
    RootMismatch,
    SumMismatch,
    UnknownCreator,
    NotClaimed,
    Clock,
    Duplicate,
    OverLimit,
}

impl RejectCode {
    pub const ALL: [RejectCode; 9] = [
        RejectCode::Currency,
        RejectCode::Terms,
        RejectCode::RootMismatch,
        RejectCode::SumMismatch,
        RejectCode::UnknownCreator,
        RejectCode::NotClaimed,
        RejectCode::Clock,
        RejectCode::Duplicate,
        RejectCode::OverLimit,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            RejectCode::Currency => "currency",
            RejectCode::Terms => "terms",
            RejectCode::RootMismatch => "root_mismatch",
            RejectCode::SumMismatch => "sum_mismatch",
            RejectCode::UnknownCreator => "unknown_creator",
            RejectCode::NotClaimed => "not_claimed",
            RejectCode::Clock => "clock",
            RejectCode::Duplicate => "duplicate",
            RejectCode::OverLimit => "over_limit",
        }
    }

    pub fn parse(text: &str) -> Option<RejectCode> {
        RejectCode::ALL.into_iter().find(|code| code.as_str() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_straight_road() {
        use Event::*;
        let road = |events: &[Event]| events.iter().try_fold(State::Offered, |state, event| step(state, *event));
        let debtor = [AcceptedInTime, Acknowledged, PaymentNoticed, ReceivedInFull];
        assert_eq!(road(&debtor), Ok(State::Settled));
        let creditor = [Acknowledged, PaymentNoticed, ReceivedInFull, ReceivedInFull];
        assert_eq!(road(&creditor), Ok(State::Settled));
        assert_eq!(road(&[Withdrawn, Withdrawn]), Ok(State::Voided));
        assert_eq!(road(&[AcceptedInTime, PaymentNoticed, ReceivedInPart]), Ok(State::Agreed));
        assert_eq!(road(&[AcceptedInTime, PaymentNoticed, BecameOverdue, ReceivedInFull]), Ok(State::Settled));
        assert_eq!(road(&[AcceptedInTime, PaymentNoticed, BecameOverdue, ReceivedInPart]), Ok(State::Overdue));
    }

    #[test]
    fn what_is_bound_cannot_be_withdrawn_and_what_is_voided_never_owes() {
        for event in [Event::Rejected, Event::Withdrawn] {
            for state in [State::Bound, State::Agreed, State::Paying, State::Settled, State::Overdue] {
                assert_eq!(step(state, event), Err(IllegalStep { from: state, event }));
            }
        }
        for event in [Event::AcceptedInTime, Event::Acknowledged, Event::PaymentNoticed, Event::ReceivedInFull] {
            assert!(step(State::Voided, event).is_err());
        }
        assert!(!State::Voided.is_owed() && !State::Offered.is_owed() && !State::Settled.is_owed());
    }

    #[test]
    fn a_channel_is_named_by_its_two_hosts() {
        let channel = Channel {
            debtor: "https://alpha.example/instance".to_owned(),
            creditor: "http://beta.localhost:8102/instance".to_owned(),
            currency: Currency::EUR,
        };
        assert_eq!(channel.key(), "alpha.example/beta.localhost:8102/EUR");
    }
}
