//! The oracle: one central computation over all likes of the story, against which the federation is held.
//!
//! It knows nothing of instances, statements or payments: only who set aside how much, and who liked what.

use std::collections::BTreeMap;

use crate::domain::flattr::Key;
use crate::domain::identity::ObjectRef;
use crate::domain::money::{Amount, Currency};
use crate::domain::share::apportion;
use crate::domain::time::Month;

/// A patron's month: what is divided, and over which posts.
pub struct PatronMonth {
    pub home: String,
    pub patron: String,
    pub month: Month,
    pub budget: Amount,
    /// (post, creator); of a post whose creator nobody knows yet, nobody.
    pub likes: Vec<(ObjectRef, Option<&'static str>)>,
}

/// What every creator must have received, in all.
pub fn totals(months: &[PatronMonth]) -> BTreeMap<&'static str, Amount> {
    let mut totals: BTreeMap<&'static str, Amount> = BTreeMap::new();
    for patron in months {
        let key = |(object, _): &(ObjectRef, Option<&'static str>)| Key {
            home: patron.home.clone(),
            patron: patron.patron.clone(),
            object: object.clone(),
            month: patron.month,
        };
        let keys: Vec<Key> = patron.likes.iter().map(key).collect();
        let shares = apportion(patron.budget, &keys, &vec![1; keys.len()]);
        for ((_, creator), share) in patron.likes.iter().zip(shares) {
            let Some(creator) = creator else { continue };
            let total = totals.entry(creator).or_insert(Amount::zero(Currency::EUR));
            *total = total.checked_add(share).expect("the story stays within the range of an amount");
        }
    }
    totals
}
