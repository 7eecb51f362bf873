//! Words around claims that are proved by signing in at the platform.

use super::catalogue;

catalogue! {
    claim_doors: "Sign in there", "Se connecter là-bas";
    claim_doors_text:
        "The platform itself says whose account it is. Nothing has to be put into the profile.",
        "La plateforme dit elle-même à qui est le compte. Rien n’est à mettre dans le profil.";
    claim_by_address: "Or show an address in the profile", "Ou afficher une adresse dans le profil";
    claim_sign_in_text(label):
        "{label} tells this instance which account is yours. Only your profile is read, even where {label} names more; what was allowed is forgotten afterwards, or kept for this alone where {label} shows the profile to nobody else. Nothing is changed or posted there.",
        "{label} indique à cette instance quel compte est le vôtre. Seul votre profil est lu, même si {label} en annonce davantage ; l’autorisation est ensuite oubliée, ou gardée pour ce seul usage si {label} ne montre le profil à personne d’autre. Rien n’y est modifié ni publié.";
    claim_confirm_title: "Is this your account?", "Est-ce votre compte ?";
    claim_confirm_text(handle, label):
        "You have signed in as {handle} at {label}. This is what waits for that account; nothing is claimed yet.",
        "Vous vous êtes connecté comme {handle} sur {label}. Voici ce qui attend pour ce compte ; rien n’est encore revendiqué.";
    claim_confirm_go: "Claim this account", "Revendiquer ce compte";
    claim_confirm_back: "Back to your claims", "Retour à vos revendications";
    claim_sign_in_again(label): "Sign in at {label}", "Se connecter à {label}";
    claim_sign_in_until(date, end):
        "Proved by signing in on {date}. Sign in again before {end}: a sign-in proves for a year.",
        "Prouvé par une connexion le {date}. Connectez-vous à nouveau avant le {end} : une connexion vaut preuve pendant un an.";
    claim_sign_in_also(date, end):
        "You have signed in at the platform on {date}; that counts as a proof until {end}.",
        "Vous vous êtes connecté à la plateforme le {date} ; cela vaut preuve jusqu’au {end}.";
    claim_sign_in_withdraw: "Take the sign-in back", "Retirer cette connexion";
    claim_sign_in_gone(label):
        "{label} does not show the account any more. When it is there again, check the claim.",
        "{label} n’affiche plus le compte. Quand il sera de retour, vérifiez la revendication.";
    claim_sign_in_noted(label):
        "Your sign-in is noted, but {label} does not answer at the moment. It is asked again by itself; nothing is lost.",
        "Votre connexion est notée, mais {label} ne répond pas pour le moment. Elle sera relue automatiquement ; rien n’est perdu.";
    claim_sign_in_lost:
        "Not proved any more: the account is gone, or your sign-in is older than a year or was taken back. New flattrs wait, and what you have earned with this account is not paid out. Sign in again, or put the address into the profile.",
        "Plus prouvé : le compte a disparu, ou votre connexion date de plus d’un an ou a été retirée. Les nouveaux flattrs attendent, et ce que vous avez gagné avec ce compte n’est pas payé. Connectez-vous à nouveau, ou mettez l’adresse dans le profil.";
    claim_disputed_sign_in:
        "Disputed: somebody else has a proof for this account too. Until one is left, nobody is paid for it; what comes waits, and goes back to its patrons at its date. A foreign address: remove it from the profile. A foreign sign-in: sign in again. That ends it at once if your proof was there before the other, else after a week in which the other has not signed in again. The operator sees this too.",
        "Contestée : quelqu’un d’autre a aussi une preuve pour ce compte. Tant qu’il n’en reste pas une seule, personne n’est payé ; ce qui arrive attend, et revient aux mécènes à sa date. Une adresse étrangère : retirez-la du profil. Une connexion étrangère : connectez-vous à nouveau. Cela met fin au litige aussitôt si votre preuve était antérieure à l’autre, sinon après une semaine pendant laquelle l’autre ne s’est pas reconnecté. L’opérateur le voit aussi.";
    claim_disputed_proofs: "The other proofs:", "Les autres preuves :";
    claim_other_signed_in(date): "somebody signed in at the platform on {date}", "quelqu’un s’est connecté à la plateforme le {date}";
    claim_peers_doubt(hosts):
        "These instances do not take our word for a sign-in: {hosts}. For them put this address into your profile too:",
        "Ces instances ne nous croient pas sur parole pour une connexion : {hosts}. Pour elles, mettez aussi cette adresse dans votre profil :";
    done_withdrawn: "The sign-in is taken back.", "La connexion est retirée.";
    admin_claim_signed_in(date): "signed in on {date}", "connexion le {date}";
    admin_trusted_claims: "Word taken for sign-ins at", "Cru sur parole pour les connexions à";
    admin_trusts_claims: "Takes ours for", "Nous croit pour";
    claim_check_untrusted: "without effect: not trusted", "sans effet : pas de confiance";
}
