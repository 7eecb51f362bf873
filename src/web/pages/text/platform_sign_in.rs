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
    connections_doors: "Sign in there", "Se connecter là-bas";
    connections_doors_text:
        "The quickest proof that an account is yours, and the only way to likes that a platform shows to nobody else.",
        "La preuve la plus rapide qu’un compte est le vôtre, et le seul accès aux « j’aime » qu’une plateforme ne montre à personne d’autre.";
}
