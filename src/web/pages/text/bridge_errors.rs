//! Words about what went wrong with a platform: ours by the class of the error, and the platform's own behind them.

use super::{Text, catalogue, counted};
use crate::bridges::error;
use crate::jobs::notes;

/// Why something was not read.
pub struct Problem {
    /// In the language of the page; empty where nothing is known but the words.
    pub said: String,
    /// The platform's own words, or those of the connector: English, most likely.
    pub words: String,
}

catalogue! {
    error_unauthorized: "the platform refused the sign-in", "la plateforme a refusé l’autorisation";
    error_forbidden: "the platform does not allow this", "la plateforme ne le permet pas";
    error_not_found: "the platform does not know it", "la plateforme ne le connaît pas";
    error_gone: "it is gone from the platform", "cela a disparu de la plateforme";
    error_rate_limited: "the platform asks us to wait", "la plateforme demande d’attendre";
    error_payment_required: "the platform wants money for this", "la plateforme demande à être payée pour cela";
    error_transient: "the platform failed for the moment", "la plateforme est en panne pour le moment";
    error_malformed: "the reply is not in a known form", "la réponse n’a pas une forme connue";
    error_unsupported: "this platform cannot do that", "cette plateforme ne peut pas faire cela";
    problem_and_words(said, words): "{said}: {words}", "{said} : {words}";

    note_switched_off: "the bridge is switched off", "le pont est désactivé";
    note_no_api: "this platform has no API for likes", "cette plateforme n’a pas d’interface pour les « j’aime »";
    note_grant_ended: "what the account granted has ended: it has to sign in again",
        "l’autorisation donnée par le compte a pris fin : il doit se connecter à nouveau";
    note_only_itself: "this platform shows likes only to the account itself, which has to sign in",
        "cette plateforme ne montre les « j’aime » qu’au compte lui-même, qui doit se connecter";
    note_public_only: "what the account granted has ended: sign in again; until then its public likes are read",
        "l’autorisation donnée par le compte a pris fin : connectez-vous à nouveau ; d’ici là, ses « j’aime » publics sont lus";
    note_sign_in_again: "the account has to sign in again", "le compte doit se connecter à nouveau";
}

counted! {
    note_not_understood(n): "{n} item could not be understood" | "{n} items could not be understood",
        "{n} élément n’a pas pu être compris" | "{n} éléments n’ont pas pu être compris";
}

impl Text {
    /// A class of errors, by its stable word.
    pub fn error_class(&self, class: &str) -> Option<String> {
        Some(match class {
            "unauthorized" | "unauthorized_expired" => self.error_unauthorized(),
            "forbidden" => self.error_forbidden(),
            "not_found" => self.error_not_found(),
            "gone" => self.error_gone(),
            "rate_limited" => self.error_rate_limited(),
            "payment_required" => self.error_payment_required(),
            "transient" => self.error_transient(),
            "malformed" => self.error_malformed(),
            "unsupported" => self.error_unsupported(),
            _ => return None,
        })
    }

    /// What was kept of a failure.
    pub fn problem(&self, kept: &str) -> Problem {
        if let Some((class, words)) = error::told(kept) {
            return Problem { said: self.error_class(class).unwrap_or_default(), words: words.to_owned() };
        }
        let said = match kept {
            notes::SWITCHED_OFF => self.note_switched_off(),
            notes::NO_API => self.note_no_api(),
            notes::GRANT_ENDED => self.note_grant_ended(),
            notes::ONLY_ITSELF => self.note_only_itself(),
            notes::PUBLIC_ONLY => self.note_public_only(),
            _ => {
                if let Some(count) = kept.strip_suffix(notes::NOT_UNDERSTOOD).and_then(|n| n.parse::<i64>().ok()) {
                    return Problem { said: self.note_not_understood(count), words: String::new() };
                }
                return match kept.strip_suffix(notes::SIGN_IN_AGAIN) {
                    Some(words) => Problem { said: self.note_sign_in_again(), words: words.to_owned() },
                    None => Problem { said: String::new(), words: kept.to_owned() },
                };
            }
        };
        Problem { said, words: String::new() }
    }

    /// The same in one line, for tables of operators.
    pub fn problem_text(&self, kept: &str) -> String {
        let Problem { said, words } = self.problem(kept);
        match (said.is_empty(), words.is_empty()) {
            (false, false) => self.problem_and_words(said, words),
            (true, _) => words,
            (_, true) => said,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Lang;
    use super::*;
    use crate::bridges::Error;

    #[test]
    fn whatever_is_put_down_beside_a_connection_is_said_in_both_languages() {
        let (en, fr) = (Text(Lang::En), Text(Lang::Fr));
        let known = [notes::SWITCHED_OFF, notes::NO_API, notes::GRANT_ENDED, notes::ONLY_ITSELF, notes::PUBLIC_ONLY];
        for kept in known {
            assert_eq!(en.problem_text(kept), kept);
            assert!(fr.problem(kept).words.is_empty() && fr.problem_text(kept) != kept, "{kept}");
        }
        let timeout = Error::transient("no answer in time").to_string();
        assert_eq!(en.problem_text(&timeout), timeout);
        assert_eq!(fr.problem_text(&timeout), "la plateforme est en panne pour le moment : no answer in time");
        assert_eq!(fr.problem_text("3 items could not be understood"), "3 éléments n’ont pas pu être compris");
        let ended = format!("401 Bad credentials{}", notes::SIGN_IN_AGAIN);
        assert_eq!(fr.problem_text(&ended), "le compte doit se connecter à nouveau : 401 Bad credentials");
        assert_eq!(fr.problem_text("something of before"), "something of before");
        for class in ["unauthorized_expired", "payment_required", "rate_limited", "malformed", "unsupported", "gone"] {
            assert_ne!(fr.error_class(class), en.error_class(class), "{class}");
        }
    }
}
