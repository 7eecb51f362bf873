//! Money: an integer count of micro-units of one currency.
//!
//! Owns the scale (10^-6 of the major unit, for every currency, for ever), the exact conversion from and to the decimals
//! that people and files speak, and the rule that amounts of two currencies never meet. No floats, no rounding: what does
//! not fit is an error. The only function that divides money is [`super::share::apportion`].

use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;

use super::currency;

/// Ledger units in one major unit (one euro is 1,000,000). Can never change.
pub const UNITS_PER_MAJOR: i64 = 1_000_000;

/// Decimal places of a ledger unit.
pub const SCALE: u32 = 6;

/// A currency code of the form of ISO 4217: three capital letters. Whether it is in use: [`Currency::is_in_use`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

impl Currency {
    pub const EUR: Currency = Currency(*b"EUR");

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("a currency is built from three ASCII letters only")
    }

    /// Digits after the decimal point in which banks move this currency (2 for EUR, 0 for JPY, 3 for KWD).
    ///
    /// Of a code that is not in use, 2. Source: ISO 4217, "minor unit".
    pub fn minor_digits(self) -> u32 {
        currency::minor_digits(self.as_str()).unwrap_or(2)
    }

    /// Whether it is a currency in use, which an instance may keep its books in.
    ///
    /// Source: ISO 4217; see `currency`.
    pub fn is_in_use(self) -> bool {
        currency::minor_digits(self.as_str()).is_some()
    }

    /// Ledger units in the smallest amount a bank can move (10,000 for EUR).
    pub fn units_per_minor(self) -> i64 {
        10_i64.pow(SCALE - self.minor_digits())
    }
}

impl FromStr for Currency {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, MoneyError> {
        match text.as_bytes() {
            &[a, b, c] if [a, b, c].iter().all(u8::is_ascii_uppercase) => Ok(Currency([a, b, c])),
            _ => Err(MoneyError::NotACurrency(shorten(text))),
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An amount of one currency, in ledger units of 10^-6 of the major unit.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Amount {
    units: i64,
    currency: Currency,
}

/// Why a text or a number is not an amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    #[error("`{0}` is not a currency: write three capital letters of ISO 4217, such as EUR")]
    NotACurrency(String),
    #[error("`{0}` is not an amount: write a decimal number such as 12.34")]
    NotANumber(String),
    #[error("`{0}` has more than six decimal places, the finest unit that is kept")]
    TooPrecise(String),
    #[error("`{0}` is outside the range of an amount")]
    OutOfRange(String),
    #[error("`{0}` is not above zero")]
    NotPositive(String),
}

impl Amount {
    pub const fn from_units(units: i64, currency: Currency) -> Amount {
        Amount { units, currency }
    }

    pub const fn zero(currency: Currency) -> Amount {
        Amount { units: 0, currency }
    }

    pub const fn units(self) -> i64 {
        self.units
    }

    pub const fn currency(self) -> Currency {
        self.currency
    }

    pub const fn is_zero(self) -> bool {
        self.units == 0
    }

    pub const fn is_positive(self) -> bool {
        self.units > 0
    }

    /// Reads a decimal such as `12.34` exactly.
    ///
    /// - `text`: digits with an optional sign and decimal point, at most six decimal places; no exponent, no spaces.
    /// - errors: not a number, finer than a ledger unit, or outside ±9.2e12 major units. Nothing is ever rounded.
    pub fn parse(text: &str, currency: Currency) -> Result<Amount, MoneyError> {
        let plain = text.strip_prefix('-').unwrap_or(text);
        let well_formed = !plain.is_empty()
            && plain.bytes().all(|b| b.is_ascii_digit() || b == b'.')
            && plain.bytes().filter(|b| *b == b'.').count() <= 1
            && !plain.starts_with('.')
            && !plain.ends_with('.');
        if !well_formed {
            return Err(MoneyError::NotANumber(shorten(text)));
        }
        if plain.len() > 40 {
            return Err(MoneyError::OutOfRange(shorten(text)));
        }
        let decimal = Decimal::from_str_exact(text).map_err(|_| MoneyError::OutOfRange(shorten(text)))?;
        Self::from_decimal(decimal, currency)
    }

    /// As [`Amount::parse`], and refuses zero and negative amounts: for budgets, deposits and payments.
    pub fn parse_positive(text: &str, currency: Currency) -> Result<Amount, MoneyError> {
        let amount = Self::parse(text, currency)?;
        if amount.is_positive() { Ok(amount) } else { Err(MoneyError::NotPositive(shorten(text))) }
    }

    /// Converts a decimal of major units exactly, or refuses it.
    pub fn from_decimal(decimal: Decimal, currency: Currency) -> Result<Amount, MoneyError> {
        let decimal = decimal.normalize();
        if decimal.scale() > SCALE {
            return Err(MoneyError::TooPrecise(shorten(&decimal.to_string())));
        }
        let units = decimal.mantissa().checked_mul(10_i128.pow(SCALE - decimal.scale()));
        match units.and_then(|units| i64::try_from(units).ok()) {
            Some(units) => Ok(Amount { units, currency }),
            None => Err(MoneyError::OutOfRange(shorten(&decimal.to_string()))),
        }
    }

    /// This amount as a decimal of major units with six decimal places.
    pub fn to_decimal(self) -> Decimal {
        Decimal::from_i128_with_scale(i128::from(self.units), SCALE)
    }

    /// Adds two amounts. `None` on overflow or when the currencies differ.
    pub fn checked_add(self, other: Amount) -> Option<Amount> {
        if self.currency != other.currency {
            return None;
        }
        Some(Amount { units: self.units.checked_add(other.units)?, currency: self.currency })
    }

    /// Subtracts an amount. `None` on overflow or when the currencies differ.
    pub fn checked_sub(self, other: Amount) -> Option<Amount> {
        if self.currency != other.currency {
            return None;
        }
        Some(Amount { units: self.units.checked_sub(other.units)?, currency: self.currency })
    }

    /// The smaller of two amounts of one currency.
    pub fn min(self, other: Amount) -> Amount {
        assert_eq!(self.currency, other.currency, "amounts of two currencies are never compared");
        if other.units < self.units { other } else { self }
    }

    /// The part of this amount that a bank can move: whole minor units (cents), the rest left off.
    pub fn floor_to_cent(self) -> Amount {
        let minor = self.currency.units_per_minor();
        Amount { units: self.units.div_euclid(minor) * minor, currency: self.currency }
    }

    /// Sums amounts of one currency.
    ///
    /// - errors: `None` on overflow, or when an amount is not in `currency`.
    pub fn sum(amounts: impl IntoIterator<Item = Amount>, currency: Currency) -> Option<Amount> {
        let mut total = 0_i128;
        for amount in amounts {
            if amount.currency != currency {
                return None;
            }
            total += i128::from(amount.units);
        }
        Some(Amount { units: i64::try_from(total).ok()?, currency })
    }

    /// The decimal string of the wire: always six decimal places, no currency.
    pub fn to_wire(self) -> String {
        self.to_decimal().to_string()
    }

    /// For people who read tables: trailing zeros beyond the minor unit are left off (`2.00`, `0.333334`).
    pub fn to_plain(self) -> String {
        let full = self.to_wire();
        let keep = full.len() - (SCALE - self.currency.minor_digits()) as usize;
        let (head, tail) = full.split_at(keep);
        format!("{head}{}", tail.trim_end_matches('0')).trim_end_matches('.').to_owned()
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.to_plain(), self.currency)
    }
}

impl fmt::Debug for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Error texts quote what was typed, but never a screenful of it.
fn shorten(text: &str) -> String {
    if text.chars().count() <= 40 { text.to_owned() } else { text.chars().take(40).chain(['…']).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> MoneyError {
        Amount::parse(text, Currency::EUR).expect_err("must be refused")
    }

    #[test]
    fn decimals_are_read_exactly() {
        let check = |text: &str, units: i64| {
            assert_eq!(Amount::parse(text, Currency::EUR).map(Amount::units), Ok(units), "{text}");
        };
        check("0", 0);
        check("2", 2_000_000);
        check("2.00", 2_000_000);
        check("0.000001", 1);
        check("-3.5", -3_500_000);
        check("9223372036854.775807", i64::MAX);
        check("1.50000000", 1_500_000);
    }

    #[test]
    fn what_is_not_an_amount_is_refused_with_its_reason() {
        assert!(matches!(refused("0.0000001"), MoneyError::TooPrecise(_)));
        assert!(matches!(refused("9223372036854.775808"), MoneyError::OutOfRange(_)));
        assert!(matches!(refused(&"9".repeat(30)), MoneyError::OutOfRange(_)));
        assert!(matches!(refused(&"9".repeat(4000)), MoneyError::OutOfRange(_)));
        for text in ["", "-", ".5", "5.", "1e3", "1,5", " 1", "NaN", "+1", "1.2.3", "--1", "٣"] {
            assert!(matches!(refused(text), MoneyError::NotANumber(_)), "{text}");
        }
        let negative = Amount::parse_positive("-1", Currency::EUR);
        assert!(matches!(negative, Err(MoneyError::NotPositive(_))));
    }

    #[test]
    fn amounts_are_shown_in_the_minor_unit_unless_they_are_finer() {
        let check = |units: i64, shown: &str| assert_eq!(Amount::from_units(units, Currency::EUR).to_plain(), shown);
        check(2_000_000, "2.00");
        check(2_500_000, "2.50");
        check(333_334, "0.333334");
        check(-1, "-0.000001");
        check(400_000, "0.40");
        let yen = Amount::from_units(3_000_000, "JPY".parse().unwrap());
        assert_eq!(yen.to_string(), "3 JPY");
    }

    #[test]
    fn floor_to_cent_never_gives_more_than_there_is() {
        let check = |units: i64, floor: i64| {
            assert_eq!(Amount::from_units(units, Currency::EUR).floor_to_cent().units(), floor);
        };
        check(19_999, 10_000);
        check(10_000, 10_000);
        check(9_999, 0);
        check(-1, -10_000);
    }
}

#[cfg(test)]
mod properties {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_wire_form_reads_back_as_the_same_amount(units: i64) {
            let amount = Amount::from_units(units, Currency::EUR);
            prop_assert_eq!(Amount::parse(&amount.to_wire(), Currency::EUR), Ok(amount));
            prop_assert_eq!(Amount::parse(&amount.to_plain(), Currency::EUR), Ok(amount));
        }

        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text in ".{0,60}") {
            let _outcome: Result<Amount, MoneyError> = Amount::parse(&text, Currency::EUR);
        }

        #[test]
        fn amounts_of_two_currencies_never_meet(a: i64, b: i64) {
            let euro = Amount::from_units(a, Currency::EUR);
            let krona = Amount::from_units(b, "SEK".parse().unwrap());
            prop_assert_eq!(euro.checked_add(krona), None);
            prop_assert_eq!(euro.checked_sub(krona), None);
        }
    }
}
