//! Dividing a month: what each flattr of a patron receives.
//!
//! Owns the only rounding of the product. The sum of the shares is the budget exactly; a share differs from its exact
//! quota by less than one ledger unit; the result depends on the keys and not on their order, so a resumed close gives the
//! same shares. Source: largest remainder (Hamilton) method; docs/money.md, "Dividing a month".

use aws_lc_rs::digest::{SHA256, digest};

use super::flattr;
use super::money::Amount;

/// Divides `budget` over the flattrs of one patron in one month.
///
/// - `budget`: not negative.
/// - `flattrs`: distinct keys, in any order.
/// - `weights`: one for each flattr, in the order of `flattrs`. A weight of zero receives nothing.
/// - returns: one share for each flattr, same order; the sum is exactly `budget`. Empty when the weights sum to zero:
///   the caller decides where the budget goes.
///
/// Ties in the remainder go by the SHA-256 of home, month and key, compared as unsigned bytes, which favours nobody.
pub fn apportion(budget: Amount, flattrs: &[flattr::Key], weights: &[u32]) -> Vec<Amount> {
    assert_eq!(flattrs.len(), weights.len(), "one weight for each flattr");
    let weights: Vec<i64> = weights.iter().map(|weight| i64::from(*weight)).collect();
    largest_remainder(budget, &weights, |index| tie_digest(&flattrs[index]))
}

/// Divides `amount` in proportion to `weights`, by largest remainder: also for partial payments over statement lines.
///
/// - `amount` and `weights`: not negative.
/// - `tie`: a digest for each index; of equal remainders the smaller digest receives first.
/// - returns: one part for each weight, same order; the sum is exactly `amount`. Empty when the weights sum to zero.
pub fn largest_remainder(amount: Amount, weights: &[i64], tie: impl Fn(usize) -> [u8; 32]) -> Vec<Amount> {
    assert!(amount.units() >= 0, "what is divided is never negative");
    assert!(weights.iter().all(|weight| *weight >= 0), "weights are never negative");
    let total_weight: i128 = weights.iter().map(|weight| i128::from(*weight)).sum();
    if total_weight == 0 {
        return Vec::new();
    }
    let whole = i128::from(amount.units());
    let mut parts = Vec::with_capacity(weights.len());
    let mut remainders = Vec::with_capacity(weights.len());
    for (index, weight) in weights.iter().enumerate() {
        let product = i128::from(*weight) * whole;
        parts.push(product / total_weight);
        let remainder = product % total_weight;
        if remainder > 0 {
            remainders.push((std::cmp::Reverse(remainder), tie(index), index));
        }
    }
    let left_over = whole - parts.iter().sum::<i128>();
    remainders.sort_unstable();
    let left_over = usize::try_from(left_over).expect("less is left over than there are parts");
    for (_, _, index) in remainders.iter().take(left_over) {
        parts[*index] += 1;
    }
    let parts: Vec<Amount> = parts
        .into_iter()
        .map(|units| {
            let units = i64::try_from(units).expect("a part is at most the whole");
            Amount::from_units(units, amount.currency())
        })
        .collect();
    let sum = Amount::sum(parts.iter().copied(), amount.currency());
    assert_eq!(sum, Some(amount), "the parts sum to the whole");
    parts
}

/// `SHA-256("fedflattr/share/1" || home || month || flattr key)`, joined by line feeds.
pub(super) fn tie_digest(key: &flattr::Key) -> [u8; 32] {
    let text = format!("fedflattr/share/1\n{}\n{}\n{}", key.home, key.month, key.text());
    digest(&SHA256, text.as_bytes()).as_ref().try_into().expect("SHA-256 has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::identity::{ObjectRef, Platform};
    use crate::domain::money::Currency;

    pub(super) fn key(number: usize) -> flattr::Key {
        flattr::Key {
            home: "https://alpha.example/instance".to_owned(),
            patron: "https://alpha.example/users/alice".to_owned(),
            object: ObjectRef::new(Platform::Vimeo, &number.to_string()).unwrap(),
            month: "2013-06".parse().unwrap(),
        }
    }

    fn eur(units: i64) -> Amount {
        Amount::from_units(units, Currency::EUR)
    }

    #[test]
    fn twenty_five_flattrs_on_ten_euros_are_forty_cents_each() {
        let keys: Vec<_> = (0..25).map(key).collect();
        let shares = apportion(eur(10_000_000), &keys, &[1; 25]);
        assert!(shares.iter().all(|share| *share == eur(400_000)));
    }

    #[test]
    fn what_does_not_divide_goes_to_single_flattrs_by_their_hash() {
        let keys: Vec<_> = (0..3).map(key).collect();
        let shares = apportion(eur(1_000_000), &keys, &[1, 1, 1]);
        let mut units: Vec<i64> = shares.iter().map(|share| share.units()).collect();
        units.sort_unstable();
        assert_eq!(units, [333_333, 333_333, 333_334]);
    }

    #[test]
    fn the_tie_break_is_the_published_one() {
        // Another implementation must reach the same digest: docs/settlement-protocol.md gives this vector.
        assert_eq!(
            hex::encode(tie_digest(&key(1))),
            "7330e1ca9d7a4fdb6f98d40d8c69a25e52359c9da40db507ec54a34edfbb7a5c"
        );
    }

    #[test]
    fn a_month_without_flattrs_has_no_shares() {
        assert!(apportion(eur(2_000_000), &[], &[]).is_empty());
        assert!(apportion(eur(2_000_000), &[key(1)], &[0]).is_empty());
    }
}

#[cfg(test)]
mod properties {
    use proptest::prelude::*;

    use super::tests::key;
    use super::*;
    use crate::domain::money::Currency;

    fn case() -> impl Strategy<Value = (i64, Vec<u32>)> {
        let budget = prop_oneof![0_i64..1_000, 0_i64..100_000_000, Just(i64::MAX)];
        (budget, prop::collection::vec(prop_oneof![Just(1_u32), 0_u32..5, Just(u32::MAX)], 0..60))
    }

    fn divide(budget: i64, order: &[usize], weights: &[u32]) -> Vec<i64> {
        let keys: Vec<_> = order.iter().copied().map(key).collect();
        let weights: Vec<u32> = order.iter().map(|index| weights[*index]).collect();
        let shares = apportion(Amount::from_units(budget, Currency::EUR), &keys, &weights);
        shares.into_iter().map(Amount::units).collect()
    }

    proptest! {
        #[test]
        fn shares_sum_to_the_budget_and_obey_the_quota((budget, weights) in case()) {
            let order: Vec<usize> = (0..weights.len()).collect();
            let shares = divide(budget, &order, &weights);
            let total: i128 = weights.iter().map(|weight| i128::from(*weight)).sum();
            if total == 0 {
                prop_assert!(shares.is_empty());
                return Ok(());
            }
            prop_assert_eq!(shares.iter().map(|units| i128::from(*units)).sum::<i128>(), i128::from(budget));
            for (share, weight) in shares.iter().zip(&weights) {
                let product = i128::from(budget) * i128::from(*weight);
                let floor = product / total;
                let ceiling = floor + i128::from(product % total > 0);
                prop_assert!((floor..=ceiling).contains(&i128::from(*share)));
            }
        }

        #[test]
        fn shares_do_not_depend_on_the_order((budget, weights) in case(), seed: u64) {
            let order: Vec<usize> = (0..weights.len()).collect();
            let mut shuffled = order.clone();
            shuffled.sort_by_key(|index| (*index as u64).wrapping_mul(seed | 1).rotate_left(17));
            let straight = divide(budget, &order, &weights);
            let mixed = divide(budget, &shuffled, &weights);
            for (position, index) in shuffled.iter().enumerate() {
                if !straight.is_empty() {
                    prop_assert_eq!(mixed[position], straight[*index]);
                }
            }
        }

        #[test]
        fn equal_weights_differ_by_at_most_one_unit(budget in 0_i64..10_000_000, count in 1_usize..80) {
            let order: Vec<usize> = (0..count).collect();
            let shares = divide(budget, &order, &vec![1; count]);
            let most = shares.iter().max().unwrap();
            let least = shares.iter().min().unwrap();
            prop_assert!(most - least <= 1);
        }
    }
}
