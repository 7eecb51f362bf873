//! Words about how bridges fare.

use super::{Lang, Text, catalogue};
use crate::bridges::Terms;
use crate::jobs::health::State;

catalogue! {
    admin_bridges_text: "Pausing, resuming and trying a bridge go by the command line: “fedflattr bridge pause”, “bridge resume”, “bridge test”. Switches and keys are in the configuration.",
        "Mettre un pont en pause, le reprendre et l’essayer se font en ligne de commande : « fedflattr bridge pause », « bridge resume », « bridge test ». Les interrupteurs et les clés sont dans la configuration.";
    bridge_last_success: "Last success", "Dernier succès";
    bridge_last_error: "Last error", "Dernière erreur";
    bridge_allowance: "Allowance", "Quota";
    bridge_connections: "Connections", "Connexions";
    bridge_due: "Due", "À lire";
    bridge_failing_count: "Failing", "En échec";
    bridge_next_poll: "Next poll", "Prochaine lecture";
    bridge_terms: "What the platforms ask", "Ce que demandent les plateformes";
    bridge_error_text(moment, class, message): "{moment}, {class}: {message}", "{moment}, {class} : {message}";
    bridge_quota_until(left, moment): "{left} until {moment}", "{left} jusqu’au {moment}";
    bridge_quota(left): "{left} left", "{left} restantes";
    bridge_paused_since(moment): "paused since {moment}", "en pause depuis {moment}";
    connections_name_taken: "Another patron has connected an account of this name. Whose it is, the operator can say.",
        "Un autre mécène a connecté un compte de ce nom. À qui il est, l’opérateur peut le dire.";
    connections_names_enough(label): "You have named enough accounts on {label}. Disconnect one first, or ask the operator.",
        "Vous avez nommé assez de comptes sur {label}. Déconnectez-en un d’abord, ou demandez à l’opérateur.";
    done_connect_named: "Connected by its name: this platform tells nobody what somebody likes. Bring a file of the account, or a list of addresses.",
        "Connecté par son nom : cette plateforme ne dit à personne ce que quelqu’un aime. Apportez un fichier du compte, ou une liste d’adresses.";
    look_up_paused(label): "The operator has paused the bridge to {label}. Try again later.",
        "L’opérateur a mis en pause le pont vers {label}. Réessayez plus tard.";
}

impl Text {
    /// How a bridge is, in a word.
    pub fn bridge_state(&self, state: State) -> String {
        match state {
            State::Ok => self.pick("ok", "en service"),
            State::Failing => self.pick("failing", "en panne"),
            State::Paused => self.pick("paused", "en pause"),
            State::Off => self.pick("off", "inactif"),
            State::FileOnly => self.pick("file only", "fichier seulement"),
        }
    }

    pub fn terms(&self, terms: Terms) -> &'static str {
        match self.0 {
            Lang::En => terms.en,
            Lang::Fr => terms.fr,
        }
    }
}
