//! Numbers, amounts and dates as people of a language write and type them.
//!
//! Owns that an amount is shown to the last unit that it has, never rounded, and that a typed amount is read in the
//! reader's own notation or refused: nothing is guessed. Dates are absolute and in UTC, as the books are. What French
//! does to words that meet (an elision, a space before a colon) is here too.

use std::borrow::Borrow;

use super::{Lang, Text};
use crate::domain::money::{Amount, Currency, MoneyError};
use crate::domain::time::{Month, Timestamp};

const NARROW_SPACE: char = '\u{202f}';
const NO_BREAK_SPACE: char = '\u{a0}';

const MONTHS_EN: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const MONTHS_FR: [&str; 12] = [
    "janvier",
    "février",
    "mars",
    "avril",
    "mai",
    "juin",
    "juillet",
    "août",
    "septembre",
    "octobre",
    "novembre",
    "décembre",
];

impl Text {
    /// `1,234` or `1 234`.
    pub fn number(&self, number: impl Borrow<i64>) -> String {
        let number = *number.borrow();
        let sign = if number < 0 { "-" } else { "" };
        format!("{sign}{}", self.grouped(&number.unsigned_abs().to_string()))
    }

    fn grouped(&self, digits: &str) -> String {
        let separator = match self.0 {
            Lang::En => ',',
            Lang::Fr => NARROW_SPACE,
        };
        let mut grouped = String::with_capacity(digits.len() * 2);
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                grouped.push(separator);
            }
            grouped.push(digit);
        }
        grouped
    }

    /// `€1,234.56` or `1 234,56 €`; finer than a cent where the amount is.
    pub fn money(&self, amount: impl Borrow<Amount>) -> String {
        let amount = *amount.borrow();
        let plain = amount.to_plain();
        let (sign, plain) = plain.strip_prefix('-').map_or(("", plain.as_str()), |rest| ("-", rest));
        let (whole, fraction) = plain.split_once('.').unwrap_or((plain, ""));
        let mut number = self.grouped(whole);
        if !fraction.is_empty() {
            number.push(match self.0 {
                Lang::En => '.',
                Lang::Fr => ',',
            });
            number.push_str(fraction);
        }
        let currency = amount.currency();
        let symbol = match currency.as_str() {
            "EUR" => "€",
            "GBP" => "£",
            "USD" => "$",
            _ => "",
        };
        match (self.0, symbol) {
            (Lang::En, "") => format!("{sign}{currency}{NO_BREAK_SPACE}{number}"),
            (Lang::En, symbol) => format!("{sign}{symbol}{number}"),
            (Lang::Fr, "") => format!("{sign}{number}{NO_BREAK_SPACE}{currency}"),
            (Lang::Fr, symbol) => format!("{sign}{number}{NO_BREAK_SPACE}{symbol}"),
        }
    }

    /// `1234.56` or `1234,56`: an amount as it stands in an input field, in the form in which it is read back.
    pub fn typed(&self, amount: impl Borrow<Amount>) -> String {
        let plain = amount.borrow().to_plain();
        match self.0 {
            Lang::En => plain,
            Lang::Fr => plain.replace('.', ","),
        }
    }

    /// A part of a whole in hundredths of a percent: `2.5%` or `2,5 %`.
    pub fn percent(&self, basis_points: u32) -> String {
        let (whole, hundredths) = (basis_points / 100, basis_points % 100);
        let fraction = format!("{hundredths:02}");
        let fraction = fraction.trim_end_matches('0');
        match (self.0, fraction) {
            (Lang::En, "") => format!("{whole}%"),
            (Lang::En, fraction) => format!("{whole}.{fraction}%"),
            (Lang::Fr, "") => format!("{whole}{NO_BREAK_SPACE}%"),
            (Lang::Fr, fraction) => format!("{whole},{fraction}{NO_BREAK_SPACE}%"),
        }
    }

    /// `3 July 2013` or `3 juillet 2013`.
    pub fn date(&self, time: impl Borrow<Timestamp>) -> String {
        let text = time.borrow().to_string();
        // RFC 3339: 2013-07-03T…
        let (year, day) = (&text[..4], text[8..10].trim_start_matches('0'));
        let month = month_name(self.0, &text[5..7]);
        match (self.0, day) {
            (Lang::Fr, "1") => format!("1er {month} {year}"),
            _ => format!("{day} {month} {year}"),
        }
    }

    /// `3 July 2013, 14:05 UTC`.
    pub fn moment(&self, time: impl Borrow<Timestamp>) -> String {
        let time = time.borrow();
        let clock = &time.to_string()[11..16];
        match self.0 {
            Lang::En => format!("{}, {clock} UTC", self.date(time)),
            Lang::Fr => format!("{} à {clock} UTC", self.date(time)),
        }
    }

    /// `July 2013` or `juillet 2013`.
    pub fn month(&self, month: impl Borrow<Month>) -> String {
        let text = month.borrow().to_string();
        format!("{} {}", month_name(self.0, &text[5..7]), &text[..4])
    }

    /// `of July 2013`, `de juillet 2013`, `d’août 2013`.
    pub fn of_month(&self, month: impl Borrow<Month>) -> String {
        self.of(self.month(month))
    }

    /// `of mira`, `de mira`, `d’oskar`. Whether French elides before an h is a matter of the word: it is left alone.
    pub fn of(&self, word: impl std::fmt::Display) -> String {
        let word = word.to_string();
        let is_vowel = |c: char| "aàâäeéèêëiîïoôöuùûü".contains(c);
        let elides = word.chars().next().is_some_and(|first| first.to_lowercase().all(is_vowel));
        match self.0 {
            Lang::En => format!("of {word}"),
            Lang::Fr if elides => format!("d’{word}"),
            Lang::Fr => format!("de {word}"),
        }
    }

    /// The colon behind a label: French sets it off.
    pub fn colon(&self) -> &'static str {
        match self.0 {
            Lang::En => ":",
            Lang::Fr => "\u{a0}:",
        }
    }
}

fn month_name(lang: Lang, digits: &str) -> &'static str {
    let index = digits.parse::<usize>().expect("a month is written as two digits") - 1;
    match lang {
        Lang::En => MONTHS_EN[index],
        Lang::Fr => MONTHS_FR[index],
    }
}

/// Why a typed amount is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// It has a separator that one person reads as cents and another as thousands.
    #[error("`{0}` can be read in two ways")]
    Separator(String),
    #[error(transparent)]
    Money(#[from] MoneyError),
}

/// Reads an amount above zero as a person of this language types it.
///
/// - `text`: English `1234.56`, French `1234,56` or `1234.56`; a euro sign may stand beside it.
/// - errors: separators of thousands, and in English any comma, are refused: `5,001` is five euros to one reader and five
///   thousand to another. The rest as [`Amount::parse_positive`], quoting what was typed.
pub fn read_amount(text: &str, lang: Lang, currency: Currency) -> Result<Amount, AmountError> {
    let typed = text.trim_matches(|c: char| c.is_whitespace() || c == '€');
    let is_separator = |c: char| c.is_whitespace() || matches!(c, ',' | '.' | '\'' | '’');
    let is_mark = |c: char| c == '.' || (c == ',' && lang == Lang::Fr);
    let mut separators = typed.chars().filter(|c| is_separator(*c));
    let is_plain = match (separators.next(), separators.next()) {
        (None, _) => true,
        (Some(mark), None) => is_mark(mark),
        _ => false,
    };
    if !is_plain && typed.chars().all(|c| c.is_ascii_digit() || is_separator(c)) {
        return Err(AmountError::Separator(typed.chars().take(40).collect()));
    }
    let plain = if lang == Lang::Fr { typed.replace(',', ".") } else { typed.to_owned() };
    Ok(Amount::parse_positive(&plain, currency)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EN: Text = Text(Lang::En);
    const FR: Text = Text(Lang::Fr);

    #[test]
    fn amounts_are_written_as_each_language_does() {
        let check = |units: i64, en: &str, fr: &str| {
            let amount = Amount::from_units(units, Currency::EUR);
            assert_eq!((EN.money(amount).as_str(), FR.money(amount).as_str()), (en, fr));
        };
        check(1_234_560_000, "€1,234.56", "1\u{202f}234,56\u{a0}€");
        check(2_000_000, "€2.00", "2,00\u{a0}€");
        check(333_334, "€0.333334", "0,333334\u{a0}€");
        check(-12_500_000, "-€12.50", "-12,50\u{a0}€");
        check(1_000_000_000_000, "€1,000,000.00", "1\u{202f}000\u{202f}000,00\u{a0}€");
        let yen = Amount::from_units(3_000_000_000, "JPY".parse().unwrap());
        assert_eq!((EN.money(yen), FR.money(yen)), ("JPY\u{a0}3,000".into(), "3\u{202f}000\u{a0}JPY".into()));
    }

    #[test]
    fn dates_are_absolute() {
        let time: Timestamp = "2013-07-01T14:05:09Z".parse().unwrap();
        assert_eq!((EN.date(time), FR.date(time)), ("1 July 2013".into(), "1er juillet 2013".into()));
        assert_eq!(FR.moment(time), "1er juillet 2013 à 14:05 UTC");
        assert_eq!(FR.month(Month::containing(time)), "juillet 2013");
    }

    #[test]
    fn percentages_lose_no_digit() {
        assert_eq!((EN.percent(250), FR.percent(250)), ("2.5%".into(), "2,5\u{a0}%".into()));
        assert_eq!((EN.percent(0), EN.percent(1005)), ("0%".into(), "10.05%".into()));
    }

    #[test]
    fn french_elides_before_a_vowel() {
        let of = |month: &str| FR.of_month(month.parse::<Month>().unwrap());
        assert_eq!(of("2013-06"), "de juin 2013");
        assert_eq!(of("2013-08"), "d’août 2013");
        assert_eq!((of("2013-04"), of("2013-10")), ("d’avril 2013".into(), "d’octobre 2013".into()));
        assert_eq!(
            (FR.of("Oskar"), FR.of("Émile"), FR.of("mira")),
            ("d’Oskar".into(), "d’Émile".into(), "de mira".into())
        );
        assert_eq!(EN.of("oskar"), "of oskar");
    }

    #[test]
    fn amounts_are_read_in_the_notation_of_the_reader() {
        let read = |text: &str, lang| read_amount(text, lang, Currency::EUR).map(Amount::units).ok();
        assert_eq!(read("12.50", Lang::En), Some(12_500_000));
        assert_eq!(read("€1234.56", Lang::En), Some(1_234_560_000));
        assert_eq!(read("12,50", Lang::Fr), Some(12_500_000));
        assert_eq!(read("12.50", Lang::Fr), Some(12_500_000));
        assert_eq!(read("1234,56\u{a0}€", Lang::Fr), Some(1_234_560_000));
        for text in ["", "-5", "0", "abc", "1e3", "a,5", &"9".repeat(30)] {
            for lang in Lang::ALL {
                let refused = read_amount(text, lang, Currency::EUR);
                assert!(matches!(refused, Err(AmountError::Money(_))), "{text}: {refused:?}");
            }
        }
    }

    #[test]
    fn an_amount_that_can_be_read_in_two_ways_is_refused() {
        let is_refused = |text: &str, lang| {
            let refused = read_amount(text, lang, Currency::EUR);
            assert!(matches!(refused, Err(AmountError::Separator(_))), "{text}: {refused:?}");
        };
        // A thousand times too much, or too little.
        for text in ["5,001", "5,00", "1,234.56", "1,234"] {
            is_refused(text, Lang::En);
        }
        for text in ["1.234,56", "1 234,56", "1\u{202f}234,56\u{a0}€", "1'234", "1.234.567", "1,234,567"] {
            is_refused(text, Lang::Fr);
            is_refused(text, Lang::En);
        }
    }

    #[test]
    fn what_stands_in_a_field_is_read_as_what_it_was() {
        for units in [2_000_000, 1_234_560_000, 999_999_999_990_000, 5_001_000] {
            let amount = Amount::from_units(units, Currency::EUR);
            for text in [EN, FR] {
                assert_eq!(read_amount(&text.typed(amount), text.0, Currency::EUR), Ok(amount));
            }
        }
    }
}
