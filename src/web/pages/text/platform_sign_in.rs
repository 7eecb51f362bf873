//! Words around signing in at a platform.

use super::catalogue;

catalogue! {
    platform_sign_in_title(label): "Sign in at {label}", "Se connecter à {label}";
    platform_sign_in_text(label):
        "{label} asks you whether this instance may read your profile and what you liked. Nothing is changed or posted there, and you can take it back at any time, here or at {label}.",
        "{label} vous demande si cette instance peut lire votre profil et ce que vous avez aimé. Rien n’y est modifié ni publié, et vous pouvez revenir en arrière à tout moment, ici ou sur {label}.";
    platform_sign_in_go(label): "Go on to {label}", "Continuer vers {label}";
    platform_sign_in_back: "Back to your connections", "Retour à vos connexions";
    platform_sign_in_failed: "Not signed in", "Connexion impossible";
    platform_sign_in_denied(label):
        "{label} says that you did not allow it. Nothing was changed.",
        "{label} indique que vous n’avez pas donné votre accord. Rien n’a été modifié.";
    platform_sign_in_over:
        "This sign-in has ended, or was begun in another browser. Begin again.",
        "Cette connexion est terminée, ou a été commencée dans un autre navigateur. Recommencez.";
    owner_sign_in_title: "By signing in there", "En vous y connectant";
    owner_sign_in_why: "Who signs in to the account has proved that it is theirs. Nothing is to be put into the profile, and it works where a platform shows profiles to nobody else.",
        "Qui se connecte au compte a prouvé qu’il est à lui. Rien n’est à mettre dans le profil, et cela fonctionne là où une plateforme ne montre les profils à personne d’autre.";
    owner_sign_in_out_go(label): "Opt out by signing in at {label}", "Se retirer en se connectant à {label}";
    owner_sign_in_in_go(label): "Opt in again by signing in at {label}", "Se réinscrire en se connectant à {label}";
    owner_sign_in_out(label): "When you come back, the account with which you have signed in at {label} is opted out here.",
        "À votre retour, le compte avec lequel vous vous serez connecté à {label} est retiré d’ici.";
    owner_sign_in_in(label): "When you come back, the account with which you have signed in at {label} is opted in here again.",
        "À votre retour, le compte avec lequel vous vous serez connecté à {label} est de nouveau inscrit ici.";
    owner_sign_in_text(label): "{label} may ask for more than that, as for patrons. Nothing but whose account it is is read, and nothing that it grants is kept.",
        "{label} demande peut-être davantage, comme pour les mécènes. Rien n’est lu que le nom du compte, et rien de ce qu’elle accorde n’est gardé.";
    owner_sign_in_back: "Back", "Retour";
    connections_doors: "Sign in there", "Se connecter là-bas";
    connections_doors_text:
        "The quickest proof that an account is yours, and the only way to likes that a platform shows to nobody else.",
        "La preuve la plus rapide qu’un compte est le vôtre, et le seul accès aux « j’aime » qu’une plateforme ne montre à personne d’autre.";
}
