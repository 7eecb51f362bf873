//! Consent: who says that an account is not to be bridged, and what its public profile says about it.
//!
//! Owns that a refusal has a source and ends only through that source: what the profile says ends when the profile says
//! it no more, what the owner has proved ends when the owner proves the contrary, the operator's word with the
//! operator's. Source: docs/bridges/README.md, "Consent".

/// Who refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// The profile itself, as long as it says so.
    Profile,
    /// The owner, by our form and with a proof.
    Owner,
    /// The operator, on whatever the owner has shown.
    Operator,
}

impl Source {
    pub const ALL: [Source; 3] = [Source::Profile, Source::Owner, Source::Operator];

    pub const fn as_str(self) -> &'static str {
        match self {
            Source::Profile => "profile",
            Source::Owner => "owner",
            Source::Operator => "operator",
        }
    }

    pub fn parse(text: &str) -> Option<Source> {
        Source::ALL.into_iter().find(|source| source.as_str() == text)
    }
}

/// What one reading of a profile says about being bridged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// `#nobridge` stands there.
    pub has_tag: bool,
    /// The account's own setting says so: `bridgeable` is false (FEP-0036).
    pub has_flag: bool,
    /// There are places in which the owner may refuse and that this reading does not show.
    pub is_partial: bool,
    /// Addresses of any instance by which an owner opts out, as `host/token`.
    pub opt_outs: Vec<String>,
    /// The same for opting in again.
    pub opt_ins: Vec<String>,
}

impl Said {
    /// Whether the owner refuses as long as the profile reads so. A no stands against a yes beside it.
    pub fn is_no(&self) -> bool {
        self.has_tag || self.has_flag || !self.opt_outs.is_empty()
    }
}

/// The tag that refuses every bridge. `#nobot` is not one of ours: it is about automated replies and follows, says
/// nothing of bridges or money, and people who bear it have been locked out by it of bridges that they wanted.
const TAG: &str = "nobridge";

/// Whether a text has the tag, in any case, as a whole tag: not a part of a longer one, nor of an address.
pub fn has_tag(text: &str) -> bool {
    let letters: Vec<char> = without_markup(text).to_lowercase().chars().collect();
    let is_of_word = |c: &char| c.is_alphanumeric() || *c == '_';
    let starts = letters.iter().enumerate().filter(|(_, c)| matches!(c, '#' | '＃'));
    starts.into_iter().any(|(at, _)| {
        let is_start = at == 0 || !(is_of_word(&letters[at - 1]) || matches!(letters[at - 1], '/' | '&' | '?' | '='));
        let after = &letters[at + 1..];
        let is_tag = after.len() >= TAG.len() && after.iter().zip(TAG.chars()).all(|(a, b)| *a == b);
        is_start && is_tag && !after.get(TAG.len()).is_some_and(is_of_word)
    })
}

/// Some profiles are HTML, and a tag in them may be cut by an element: `#<span>nobridge</span>`.
fn without_markup(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('<') {
        let is_element = rest[start + 1..].starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
        let Some(end) = rest[start..].find('>').filter(|_| is_element) else {
            plain.push_str(&rest[..=start]);
            rest = &rest[start + 1..];
            continue;
        };
        plain.push_str(&rest[..start]);
        // What ends a paragraph ends a word; what marks a part of a word does not.
        if ["<br", "<p", "</p", "<li", "<div"].iter().any(|tag| rest[start..].to_ascii_lowercase().starts_with(tag)) {
            plain.push(' ');
        }
        rest = &rest[start + end + 1..];
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tag_counts_as_a_whole_in_any_case_and_nowhere_else() {
        for yes in [
            "#nobridge",
            "I draw. #NoBridge, please",
            "(#NOBRIDGE)",
            "#a #nobridge",
            "x.\n#nobridge!",
            "＃nobridge",
            "<p>hi</p><p><a href=\"https://s.example/tags/nobridge\" rel=\"tag\">#<span>nobridge</span></a></p>",
            "2 < 3 #nobridge",
            "hello<br>#nobridge",
        ] {
            assert!(has_tag(yes), "{yes}");
        }
        for no in [
            "",
            "nobridge",
            "#nobridges",
            "#nobridge_ing",
            "#nobridgé",
            "a#nobridge",
            "https://s.example/#nobridge",
            "https://s.example/tags/nobridge",
            "# nobridge",
            "#nobot",
            "#no-bridge",
            "#",
        ] {
            assert!(!has_tag(no), "{no}");
        }
    }

    #[test]
    fn a_no_stands_against_a_yes_beside_it() {
        let yes = Said { opt_ins: vec!["a.example/1".into()], ..Said::default() };
        assert!(!yes.is_no() && !Said::default().is_no());
        assert!(Said { opt_outs: vec!["b.example/2".into()], ..yes.clone() }.is_no());
        assert!(Said { has_tag: true, ..yes.clone() }.is_no());
        assert!(Said { has_flag: true, ..yes }.is_no());
    }
}
