//! From a raw value to a typed one: what each type accepts, and how it is written back.
//!
//! Owns the rule that a value is taken exactly or refused with the form that was expected; nothing is clamped or
//! guessed.

use std::fmt::Display;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use ipnet::IpNet;

use super::error::Problem;
use super::given::{Given, Raw};
use super::key::Key;
use crate::domain::money::{Amount, Currency};

/// A value as TOML writes it; `None` when the key is not set.
pub type Shown = Option<String>;

/// What stands around a value while it is read.
pub struct Context<'a> {
    pub key: &'static Key,
    given: &'a Given,
}

/// A type that a key may have.
pub trait Setting: Sized {
    const IS_SECRET: bool = false;

    /// Completes "expected ...".
    fn expected(key: &Key) -> String;

    /// - errors: why the value is refused, as a sentence; of a secret, without its value.
    fn read(raw: &Raw, context: &Context) -> Result<Self, String>;

    /// The value of a key that has no default and was not given.
    fn unset() -> Option<Self> {
        None
    }

    fn show(&self) -> Shown;
}

/// Reads keys one after the other and keeps every problem.
pub struct Reader<'a> {
    given: &'a Given,
    pub problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    pub fn new(given: &'a Given, problems: Vec<Problem>) -> Reader<'a> {
        Reader { given, problems }
    }

    /// `None` when the value was wrong, or followed from one that was; then a problem has been kept.
    pub fn read<T: Setting>(&mut self, key: &'static Key) -> Option<T> {
        let Some((raw, source)) = self.given.get(&key.path()) else {
            return T::unset();
        };
        match T::read(raw, &Context { key, given: self.given }) {
            Ok(value) => Some(value),
            Err(reason) => {
                self.problems.push(Problem::BadValue { key: key.path(), origin: source.clone(), reason });
                None
            }
        }
    }
}

impl Context<'_> {
    pub fn mismatch(&self, raw: &Raw) -> String {
        let found = if self.key.is_secret { raw.kind().to_owned() } else { raw.describe() };
        format!("expected {}, found {found}", (self.key.expected)(self.key))
    }

    fn is_within(&self, measure: i64) -> bool {
        self.key.bounds.as_ref().is_none_or(|bounds| bounds.contains(&measure))
    }

    /// The text of a value that must be one; line breaks and the like have no place in any key.
    pub fn text<'r>(&self, raw: &'r Raw) -> Result<&'r str, String> {
        let text = raw.as_text().ok_or_else(|| self.mismatch(raw))?;
        if text.contains(char::REPLACEMENT_CHARACTER) {
            return Err("the text is not valid UTF-8".to_owned());
        }
        if text.chars().any(char::is_control) {
            return Err("the text contains a line break or another control character".to_owned());
        }
        Ok(text)
    }

    /// Parses the text of a value; the type's own error says why it is refused.
    pub fn parse<T: FromStr<Err: Display>>(&self, raw: &Raw) -> Result<T, String> {
        self.text(raw)?.parse().map_err(|refusal: T::Err| refusal.to_string())
    }
}

/// A basic string of TOML, on one line.
pub fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

macro_rules! whole_numbers {
    ($($type:ty),+) => {$(
        impl Setting for $type {
            fn expected(key: &Key) -> String {
                let bounds = key.bounds.clone().unwrap_or(0..=i64::MAX);
                format!("a whole number from {} to {}", bounds.start(), bounds.end())
            }

            fn read(raw: &Raw, context: &Context) -> Result<Self, String> {
                let number = match raw {
                    Raw::Integer(number) => Some(*number),
                    Raw::Untyped(text) => text.parse().ok(),
                    _ => None,
                };
                let fitting = number.filter(|number| context.is_within(*number));
                fitting.and_then(|number| number.try_into().ok()).ok_or_else(|| context.mismatch(raw))
            }

            fn show(&self) -> Shown {
                Some(self.to_string())
            }
        }
    )+};
}

whole_numbers!(u16, u32, u64);

impl Setting for bool {
    fn expected(_: &Key) -> String {
        "true or false".to_owned()
    }

    fn read(raw: &Raw, context: &Context) -> Result<Self, String> {
        match raw {
            Raw::Boolean(value) => Ok(*value),
            Raw::Untyped(text) => text.parse().map_err(|_| context.mismatch(raw)),
            _ => Err(context.mismatch(raw)),
        }
    }

    fn show(&self) -> Shown {
        Some(self.to_string())
    }
}

impl Setting for String {
    fn expected(key: &Key) -> String {
        match &key.bounds {
            Some(bounds) => format!("a text of {} to {} characters", bounds.start(), bounds.end()),
            None => "a text".to_owned(),
        }
    }

    fn read(raw: &Raw, context: &Context) -> Result<Self, String> {
        let text = context.text(raw)?;
        let length = i64::try_from(text.chars().count()).expect("a text in memory has fewer than 2^63 characters");
        if context.is_within(length) { Ok(text.to_owned()) } else { Err(context.mismatch(raw)) }
    }

    fn show(&self) -> Shown {
        Some(quoted(self))
    }
}

impl Setting for PathBuf {
    fn expected(_: &Key) -> String {
        "a path".to_owned()
    }

    fn read(raw: &Raw, context: &Context) -> Result<Self, String> {
        let text = context.text(raw)?;
        if text.is_empty() { Err(context.mismatch(raw)) } else { Ok(PathBuf::from(text)) }
    }

    fn show(&self) -> Shown {
        Some(quoted(&self.to_string_lossy()))
    }
}

impl Setting for IpAddr {
    fn expected(_: &Key) -> String {
        "an IP address such as 127.0.0.1".to_owned()
    }

    fn read(raw: &Raw, context: &Context) -> Result<Self, String> {
        context.text(raw)?.parse().map_err(|_| context.mismatch(raw))
    }

    fn show(&self) -> Shown {
        Some(quoted(&self.to_string()))
    }
}

impl Setting for Vec<IpNet> {
    fn expected(_: &Key) -> String {
        "a list of networks such as 10.0.0.0/8 (in a variable or a flag: with commas between them)".to_owned()
    }

    fn read(raw: &Raw, context: &Context) -> Result<Self, String> {
        let network = |text: &str| {
            // A single address is a network of its own; bits beyond the prefix are nobody's intention.
            let parsed = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
            parsed.map(|network| network.trunc()).map_err(|_| context.mismatch(&Raw::Text(text.to_owned())))
        };
        match raw {
            Raw::Untyped(text) => {
                // As in a file, `["10.0.0.0/8"]`, is understood too: who copies a line from there means the same.
                let text = text.trim();
                let inner = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text).trim();
                if inner.is_empty() {
                    return Ok(Vec::new());
                }
                inner.split(',').map(|element| network(element.trim().trim_matches('"'))).collect()
            }
            Raw::List(elements) => elements.iter().map(|element| network(context.text(element)?)).collect(),
            _ => Err(context.mismatch(raw)),
        }
    }

    fn show(&self) -> Shown {
        let networks: Vec<String> = self.iter().map(|network| quoted(&network.to_string())).collect();
        Some(format!("[{}]", networks.join(", ")))
    }
}

impl Setting for Currency {
    fn expected(_: &Key) -> String {
        "a currency of ISO 4217 such as EUR".to_owned()
    }

    fn read(raw: &Raw, context: &Context) -> Result<Self, String> {
        let currency: Currency = context.parse(raw)?;
        if currency.is_in_use() {
            Ok(currency)
        } else {
            Err(format!("`{currency}` is no currency in use: write a code of ISO 4217, such as EUR"))
        }
    }

    fn show(&self) -> Shown {
        Some(quoted(self.as_str()))
    }
}

impl Setting for Amount {
    fn expected(_: &Key) -> String {
        "an amount above zero, in quotes, such as \"2.00\"".to_owned()
    }

    fn read(raw: &Raw, context: &Context) -> Result<Self, String> {
        if raw.as_text().is_none() {
            let why = "without quotes it would be read as a binary fraction, and money is never rounded";
            return Err(format!("{}: {why}", context.mismatch(raw)));
        }
        // A wrong currency is reported at its own key; the digits can still be judged.
        let currency = context.given.text("money.currency").and_then(|code| code.parse().ok());
        Amount::parse_positive(context.text(raw)?, currency.unwrap_or(Currency::EUR)).map_err(|e| e.to_string())
    }

    fn show(&self) -> Shown {
        Some(quoted(&self.to_plain()))
    }
}

/// A key that may be left out.
impl<T: Setting> Setting for Option<T> {
    const IS_SECRET: bool = T::IS_SECRET;

    fn expected(key: &Key) -> String {
        T::expected(key)
    }

    fn read(raw: &Raw, context: &Context) -> Result<Self, String> {
        T::read(raw, context).map(Some)
    }

    fn unset() -> Option<Self> {
        Some(None)
    }

    fn show(&self) -> Shown {
        self.as_ref().and_then(T::show)
    }
}
