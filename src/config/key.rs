//! What the table knows about each key, and the macro that turns the table into structs.
//!
//! Owns the rule that a key is described once: its field, default, environment variable, lines in the example file and
//! place among the known keys all come from one entry of [`super::table`].

use std::ops::RangeInclusive;

use super::given::Given;

/// One key of the configuration.
pub struct Key {
    pub section: &'static str,
    pub name: &'static str,
    /// The paragraph above the field, one line for each line of the source.
    pub docs: &'static [&'static str],
    pub fallback: Fallback,
    /// Of a number, its value; of a text, its length in characters.
    pub bounds: Option<RangeInclusive<i64>>,
    /// Masked wherever it is shown, and may be read from a file of its own.
    pub is_secret: bool,
    /// What the type wants to be given, to complete "expected ...".
    pub expected: fn(&Key) -> String,
}

/// What a key is worth when nobody gave it.
pub enum Fallback {
    /// A value, as TOML writes it.
    Literal(&'static str),
    /// Follows from other keys. `None` when those are themselves wrong, which is reported where they stand.
    Derived { derive: fn(&Given) -> Option<String>, rule: &'static str },
    /// Nothing; `sample` is what the example file shows, as TOML writes it.
    Unset { sample: &'static str },
}

/// A group of keys under one `[name]`.
pub struct Section {
    pub name: &'static str,
    pub docs: &'static [&'static str],
    pub keys: &'static [Key],
}

impl Key {
    /// `bridge.github.token`
    pub fn path(&self) -> String {
        format!("{}.{}", self.section, self.name)
    }

    /// `FEDFLATTR_BRIDGE__GITHUB__TOKEN`
    pub fn variable(&self) -> String {
        format!("{VARIABLE_PREFIX}{}", self.path().replace('.', "__").to_uppercase())
    }

    /// The variable that names a file with this secret in it.
    pub fn file_variable(&self) -> Option<String> {
        self.is_secret.then(|| format!("{}{FILE_SUFFIX}", self.variable()))
    }
}

pub const VARIABLE_PREFIX: &str = "FEDFLATTR_";
pub const FILE_SUFFIX: &str = "_FILE";

/// Declares sections: `"path" => Struct { field: Type = default, within low..=high; ... }`.
///
/// A default is a literal of TOML, `derived(function, "rule")` or `unset("sample")`. `within` bounds a number, or the
/// length of a text. Each field needs a doc comment: it is what the operator reads in the example file.
macro_rules! settings {
    ($(
        $(#[doc = $section_doc:literal])+
        $path:literal => $section:ident {$(
            $(#[doc = $doc:literal])+
            $field:ident: $type:ty = $default:tt $(($($argument:tt)*))? $(, within $low:literal..=$high:literal)?;
        )+}
    )+) => {
        $(
            $(#[doc = $section_doc])+
            #[derive(Clone, Debug, PartialEq, Eq)]
            pub struct $section {$(
                $(#[doc = $doc])+
                pub $field: $type,
            )+}

            impl $section {
                const KEYS: &'static [Key] = &[$(Key {
                    section: $path,
                    name: stringify!($field),
                    docs: &[$($doc),+],
                    fallback: $crate::config::key::fallback!($default $(($($argument)*))?),
                    bounds: $crate::config::key::bounds!($($low, $high)?),
                    is_secret: <$type as Setting>::IS_SECRET,
                    expected: <$type as Setting>::expected,
                }),+];

                /// Reads every key, so that all problems come out together; `None` when one of them was wrong.
                pub(super) fn read(reader: &mut Reader) -> Option<$section> {
                    let mut keys = Self::KEYS.iter();
                    $(let $field = reader.read::<$type>(keys.next().expect("the table has one key for each field"));)+
                    Some($section { $($field: $field?),+ })
                }

                /// Each key with its value as TOML writes it.
                pub(super) fn shown(&self) -> Vec<(&'static Key, Shown)> {
                    Self::KEYS.iter().zip([$(Setting::show(&self.$field)),+]).collect()
                }
            }
        )+

        /// Every section, in the order of the example file.
        pub const SECTIONS: &[Section] = &[$(
            Section { name: $path, docs: &[$($section_doc),+], keys: $section::KEYS }
        ),+];
    };
}

macro_rules! fallback {
    (derived($derive:path, $rule:literal)) => {
        Fallback::Derived { derive: $derive, rule: $rule }
    };
    (unset($sample:literal)) => {
        Fallback::Unset { sample: stringify!($sample) }
    };
    ($literal:tt) => {
        Fallback::Literal(stringify!($literal))
    };
}

macro_rules! bounds {
    () => {
        None
    };
    ($low:literal, $high:literal) => {
        Some($low..=$high)
    };
}

pub(super) use {bounds, fallback, settings};
