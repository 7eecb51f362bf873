//! Words for states that the database keeps as codes.
//!
//! A code without a word is shown as it is: a newer state must not take a page down.

use super::{Lang, Text};

impl Text {
    pub(super) fn pick(&self, en: &'static str, fr: &'static str) -> String {
        match self.0 {
            Lang::En => en.to_owned(),
            Lang::Fr => fr.to_owned(),
        }
    }

    /// Where a like came from.
    pub fn source(&self, code: &str) -> String {
        match code {
            "fediverse" => self.pick("fediverse", "fédivers"),
            "platform" => self.pick("platform", "plateforme"),
            "export" => self.pick("export file", "fichier d’export"),
            "page" => self.pick("button here", "bouton ici"),
            other => other.to_owned(),
        }
    }

    /// How a flattr of an open month stands.
    pub fn standing(&self, code: &str) -> String {
        match code {
            "counting" => self.pick("counts", "compte"),
            "taken_back" => self.pick("taken back", "repris"),
            "struck" => self.pick("struck out", "rayé"),
            "own" => self.pick("your own: does not count", "le vôtre : ne compte pas"),
            "refused" => self.pick("not wanted or gone: does not count", "refusé ou disparu : ne compte pas"),
            "suggested" => self.pick("waits for your yes", "attend votre oui"),
            other => other.to_owned(),
        }
    }

    /// What became of a share: what happened, and what happens next. What became of one that is stated to an instance
    /// is in [`super::obligation`].
    pub fn outcome(&self, code: &str) -> String {
        match code {
            "paid" => self.pick("With the creator. Done.", "Chez le créateur. Terminé."),
            "stated" => self.pick(
                "Set aside for the creator’s instance, which is told when the month is closed. Nothing to do.",
                "Mise de côté pour l’instance du créateur, qui l’apprend à la clôture du mois. Rien à faire.",
            ),
            "held" => self.pick("Waits for the creator; still yours.", "Attend le créateur ; toujours à vous."),
            "released" => {
                self.pick("Waited, then went to the creator. Done.", "A attendu, puis est allée au créateur. Terminé.")
            }
            "returned" => self.pick(
                "Waited in vain and came back to your balance. Done.",
                "A attendu en vain et est revenue à votre solde. Terminé.",
            ),
            other => other.to_owned(),
        }
    }

    /// What became of shares, in a word.
    pub fn outcome_word(&self, code: &str) -> String {
        match code {
            "paid" => self.pick("paid here", "payées ici"),
            "stated" => self.pick("stated to instances", "déclarées à des instances"),
            "held" => self.pick("held", "en attente"),
            "released" => self.pick("released", "libérées"),
            "returned" => self.pick("returned", "rendues"),
            other => other.to_owned(),
        }
    }

    /// How far the close of a month is.
    pub fn stage(&self, code: &str) -> String {
        match code {
            "cutting" => self.pick("reserving budgets", "réservation des budgets"),
            "cut_off" => self.pick("cut off, in the grace time", "clos, dans le délai de grâce"),
            "dividing" => self.pick("dividing", "partage en cours"),
            "divided" => self.pick("divided, not committed yet", "partagé, pas encore engagé"),
            "closed" => self.pick("closed", "fermé"),
            other => other.to_owned(),
        }
    }

    /// Where a payout is, and what happens next.
    pub fn payout(&self, code: &str) -> String {
        match code {
            "reserved" => {
                self.pick("Requested. Leaves with the next bank run.", "Demandé. Part au prochain passage en banque.")
            }
            "exported" => self.pick("With the bank. Nothing to do.", "À la banque. Rien à faire."),
            "confirmed" => self.pick("Left our account. Done.", "A quitté notre compte. Terminé."),
            "returned" => self.pick(
                "The bank sent it back: it is available again. Check the account.",
                "La banque l’a renvoyé : de nouveau disponible. Vérifiez le compte.",
            ),
            other => other.to_owned(),
        }
    }

    /// What kind of booking it is, to the owner of the account.
    pub fn booking(&self, code: &str) -> String {
        match code {
            "deposit" => self.pick("deposit", "versement"),
            "refund" => self.pick("refund", "remboursement"),
            "cut_off" => self.pick("budget reserved", "budget réservé"),
            "division" => self.pick("division of a month", "partage d’un mois"),
            "release" => self.pick("released by a claim", "libéré par une revendication"),
            "return" => self.pick("shares that came back", "parts revenues"),
            "statement_offered" => self.pick("stated to an instance", "déclaré à une instance"),
            "statement_bound" | "statement_agreed" => self.pick("agreed with an instance", "convenu avec une instance"),
            "statement_voided" => self.pick("statement void", "relevé annulé"),
            "payment_sent" => self.pick("payment sent", "paiement envoyé"),
            "payment_received" => self.pick("paid by an instance", "payé par une instance"),
            "payout_reserved" => self.pick("payout requested", "paiement demandé"),
            "payout_sent" => self.pick("paid out", "payé"),
            "payout_returned" => self.pick("payout came back", "paiement revenu"),
            other => other.to_owned(),
        }
    }

    /// How we stand with another instance.
    pub fn peer_state(&self, code: &str) -> String {
        match code {
            "added" => self.pick("added", "ajoutée"),
            "seen" => self.pick("offered terms; not added", "a proposé un accord ; pas ajoutée"),
            other => other.to_owned(),
        }
    }

    /// What two signed documents that contradict each other are.
    pub fn evidence(&self, code: &str) -> String {
        match code {
            "equivocation" => self.pick("two messages under one number", "deux messages sous un même numéro"),
            "two_commitments" => self.pick("two commitments for one month", "deux engagements pour un même mois"),
            other => other.to_owned(),
        }
    }

    /// A field of a profile in which a platform shows an address.
    pub fn profile_field(&self, code: &str) -> String {
        match code {
            "blog" => self.pick("website", "site web"),
            "bio" => self.pick("bio", "biographie"),
            "extra fields" => self.pick("extra fields", "champs personnalisés"),
            "payment link (FEP-0ea0)" => self.pick("payment link (FEP-0ea0)", "lien de paiement (FEP-0ea0)"),
            other => other.to_owned(),
        }
    }

    /// How a delivery or a received activity stands.
    pub fn queue_state(&self, code: &str) -> String {
        match code {
            "new" | "waiting" => self.pick("waiting", "en attente"),
            "done" | "processed" => self.pick("done", "traité"),
            "delivered" => self.pick("delivered", "livrée"),
            "dead" => self.pick("given up", "abandonnée"),
            "refused" => self.pick("refused", "refusée"),
            "failed" => self.pick("failed", "échoué"),
            "quarantined" => self.pick("set aside: not understood", "mise à part : pas comprise"),
            "verified" => self.pick("proved", "prouvée"),
            "untrusted" => self.claim_check_untrusted(),
            other => other.to_owned(),
        }
    }
}
