//! Typed ids: one newtype for each kind of row, so that a patron cannot be paid as a creator.
//!
//! Row ids never leave the instance; what travels is a URI.

use std::fmt;

macro_rules! typed_id {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub i64);

        impl From<i64> for $name {
            fn from(row: i64) -> Self {
                Self(row)
            }
        }

        impl From<$name> for i64 {
            fn from(id: $name) -> i64 {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )+};
}

typed_id! {
    /// Credentials on this instance.
    LoginId,
    /// Who gives.
    PatronId,
    /// Who receives, with an account of its own here.
    CreatorId,
    /// Any actor that this instance knows, its own or a remote one.
    ActorId,
    /// An account on a platform, claimed or not.
    IdentityId,
    /// A liked thing on a platform.
    ObjectId,
    /// One like that counts: one patron, one object, one month.
    FlattrId,
    /// A payout to a creator.
    PayoutId,
    /// One direction of debt between two instances in one currency.
    ChannelId,
    /// A month's statement in a channel.
    StatementId,
}
