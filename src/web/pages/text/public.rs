//! Messages of the layout and of the pages that everybody sees.

use super::{catalogue, counted};

catalogue! {
    skip_to_content: "Skip to content", "Aller au contenu";
    main_navigation: "Main", "Principale";
    account_navigation: "Your account", "Votre compte";
    language: "Language", "Langue";
    creators: "Creators", "Créateurs";
    about: "About", "À propos";
    sign_in: "Sign in", "Se connecter";
    sign_out: "Sign out", "Se déconnecter";
    signed_in_as(name): "Signed in as {name}", "Connecté en tant que {name}";
    footer_software(version): "fedflattr {version}, free software under the AGPL 3.0",
        "fedflattr {version}, logiciel libre sous AGPL 3.0";
    yes: "yes", "oui";
    no: "no", "non";
    none: "none", "aucun";
    never: "never", "jamais";
    total: "Total", "Total";
    month_heading: "Month", "Mois";
    amount: "Amount", "Montant";
    state: "State", "État";
    date_heading: "Date", "Date";
    platform: "Platform", "Plateforme";
    account: "Account", "Compte";
    peer: "Instance", "Instance";
    flattrs_heading: "Flattrs", "Flattrs";
    post: "Post", "Publication";
    error_on_form: "This could not be done", "Cela n’a pas pu être fait";

    home_title: "Thank people for what you like", "Remerciez les gens pour ce que vous aimez";
    home_line_1: "You set aside a sum each month and go on liking things where you always have.",
        "Vous mettez de côté une somme chaque mois et continuez d’aimer les choses là où vous l’avez toujours fait.";
    home_line_2: "At the end of the month your sum is divided over everything that you liked.",
        "À la fin du mois, votre somme est partagée entre tout ce que vous avez aimé.";
    home_line_3: "Each instance holds the money of its own patrons only, and once a month instances settle with one another.",
        "Chaque instance ne garde que l’argent de ses propres mécènes ; une fois par mois, les instances règlent leurs comptes.";
    home_platforms: "Platforms", "Plateformes";
    home_month(month): "This month: {month}", "Ce mois-ci : {month}";
    home_flattrs: "Flattrs so far", "Flattrs jusqu’ici";
    home_patrons: "Patrons here", "Mécènes ici";
    home_claimed: "Accounts claimed here", "Comptes revendiqués ici";
    home_last_month(month): "The last month that was divided is {month}:", "Le dernier mois partagé est {month} :";
    home_commitment: "its public commitment", "son engagement public";
    home_go_to_account: "Your month", "Votre mois";
    home_creators_title: "Are you liked?", "Vous êtes aimé ?";
    home_creators_text: "If you publish on one of these platforms, flattrs may be waiting for you.",
        "Si vous publiez sur l’une de ces plateformes, des flattrs vous attendent peut-être.";
    home_creators_here: "Creators here", "Créateurs ici";
    home_all_creators: "All creators", "Tous les créateurs";
    home_lately: "Flattred lately", "Flattré récemment";
    home_claim: "Claim your account", "Revendiquer votre compte";

    about_title(name): "About {name}", "À propos : {name}";
    about_run_by: "Contact", "Contact";
    about_no_contact: "The operator has not given an address.", "L’opérateur n’a pas indiqué d’adresse.";
    about_fees: "Fees", "Frais";
    about_patron_fee(percent): "Taken from a budget before it is divided: {percent}. A month without flattrs costs nothing.",
        "Prélevé sur un budget avant le partage : {percent}. Un mois sans flattr ne coûte rien.";
    about_creator_fee(percent): "Taken from what a creator receives: {percent}.",
        "Prélevé sur ce que reçoit un créateur : {percent}.";
    about_minimum_budget(amount): "The smallest monthly budget is {amount}.", "Le plus petit budget mensuel est de {amount}.";
    about_minimum_payout(amount): "Creators are paid out from {amount}.",
        "Les créateurs sont payés à partir de {amount}.";
    about_unclaimed: "Creators without an account", "Créateurs sans compte";
    about_unclaimed_text(months): "A share for somebody who has no account yet stays the patron’s money and is set aside. It goes to the creator who proves that the account is theirs, or back to the patron {months} after the end of the month. It never goes to the operator.",
        "La part de quelqu’un qui n’a pas encore de compte reste l’argent du mécène et est mise de côté. Elle va au créateur qui prouve que le compte est le sien, ou revient au mécène {months} après la fin du mois. Elle ne va jamais à l’opérateur.";
    about_calendar: "The month", "Le mois";
    about_calendar_1: "On the 1st at 00:00 UTC the month ends and each budget is reserved.",
        "Le 1er à 00:00 UTC, le mois se termine et chaque budget est réservé.";
    about_calendar_2: "On the 4th at 00:00 UTC the month is frozen and every budget is divided.",
        "Le 4 à 00:00 UTC, le mois est figé et chaque budget est partagé.";
    about_calendar_3: "Until the 7th instances agree on what they owe one another; on the 10th they pay.",
        "Jusqu’au 7, les instances conviennent de ce qu’elles se doivent ; le 10, elles paient.";
    about_peers: "Instances that this one settles with", "Instances avec lesquelles celle-ci règle ses comptes";
    about_no_peers: "There are none yet: creators of this instance are paid by its own patrons.",
        "Il n’y en a pas encore : les créateurs de cette instance sont payés par ses propres mécènes.";
    about_terms: "Terms", "Accord";
    terms_open: "open", "en vigueur";
    terms_offered: "offered", "proposé";
    terms_none: "none", "aucun";
    terms_frozen: "suspended", "suspendu";

    patron_title(name): "{name}, patron", "{name}, mécène";
    patron_private: "This patron gives without saying to whom.", "Ce mécène donne sans dire à qui.";
    patron_this_month: "Flattrs of this month", "Flattrs de ce mois";
    patron_none_yet: "No flattr yet this month.", "Pas encore de flattr ce mois-ci.";
    patron_since(date): "Here since {date}.", "Ici depuis le {date}.";
    patron_also_creator: "This person also receives flattrs.", "Cette personne reçoit aussi des flattrs.";
    handle_is(handle): "Fediverse address: {handle}", "Adresse dans le fédivers : {handle}";

    creators_title: "Creators", "Créateurs";
    creators_text: "They have proved that these accounts are theirs, and receive what is flattred there.",
        "Ils ont prouvé que ces comptes sont les leurs et reçoivent ce qui y est flattré.";
    creators_none: "Nobody here has claimed an account yet.", "Personne ici n’a encore revendiqué de compte.";
    creators_account(handle, platform): "{handle} on {platform}", "{handle} sur {platform}";
    creators_next: "Next creators", "Créateurs suivants";
    creators_first: "First creators", "Premiers créateurs";

    commitment_title(of_month): "Commitment {of_month}", "Engagement {of_month}";
    commitment_text: "When a month is divided, the instance publishes this commitment and signs it. Its roots fix every flattr of the month with its share, without naming anybody: changing a single one afterwards would change the root. What other instances are told they are owed, and what each patron sees in the history, must lead to the same root.",
        "Quand un mois est partagé, l’instance publie cet engagement et le signe. Ses racines fixent chaque flattr du mois avec sa part, sans nommer personne : en changer un seul après coup changerait la racine. Ce que l’on déclare devoir aux autres instances, et ce que chaque mécène voit dans son historique, doit mener à la même racine.";
    commitment_by: "Signed by", "Signé par";
    commitment_issued: "Issued", "Émis";
    commitment_digest: "Digest", "Empreinte";
    commitment_totals: "What it holds", "Ce qu’il contient";
    commitment_sum: "Sum", "Somme";
    commitment_root: "Root", "Racine";
    commitment_empty: "Nothing was divided in this month.", "Rien n’a été partagé ce mois-ci.";
    commitment_document: "The signed document, for checking it yourself, is at the same address for programs:",
        "Le document signé, à vérifier vous-même, est à la même adresse pour les programmes :";

    creator_title(name): "{name}, creator", "{name}, créateur";
    creator_accounts: "Accounts that are proved to be theirs", "Comptes dont la preuve est faite";
    creator_none: "No account is proved yet.", "Aucune preuve n’est encore faite pour un compte.";
    creator_received: "Flattrs received", "Flattrs reçus";
    creator_proved_on(date): "proved on {date}", "prouvé le {date}";

    bridged_unclaimed: "This page stands for a public account whose owner has not claimed it. The owner did not make it.",
        "Cette page représente un compte public que son propriétaire n’a pas revendiqué. Il ne l’a pas créée.";
    bridged_claimed: "The owner has proved that this account is theirs.", "Le propriétaire a prouvé que ce compte est le sien.";
    bridged_claimed_by: "Who receives", "Qui reçoit";
    bridged_refused: "The owner of this account does not wish to be flattred from here. Nothing is collected for it.",
        "Le propriétaire de ce compte ne souhaite pas recevoir de flattrs d’ici. Rien n’est collecté pour lui.";
    bridged_waiting(people, flattrs): "{people} with {flattrs}.", "{people} avec {flattrs}.";
    bridged_nobody_waits: "Nobody waits at the moment.", "Personne n’attend pour le moment.";
    bridged_is_me: "This is me: claim it", "C’est moi : revendiquer";
    bridged_on_platform(platform): "See the account on {platform}", "Voir le compte sur {platform}";
    bridged_posts: "Posts that were flattred", "Publications flattrées";
    bridged_no_posts: "No post is known here yet.", "Aucune publication n’est encore connue ici.";
    bridged_not_wanted: "Is this you and you do not want to be here?", "C’est vous et vous ne voulez pas être ici ?";
    bridged_unknown(handle, platform): "Nobody here has flattred {handle} on {platform} yet.",
        "Personne ici n’a encore flattré {handle} sur {platform}.";
    unknown_title(handle): "{handle}", "{handle}";

    object_by(name): "by {name}", "par {name}";
    object_author_unknown: "The author is not known here. A share for this post waits until it is.",
        "L’auteur n’est pas connu ici. Une part pour cette publication attend jusqu’à ce qu’il le soit.";
    object_on_platform(platform): "See it on {platform}", "La voir sur {platform}";
    object_gone: "This post is gone from its platform. It can no longer be flattred.",
        "Cette publication a disparu de sa plateforme. Elle ne peut plus être flattrée.";
    object_refused: "Its author does not wish to be flattred from here.", "Son auteur ne souhaite pas recevoir de flattrs d’ici.";
    object_flattr: "Flattr this", "Flattrer";
    object_flattr_again: "Flattr it this month too", "La flattrer aussi ce mois-ci";
    object_take_back: "Take back", "Reprendre";
    object_sign_in_to_flattr: "Sign in to flattr this", "Se connecter pour flattrer";
    object_you_flattred(month): "You flattred this in {month}.", "Vous l’avez flattrée en {month}.";
    object_you_struck: "You struck this out for this month. It stays out until the next.",
        "Vous l’avez rayée pour ce mois. Elle le reste jusqu’au suivant.";
    object_yours: "This is yours: it does not count for you.", "C’est la vôtre : elle ne compte pas pour vous.";
    object_confirm: "You are signed in now. Press the button to flattr this post.",
        "Vous êtes connecté. Appuyez sur le bouton pour flattrer cette publication.";
    object_not_a_patron: "Your account has no budget, so it cannot flattr.", "Votre compte n’a pas de budget : il ne peut pas flattrer.";
    object_published(date): "Published on {date}", "Publiée le {date}";

    claim_public_title(handle, platform): "{handle} on {platform}", "{handle} sur {platform}";
    claim_public_pending(name, handle, platform): "{name} says that the account {handle} on {platform} is theirs. It is proved once this page’s address stands in the profile of that account.",
        "{name} dit que le compte {handle} sur {platform} est le sien. La preuve est faite dès que l’adresse de cette page figure dans le profil de ce compte.";
    claim_public_verified(name, handle, platform): "The account {handle} on {platform} belongs to {name}: its profile shows the address of this page.",
        "Le compte {handle} sur {platform} appartient à {name} : son profil affiche l’adresse de cette page.";
    claim_public_replaced(name, handle, platform): "{name} once proved that the account {handle} on {platform} was theirs. A newer proof has taken its place.",
        "{name} avait prouvé que le compte {handle} sur {platform} était le sien. Une preuve plus récente l’a remplacée.";
    claim_public_thank: "Flattrs for this account go to", "Les flattrs pour ce compte vont à";

    sign_in_name: "Name", "Nom";
    sign_in_password: "Password", "Mot de passe";
    sign_in_wrong: "The name or the password is wrong.", "Le nom ou le mot de passe est faux.";
    sign_in_for_flattr: "Sign in, then flattr the post with one more press.",
        "Connectez-vous, puis flattrez la publication d’une seule pression.";
    sign_in_lost: "No account, or the password lost? The operator of this instance gives out links to set one.",
        "Pas de compte, ou mot de passe perdu ? L’opérateur de cette instance donne des liens pour en définir un.";

    setup_title: "Set your password", "Définir votre mot de passe";
    setup_for(name): "For the account {name}. This link works once.", "Pour le compte {name}. Ce lien ne fonctionne qu’une fois.";
    setup_hint(count): "At least {count} characters. A sentence is a good password, and pasting works.",
        "Au moins {count} caractères. Une phrase est un bon mot de passe, et le collage fonctionne.";
    setup_new_password: "New password", "Nouveau mot de passe";
    setup_save: "Save and sign in", "Enregistrer et se connecter";
    setup_too_short(count): "The password needs at least {count} characters.",
        "Le mot de passe doit avoir au moins {count} caractères.";
    setup_too_long: "The password is too long.", "Le mot de passe est trop long.";
    setup_is_name: "The password must not be the name.", "Le mot de passe ne doit pas être le nom.";
    setup_gone: "This link has been used, replaced or has expired. Ask the operator for a new one (fedflattr user password NAME).",
        "Ce lien a été utilisé, remplacé ou a expiré. Demandez-en un nouveau à l’opérateur (fedflattr user password NOM).";

    error_400: "This request cannot be understood", "Cette demande n’est pas compréhensible";
    error_403: "This is not allowed", "Ceci n’est pas permis";
    error_403_text: "If you came here by a form, go back, reload the page and try again.",
        "Si vous venez d’un formulaire, revenez, rechargez la page et réessayez.";
    only_operators: "Only operators may see this.", "Réservé aux opérateurs.";
    form_not_ours: "The form was not sent by a page of ours, or it is out of date.",
        "Le formulaire n’a pas été envoyé par une de nos pages, ou il est périmé.";
    form_kind: "Forms are sent as application/x-www-form-urlencoded.",
        "Les formulaires s’envoient en application/x-www-form-urlencoded.";
    form_too_large: "This form is too large or was cut off.", "Ce formulaire est trop grand ou a été coupé.";
    account_gone: "This account is gone.", "Ce compte a disparu.";
    platform_unknown: "There is no such platform.", "Cette plateforme n’existe pas.";
    error_404: "There is nothing here", "Il n’y a rien ici";
    error_404_text: "The address is wrong, or what was here is gone.", "L’adresse est fausse, ou ce qui était ici a disparu.";
    error_410: "This is gone", "Ceci a disparu";
    error_413: "This is too large", "Ceci est trop volumineux";
    error_429: "Too many attempts", "Trop de tentatives";
    error_429_text: "Wait a quarter of an hour, then try again.", "Attendez un quart d’heure, puis réessayez.";
    error_500: "Something went wrong here", "Une erreur s’est produite ici";
    error_500_text: "Nothing was changed half-way: what you asked for was either done or not. The operator can see what happened.",
        "Rien n’a été fait à moitié : votre demande a été exécutée ou ne l’a pas été. L’opérateur peut voir ce qui s’est passé.";
    error_503: "Not available at the moment", "Indisponible pour le moment";
    error_503_text: "Try again in a minute.", "Réessayez dans une minute.";
    error_to_home: "To the start page", "Vers la page d’accueil";
}

counted! {
    flattrs(n): "{n} flattr" | "{n} flattrs", "{n} flattr" | "{n} flattrs";
    people(n): "{n} person waits" | "{n} people wait", "{n} personne attend" | "{n} personnes attendent";
    patrons(n): "{n} patron" | "{n} patrons", "{n} mécène" | "{n} mécènes";
    posts(n): "{n} post" | "{n} posts", "{n} publication" | "{n} publications";
    months_count(n): "{n} month" | "{n} months", "{n} mois" | "{n} mois";
    days(n): "{n} day" | "{n} days", "{n} jour" | "{n} jours";
    shares(n): "{n} share" | "{n} shares", "{n} part" | "{n} parts";
}
