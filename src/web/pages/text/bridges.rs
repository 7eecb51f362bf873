//! Words about how bridges fare.

use super::{Lang, Text, catalogue};
use crate::bridges::Terms;
use crate::jobs::health::State;

catalogue! {
    admin_bridges_text: "Nothing is read from a paused bridge, also after a restart. Switches and keys are in the configuration.",
        "Rien n’est lu d’un pont en pause, même après un redémarrage. Les interrupteurs et les clés sont dans la configuration.";
    bridge_action: "Action", "Action";
    bridge_pause: "Pause", "Mettre en pause";
    bridge_resume: "Resume", "Reprendre";
    bridge_read_now: "Read now", "Lire maintenant";
    bridge_try: "Try it out", "Essayer";
    bridge_try_title: "Try a bridge out", "Essayer un pont";
    bridge_try_text: "One real question to the platform with the keys that are configured, and what came of it.",
        "Une vraie question à la plateforme avec les clés configurées, et ce qu’il en est.";
    bridge_try_handle: "Whose profile to ask for", "De qui demander le profil";
    bridge_try_handle_hint: "Leave it empty for the account that was read last, in its own name where it has signed in.",
        "Laissez vide pour le compte lu en dernier, en son propre nom s’il s’est connecté.";
    bridge_done_paused(label): "Nothing is read from {label} until you resume it.", "Rien n’est lu de {label} jusqu’à la reprise.";
    bridge_done_resumed(label): "{label} is read again.", "{label} est de nouveau lu.";
    bridge_done_read(label, count): "Connections of {label} that are read now: {count}.", "Connexions de {label} lues maintenant : {count}.";
    bridge_is_off(label): "The bridge to {label} is switched off in the configuration.", "Le pont vers {label} est désactivé dans la configuration.";
    bridge_is_paused(label): "The bridge to {label} is paused. Resume it first.", "Le pont vers {label} est en pause. Reprenez-le d’abord.";
    bridge_no_api(label): "{label} has no API that this instance is set up for: people bring files.",
        "{label} n’a pas d’interface pour laquelle cette instance est configurée : les gens apportent des fichiers.";
    bridge_nobody: "Nobody is known whose profile could be asked for. Name somebody.", "Personne n’est connu dont on puisse demander le profil. Nommez quelqu’un.";
    bridge_answers(label, handle, id): "{label} answers: {handle} is {id}.", "{label} répond : {handle} est {id}.";
    bridge_likes_listed(count): "Likes on the first page: {count}.", "« J’aime » sur la première page : {count}.";
    bridge_likes_hidden: "Its likes are shown to nobody that could be asked as here.", "Ses « j’aime » ne sont montrés à personne que l’on puisse interroger ici.";
    bridge_allowance_left(left): "Requests left: {left}.", "Requêtes restantes : {left}.";
    bridge_clock_ahead(seconds): "The platform’s clock is {seconds} seconds from ours: signed requests will go wrong. Set the clock.",
        "L’horloge de la plateforme s’écarte de la nôtre de {seconds} secondes : les requêtes signées échoueront. Réglez l’horloge.";
    bridge_failed(label, problem): "{label}: {problem}", "{label} : {problem}";
    bridge_waits_until(moment): "waits until {moment}", "en attente jusqu’au {moment}";
    bridge_last_success: "Last success", "Dernier succès";
    bridge_last_error: "Last error", "Dernière erreur";
    bridge_allowance: "Allowance", "Quota";
    bridge_connections: "Connections", "Connexions";
    bridge_due: "Due", "À lire";
    bridge_failing_count: "Failing", "En échec";
    bridge_next_poll: "Next poll", "Prochaine lecture";
    bridge_terms: "What the platforms ask", "Ce que demandent les plateformes";
    bridge_error_text(moment, said, class, message): "{moment}: {said} ({class}): {message}", "{moment} : {said} ({class}) : {message}";
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
            State::Waiting => self.pick("waiting", "en attente"),
            State::Untried => self.pick("not tried yet", "pas encore essayé"),
            State::NoKeys => self.pick("no keys", "sans clés"),
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
