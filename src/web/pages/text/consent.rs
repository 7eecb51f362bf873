//! Words about consent: opting out, likes that wait for a yes, and what a patron may tell a creator.

use super::{catalogue, counted};

catalogue! {
    refused_title: "Not here", "Pas ici";
    refused_changed: "Is this you, and you have changed your mind?", "C’est vous, et vous avez changé d’avis ?";
    refused_opt_in: "Opt in again", "Se réinscrire";

    opt_out_link: "Opt out", "Se retirer";
    footer_opt_out: "You do not want to be flattred? Opt out", "Vous ne voulez pas être flattré ? Retirez-vous";
    about_opt_out_title: "If you do not want to be here", "Si vous ne voulez pas être ici";
    about_opt_out_text: "Accounts of other platforms appear here because somebody likes what they post. Their owners can end that at any time, without an account here:",
        "Des comptes d’autres plateformes apparaissent ici parce que quelqu’un aime ce qu’ils publient. Leurs propriétaires peuvent y mettre fin à tout moment, sans compte ici :";
    opt_out_title: "Opt out", "Se retirer";
    opt_out_text: "You publish on another platform and do not want to be shown or flattred here? Your own profile is enough to say so. You need no account here.",
        "Vous publiez sur une autre plateforme et ne voulez être ni montré ni flattré ici ? Votre propre profil suffit pour le dire. Aucun compte n’est nécessaire ici.";
    opt_out_tag_title: "For every instance", "Pour toutes les instances";
    opt_out_tag_before: "Write", "Écrivez";
    opt_out_tag_after: "into the bio of your profile. Each instance that reads your profile obeys it, as long as it stands there. Here it is read before a month is divided; with the form below, at once.",
        "dans la biographie de votre profil. Chaque instance qui lit votre profil y obéit, tant que c’est écrit. Ici, il est lu avant le partage d’un mois ; avec le formulaire ci-dessous, tout de suite.";
    opt_out_proof_title: "With a proof, at once", "Avec une preuve, tout de suite";
    opt_out_proof_text: "Name your account. You get an address to put into your profile for a moment: only its owner can do that. Afterwards it may go, and you stay out here. The same way leads back in.",
        "Indiquez votre compte. Vous recevez une adresse à mettre un moment dans votre profil : seul son propriétaire le peut. Elle peut ensuite disparaître, et vous restez dehors ici. Le même chemin ramène à l’intérieur.";
    opt_out_account: "Your name there, or the address of your profile", "Votre nom là-bas, ou l’adresse de votre profil";
    opt_out_account_hint: "An address says by itself on which platform it is.", "Une adresse dit d’elle-même de quelle plateforme il s’agit.";
    opt_out_begin: "Go on", "Continuer";
    opt_out_not_read: "No bridge of this instance reads this address. Choose the platform and write the name of the account.",
        "Aucun pont de cette instance ne lit cette adresse. Choisissez la plateforme et écrivez le nom du compte.";
    opt_out_nobody_named: "This address does not name a person. Give the address of the profile.",
        "Cette adresse ne désigne personne. Donnez l’adresse du profil.";
    opt_out_sign_in_instead(platform): "{platform} does not show profiles to this instance, so an address there proves nothing. Sign in at {platform} instead: the button is below.",
        "{platform} ne montre pas les profils à cette instance : une adresse n’y prouve rien. Connectez-vous plutôt à {platform} : le bouton est ci-dessous.";
    opt_out_closed(platform, address): "{platform} cannot be asked by this instance, so nothing can be proved here. Write to {address}: the operator can take the account out.",
        "Cette instance ne peut pas interroger {platform} : rien ne peut donc être prouvé ici. Écrivez à {address} : l’opérateur peut retirer le compte.";
    opt_out_closed_no_contact(platform): "{platform} cannot be asked by this instance, so nothing can be proved here. The operator can take the account out, but has given no address.",
        "Cette instance ne peut pas interroger {platform} : rien ne peut donc être prouvé ici. L’opérateur peut retirer le compte, mais n’a pas indiqué d’adresse.";
    opt_out_operator_title: "Where a platform cannot be asked", "Quand une plateforme ne peut pas être interrogée";
    opt_out_operator_text: "Some platforms are closed, or show profiles to nobody. Then write to the operator:",
        "Certaines plateformes sont fermées ou ne montrent les profils à personne. Écrivez alors à l’opérateur :";
    opt_out_effect_title: "What it does", "Ce que cela fait";
    opt_out_effect_pages: "Your account and its posts disappear from the pages here and from the fediverse.",
        "Votre compte et ses publications disparaissent des pages d’ici et du fédivers.";
    opt_out_effect_flattrs: "No like counts for you any more, those of this month included.",
        "Plus aucun « j’aime » ne compte pour vous, y compris ceux de ce mois.";
    opt_out_effect_shares: "What was set aside for you goes back to the people who gave it.",
        "Ce qui était mis de côté pour vous revient aux personnes qui l’ont donné.";
    opt_out_effect_others: "Other instances obey what stands in your profile when they read it. A proof made here holds here.",
        "Les autres instances obéissent à ce qui figure dans votre profil quand elles le lisent. Une preuve faite ici vaut ici.";
    opt_out_effect_back: "If you come back, new likes count again. Nothing else comes back.",
        "Si vous revenez, les nouveaux « j’aime » comptent à nouveau. Rien d’autre ne revient.";

    opt_out_account_title(handle, platform): "{handle} on {platform}", "{handle} sur {platform}";
    opt_out_state_open: "This account is not opted out here.", "Ce compte n’est pas retiré d’ici.";
    opt_out_state_out: "This account is opted out: it is not shown here, and nothing counts for it.",
        "Ce compte est retiré : il n’est pas montré ici et rien ne compte pour lui.";
    opt_out_by_profile: "Its profile says so. That ends when #nobridge and every address to opt out are gone from the profile and it is read again.",
        "Son profil le dit. Cela prend fin quand #nobridge et toute adresse de retrait ont quitté le profil et qu’il est relu.";
    opt_out_by_owner: "The owner has proved it here. That ends when the address below stands in the profile instead, or when the owner signs in to opt in again.",
        "Le propriétaire l’a prouvé ici. Cela prend fin quand l’adresse ci-dessous figure à la place dans le profil, ou quand le propriétaire se connecte pour se réinscrire.";
    opt_out_by_operator: "The operator has taken it out, and only the operator can change that.",
        "L’opérateur l’a retiré, et lui seul peut changer cela.";
    opt_out_by_operator_at(address): "The operator has taken it out, and only the operator can change that: {address}",
        "L’opérateur l’a retiré, et lui seul peut changer cela : {address}";
    opt_out_two_ways: "To opt out, put this address into the profile, or write into its bio:",
        "Pour vous retirer, mettez cette adresse dans le profil, ou écrivez dans sa biographie :";
    opt_out_address: "Address to opt out", "Adresse de retrait";
    opt_in_address: "Address to opt in again", "Adresse de réinscription";
    opt_out_anyone: "Anybody may press this button: only what stands in the profile decides.",
        "N’importe qui peut appuyer sur ce bouton : seul ce qui figure dans le profil décide.";
    opt_out_done: "Done: the account is opted out. If you used the address, it may leave the profile now.",
        "C’est fait : le compte est retiré. Si vous avez utilisé l’adresse, elle peut quitter le profil.";
    opt_in_done: "Done: the account is not opted out any more. New likes count again.",
        "C’est fait : le compte n’est plus retiré. Les nouveaux « j’aime » comptent à nouveau.";
    opt_out_nothing_there: "The profile shows neither #nobridge nor the address yet. Some platforms take a few minutes.",
        "Le profil n’affiche encore ni #nobridge ni l’adresse. Certaines plateformes mettent quelques minutes.";
    opt_out_unchanged: "The profile was read, and nothing has changed.", "Le profil a été lu, et rien n’a changé.";
    opt_out_changed: "The profile was read. Below is what still keeps the account out.",
        "Le profil a été lu. Ci-dessous, ce qui maintient encore le compte dehors.";

    confirm_title: "Waiting for your yes", "En attente de votre oui";
    confirm_text: "You liked these with an account that asks first. A yes makes a flattr of the month shown; a no is like striking it out. What you do not answer costs nothing.",
        "Vous avez aimé ceci avec un compte qui demande d’abord. Un oui en fait un flattr du mois indiqué ; un non équivaut à rayer. Ce à quoi vous ne répondez pas ne coûte rien.";
    confirm_none: "Nothing waits.", "Rien n’attend.";
    confirm_seen: "Seen on", "Vu le";
    confirm_counts: "Would count in", "Compterait en";
    confirm_yes: "Flattr", "Flattrer";
    confirm_no: "No", "Non";
    confirm_yes_of(title): "Flattr “{title}”", "Flattrer « {title} »";
    confirm_no_of(title): "No to “{title}”", "Non à « {title} »";
    confirm_all: "Flattr all of these", "Flattrer tout ceci";
    confirm_none_of: "None of these", "Rien de tout ceci";
    confirm_more(posts): "{posts} more wait behind these.", "{posts} de plus attendent derrière.";
    confirm_settings: "Which accounts ask first", "Quels comptes demandent d’abord";
    me_confirm_link: "Answer", "Répondre";
    done_confirmed: "Flattred.", "Flattré.";
    done_dismissed: "These do not count.", "Cela ne compte pas.";

    connections_new_likes: "New likes", "Nouveaux « j’aime »";
    connections_new_likes_of(handle): "New likes of {handle}", "Nouveaux « j’aime » de {handle}";
    connections_setting_all: "count", "comptent";
    connections_setting_confirm: "wait for my yes", "attendent mon oui";
    connections_setting_off: "are not read", "ne sont pas lus";
    connections_asking: "connected; new likes wait for your yes", "connecté ; les nouveaux « j’aime » attendent votre oui";
    connections_setting_save: "Save", "Enregistrer";

    tell_title: "Tell the owner", "Prévenir le propriétaire";
    tell_how: "This instance writes to nobody. If you know the owner of this account, send these words yourself, where you like.",
        "Cette instance n’écrit à personne. Si vous connaissez le propriétaire de ce compte, envoyez vous-même ces mots, où vous voulez.";
    tell_text(instance, link): "I like what you make, and I give through {instance}. If you want, you can claim what people give there, or say that you want no part in it: {link}",
        "J’aime ce que vous faites, et je donne via {instance}. Si vous voulez, vous pouvez y réclamer ce que les gens donnent, ou dire que vous ne voulez pas en être : {link}";
    held_tell: "Tell them", "Prévenir";
    held_tell_of(title): "Tell the creator of “{title}”", "Prévenir le créateur de « {title} »";
}

counted! {
    me_confirm(n): "{n} like waits for your yes." | "{n} likes wait for your yes.",
        "{n} « j’aime » attend votre oui." | "{n} « j’aime » attendent votre oui.";
}
