//! What the pages say, in English and in French.
//!
//! Owns that no text exists in one language only: a message is one line of a catalogue with both, so a missing
//! translation does not compile. Numbers, amounts and dates are written by [`format`]. Must not know HTTP or storage.

mod bridge_errors;
mod bridges;
mod claim_sign_in;
mod consent;
mod fediverse;
mod find;
mod format;
mod imports;
pub mod obligation;
mod operator;
mod patron;
mod platform_sign_in;
mod public;
mod status;

pub use bridge_errors::Problem;
pub use format::{AmountError, read_amount};

/// A language of the pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lang {
    En,
    Fr,
}

impl Lang {
    pub const ALL: [Lang; 2] = [Lang::En, Lang::Fr];

    /// The tag of RFC 5646, as in `lang` and `hreflang`.
    pub const fn tag(self) -> &'static str {
        match self {
            Lang::En => "en",
            Lang::Fr => "fr",
        }
    }

    /// The language's name in itself.
    pub const fn name(self) -> &'static str {
        match self {
            Lang::En => "English",
            Lang::Fr => "Français",
        }
    }

    pub fn parse(tag: &str) -> Option<Lang> {
        Lang::ALL.into_iter().find(|lang| lang.tag() == tag)
    }

    /// The best of our languages for an `Accept-Language` header. `None` when it asks for none of them.
    ///
    /// Source: RFC 9110, 12.5.4; regions are ignored (`fr-CA` is French), and a quality of 0 refuses.
    pub fn accepted(header: &str) -> Option<Lang> {
        let mut best: Option<(Lang, f32)> = None;
        for range in header.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let tag = parts.next().unwrap_or_default().to_ascii_lowercase();
            let primary = tag.split('-').next().unwrap_or_default();
            let Some(lang) = Lang::parse(primary) else { continue };
            let quality = parts.find_map(|part| part.strip_prefix("q=")).map_or(Ok(1.0), str::parse::<f32>);
            let Ok(quality) = quality else { continue };
            if quality > 0.0 && best.is_none_or(|(_, known)| quality > known) {
                best = Some((lang, quality));
            }
        }
        best.map(|(lang, _)| lang)
    }

    /// Whether a count takes the singular. Source: CLDR plural rules, cardinal: French counts 0 and 1 as one.
    const fn is_one(self, count: i64) -> bool {
        match self {
            Lang::En => count == 1,
            Lang::Fr => count == 0 || count == 1,
        }
    }
}

/// The catalogue of one language: every message is a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text(pub Lang);

/// Messages as `name(arguments): "English", "French";`. Both are format strings over the same arguments.
macro_rules! catalogue {
    ($($name:ident $(($($argument:ident),+))? : $en:literal, $fr:literal;)+) => {
        impl $crate::web::pages::text::Text {
            $(pub fn $name(&self $($(, $argument: impl std::fmt::Display)+)?) -> String {
                match self.0 {
                    $crate::web::pages::text::Lang::En => format!($en),
                    $crate::web::pages::text::Lang::Fr => format!($fr),
                }
            })+
        }
    };
}

/// Messages about a number, as `name(n): "one" | "other", "un" | "autres";`.
macro_rules! counted {
    ($($name:ident($n:ident): $en_one:literal | $en:literal, $fr_one:literal | $fr:literal;)+) => {
        impl $crate::web::pages::text::Text {
            $(pub fn $name(&self, $n: impl std::borrow::Borrow<i64>) -> String {
                use $crate::web::pages::text::Lang;
                let count = *$n.borrow();
                let $n = self.number(count);
                match (self.0, self.0.is_one(count)) {
                    (Lang::En, true) => format!($en_one),
                    (Lang::En, false) => format!($en),
                    (Lang::Fr, true) => format!($fr_one),
                    (Lang::Fr, false) => format!($fr),
                }
            })+
        }
    };
}

pub(in crate::web::pages::text) use {catalogue, counted};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_is_the_best_that_the_browser_asks_for() {
        let check = |header: &str, expected| assert_eq!(Lang::accepted(header), expected, "{header}");
        check("fr", Some(Lang::Fr));
        check("fr-CA,fr;q=0.9,en;q=0.8", Some(Lang::Fr));
        check("de, en;q=0.7, fr;q=0.3", Some(Lang::En));
        check("en;q=0, fr;q=0.1", Some(Lang::Fr));
        check("FR", Some(Lang::Fr));
        check("de", None);
        check("fr;q=broken", None);
        check("", None);
    }

    #[test]
    fn counts_follow_the_rules_of_each_language() {
        let (en, fr) = (Text(Lang::En), Text(Lang::Fr));
        assert_eq!(en.flattrs(0), "0 flattrs");
        assert_eq!(en.flattrs(1), "1 flattr");
        assert_eq!(en.flattrs(1234), "1,234 flattrs");
        assert_eq!(fr.flattrs(0), "0 flattr");
        assert_eq!(fr.flattrs(1), "1 flattr");
        assert_eq!(fr.flattrs(2), "2 flattrs");
    }
}
