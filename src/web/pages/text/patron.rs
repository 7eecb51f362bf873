//! Messages of the pages of patrons and creators.
//!
//! Every state of money has a sentence that says what happened, what happens next and whether there is something to do.

use super::{catalogue, counted};

catalogue! {
    me_title: "Your month", "Votre mois";
    me_nav: "Your month", "Votre mois";
    history_nav: "History", "Historique";
    connections_nav: "Connections", "Connexions";
    claim_nav: "Claims", "Revendications";
    revenue_nav: "Revenue", "Revenus";
    admin_nav: "Operator", "Opérateur";

    me_no_patron: "This account has no budget of its own.", "Ce compte n’a pas de budget propre.";
    me_balance: "Balance", "Solde";
    me_balance_hint: "yours, not reserved yet", "à vous, pas encore réservé";
    me_budget: "Monthly budget", "Budget mensuel";
    me_days_left: "Time left", "Temps restant";
    me_until(date): "until {date}", "jusqu’au {date}";
    me_so_far: "So far", "Jusqu’ici";
    me_about_each(amount): "about {amount} each if the month closed now",
        "environ {amount} chacun si le mois se fermait maintenant";
    me_nothing_to_divide: "nothing to divide: the balance is empty", "rien à partager : le solde est vide";
    me_low_balance(balance, budget): "Your balance of {balance} is less than your budget of {budget}: only the balance would be divided. Pay in to give the full budget.",
        "Votre solde de {balance} est inférieur à votre budget de {budget} : seul le solde serait partagé. Versez de l’argent pour donner tout le budget.";
    me_flattrs_title(of_month): "Flattrs {of_month}", "Flattrs {of_month}";
    me_no_flattrs: "Nothing yet. Like something on a connected platform, or press Flattr on a page here.",
        "Rien encore. Aimez quelque chose sur une plateforme connectée, ou appuyez sur Flattrer sur une page d’ici.";
    me_source: "Source", "Source";
    me_worth_now: "Worth now", "Vaut maintenant";
    me_standing: "Standing", "Situation";
    me_strike: "Strike out", "Rayer";
    me_strike_of(title): "Strike out “{title}”", "Rayer « {title} »";
    me_strike_hint: "What you strike out stays out for this month, even if you like it again.",
        "Ce que vous rayez le reste pour ce mois, même si vous l’aimez à nouveau.";
    me_action: "Action", "Action";
    me_previous_title(month): "{month} is in its grace time", "{month} est dans son délai de grâce";
    me_previous_text(date): "Its budget is reserved. Until {date} a flattr of that month can still be struck out; then it is divided.",
        "Son budget est réservé. Jusqu’au {date}, un flattr de ce mois peut encore être rayé ; ensuite il est partagé.";

    budget_title: "Change the budget", "Changer le budget";
    budget_label(currency): "Each month, in {currency}", "Chaque mois, en {currency}";
    budget_effect(month, date): "Takes effect in {month}, at its end on {date}. What is already reserved for an earlier month no longer changes.",
        "Prend effet en {month}, à sa fin le {date}. Ce qui est déjà réservé pour un mois antérieur ne change plus.";
    budget_minimum(amount): "At least {amount}.", "Au moins {amount}.";
    budget_save: "Save the budget", "Enregistrer le budget";
    budget_below(asked, minimum): "{asked} is below the minimum of {minimum}.", "{asked} est inférieur au minimum de {minimum}.";
    amount_not_a_number(example): "This is not an amount. Write it as {example}.", "Ce n’est pas un montant. Écrivez-le ainsi : {example}.";
    amount_separator(example): "Write the amount without separators of thousands, and cents behind a point: {example}.",
        "Écrivez le montant sans séparateurs de milliers, et les centimes après une virgule ou un point : {example}.";
    amount_too_precise: "An amount has at most six decimal places.", "Un montant a au plus six décimales.";
    amount_out_of_range: "This amount is too large to be kept exactly.", "Ce montant est trop grand pour être gardé exactement.";
    amount_not_positive: "An amount must be above zero.", "Un montant doit être supérieur à zéro.";

    deposit_title: "Pay in", "Verser";
    deposit_text: "Transfer any sum from your bank and write this reference, and nothing else, as its purpose. It is booked when it arrives.",
        "Virez la somme de votre choix depuis votre banque en indiquant cette référence, et rien d’autre, comme motif. Elle est comptabilisée à son arrivée.";
    deposit_reference: "Reference", "Référence";
    deposit_account: "To the account", "Sur le compte";
    deposit_no_rail: "This instance has no bank connected yet: ask the operator where to pay in.",
        "Cette instance n’a pas encore de banque connectée : demandez à l’opérateur où verser.";

    held_title: "Shares that wait", "Parts en attente";
    held_text: "These shares are still yours. Each goes to its creator once the account is claimed, or back to your balance on the date shown. There is nothing for you to do, but you can tell the creator.",
        "Ces parts sont encore à vous. Chacune va à son créateur dès que le compte est revendiqué, ou revient à votre solde à la date indiquée. Vous n’avez rien à faire, mais vous pouvez prévenir le créateur.";
    held_none: "No share waits.", "Aucune part n’attend.";
    held_reason: "Why it waits", "Pourquoi elle attend";
    held_unclaimed: "The creator has not claimed the account yet.", "Le créateur n’a pas encore revendiqué le compte.";
    held_no_author: "The author of the post is not known yet.", "L’auteur de la publication n’est pas encore connu.";
    held_no_terms(host): "The creator’s instance {host} has no open terms with this one.",
        "L’instance {host} du créateur n’a pas d’accord en vigueur avec celle-ci.";
    held_returns: "Back to you on", "Vous revient le";

    history_title: "History", "Historique";
    history_none: "No month has been closed yet.", "Aucun mois n’a encore été fermé.";
    history_months: "Closed months", "Mois fermés";
    history_reserved: "Reserved", "Réservé";
    history_fee: "Fee", "Frais";
    history_partial: "The balance did not cover the whole budget.", "Le solde ne couvrait pas tout le budget.";
    history_movements: "Movements of your balance", "Mouvements de votre solde";
    history_no_movements: "Nothing has been booked yet.", "Rien n’a encore été comptabilisé.";
    history_booking: "What", "Quoi";
    history_month_title(of_month): "Your month {of_month}", "Votre mois {of_month}";
    history_not_divided: "The budget is reserved and not divided yet. There is nothing to do: it is divided on the 4th.",
        "Le budget est réservé et pas encore partagé. Rien à faire : il est partagé le 4.";
    history_no_shares: "There was no flattr that counted: the whole budget went back to your balance, without a fee.",
        "Aucun flattr ne comptait : tout le budget est revenu à votre solde, sans frais.";
    history_shares: "Shares, exact to the last unit", "Parts, exactes à la dernière unité";
    history_share: "Share", "Part";
    history_sum_line: "Shares and fee together", "Parts et frais ensemble";
    history_back: "All months", "Tous les mois";

    connections_title: "Connections", "Connexions";
    connections_text: "What you like with a connected account becomes a flattr. What you liked before you connected it costs nothing.",
        "Ce que vous aimez avec un compte connecté devient un flattr. Ce que vous aimiez avant de le connecter ne coûte rien.";
    connections_none: "No account is connected.", "Aucun compte n’est connecté.";
    connections_last_read: "Last read", "Dernière lecture";
    connections_next_read: "Next", "Prochaine";
    connections_problem: "Last problem", "Dernier problème";
    connections_add: "Connect an account", "Connecter un compte";
    connections_handle: "Your name there", "Votre nom là-bas";
    connections_handle_hint: "For GitHub the name in your profile’s address, such as mira.",
        "Pour GitHub, le nom dans l’adresse de votre profil, par exemple mira.";
    connections_connect: "Connect", "Connecter";
    connections_pause: "Pause", "Mettre en pause";
    connections_resume: "Resume", "Reprendre la lecture";
    connections_of(handle): "{handle}", "{handle}";
    connections_first: "waiting for the first complete look", "en attente de la première lecture complète";
    connections_reading: "connected", "connecté";
    connections_paused: "paused", "en pause";
    connections_contested: "The profile shows your address and that of another patron. Remove one of the two and check again.",
        "Le profil affiche votre adresse et celle d’un autre mécène. Retirez l’une des deux et vérifiez à nouveau.";
    connections_address_hint(fields): "It is looked for in: {fields}.", "Elle est cherchée dans : {fields}.";
    connections_waiting: "Waiting for their proof", "En attente de leur preuve";
    connections_waiting_text: "Nothing is read until the profile shows the address: it proves that the account is yours. Afterwards it may go.",
        "Rien n’est lu tant que le profil n’affiche pas l’adresse : elle prouve que le compte est à vous. Ensuite, elle peut disparaître.";
    connections_disconnect: "Disconnect", "Déconnecter";
    connections_give_up: "Give up", "Abandonner";
    connect_public_title: "An account is being connected", "Un compte est en cours de connexion";
    connect_public_text(instance): "Whoever put this address into a profile shows by it that the account is theirs, so that what they like with it counts on {instance}. There is nothing to do here.",
        "La personne qui a mis cette adresse dans un profil montre ainsi que le compte est le sien, pour que ce qu’elle aime avec lui compte sur {instance}. Il n’y a rien à faire ici.";
    connections_no_platform: "No platform with an API is switched on here.", "Aucune plateforme avec une API n’est active ici.";
    handle_bad: "Write the name of the account, without spaces.", "Écrivez le nom du compte, sans espaces.";
    look_up_unknown(handle, platform): "{platform} does not know {handle}.", "{platform} ne connaît pas {handle}.";
    look_up_later(platform): "{platform} does not answer at the moment. Try again in a few minutes.",
        "{platform} ne répond pas pour le moment. Réessayez dans quelques minutes.";
    look_up_no_api(platform): "{platform} has no API that this instance can ask.", "{platform} n’a pas d’API que cette instance puisse interroger.";
    look_up_off(platform): "The bridge to {platform} is switched off.", "Le pont vers {platform} est désactivé.";

    claim_title: "Claim an account", "Revendiquer un compte";
    claim_text: "Prove that an account on a platform is yours: sign in there, or put an address that we give you into its public profile. Then flattrs for it are yours.",
        "Prouvez qu’un compte sur une plateforme est le vôtre : connectez-vous là-bas, ou mettez dans son profil public une adresse que nous vous donnons. Les flattrs pour ce compte vous reviennent alors.";
    claim_begin: "Begin", "Commencer";
    claim_list: "Your claims", "Vos revendications";
    claim_none: "You have not claimed an account yet.", "Vous n’avez pas encore revendiqué de compte.";
    claim_address_label(of_handle): "Put this address into the profile {of_handle}", "Mettez cette adresse dans le profil {of_handle}";
    claim_address_hint(fields): "It is looked for in: {fields}. Once the proof is made, leave it there, so that other instances can check it too.",
        "Elle est cherchée dans : {fields}. Une fois la preuve faite, laissez-la, pour que d’autres instances puissent aussi la vérifier.";
    claim_check: "Check the profile now", "Vérifier le profil maintenant";
    claim_waiting(people, flattrs): "{people} with {flattrs}.", "{people} avec {flattrs}.";
    claim_waiting_amount(amount, date): "{amount} is set aside at the moment; the first part of it goes back to its patron on {date}.",
        "{amount} sont mis de côté pour le moment ; la première part revient à son mécène le {date}.";
    claim_nothing_waits: "Nothing waits for this account at the moment.", "Rien n’attend pour ce compte pour le moment.";
    claim_verified_on(date): "Proved on {date}. Flattrs for this account are yours; there is nothing to do.",
        "Prouvé le {date}. Les flattrs pour ce compte vous reviennent ; rien à faire.";
    claim_pending_text: "Not proved yet.", "Pas encore prouvé.";
    claim_replaced_text: "Somebody proved the account later. If it is still yours, claim it again.",
        "Quelqu’un a prouvé ce compte plus tard. S’il est toujours à vous, revendiquez-le à nouveau.";
    claim_disputed_text: "Disputed: the profile shows the addresses of two claims. Until one of them is removed, nobody is paid for this account; what comes waits, and goes back to its patrons at its date. Remove the address that is wrong, then check again. The operator sees this too.",
        "Contestée : le profil affiche les adresses de deux revendications. Tant que l’une d’elles n’est pas retirée, personne n’est payé pour ce compte ; ce qui arrive attend, et revient aux mécènes à sa date. Retirez l’adresse qui n’est pas la bonne, puis vérifiez à nouveau. L’opérateur le voit aussi.";
    claim_disputed_others: "The other addresses in the profile:", "Les autres adresses dans le profil :";
    claim_disputed_now: "The profile shows your address, and that of somebody else’s claim. Remove one of the two and check again.",
        "Le profil affiche votre adresse, et celle de la revendication de quelqu’un d’autre. Retirez l’une des deux et vérifiez à nouveau.";
    claim_lost_text: "The address has left the profile. New flattrs wait, and what you have earned with this account is not paid out. Put the address back, then check again.",
        "L’adresse a quitté le profil. Les nouveaux flattrs attendent, et ce que vous avez gagné avec ce compte n’est pas payé. Remettez l’adresse, puis vérifiez à nouveau.";
    claim_no_backlink: "The profile does not show the address yet. Some platforms need a few minutes; then check again.",
        "Le profil n’affiche pas encore l’adresse. Certaines plateformes ont besoin de quelques minutes ; vérifiez ensuite à nouveau.";
    claim_refused(account): "{account} has asked not to be bridged.", "{account} a demandé à ne pas être relié.";
    claim_done(shares, amount): "It is proved. {shares} that waited went to you: {amount}. See your revenue.",
        "La preuve est faite. {shares} en attente vous ont été versées : {amount}. Voyez vos revenus.";
    claim_done_nothing: "It is proved. Nothing waited; from now on flattrs for this account are yours.",
        "La preuve est faite. Rien n’attendait ; désormais les flattrs pour ce compte vous reviennent.";
    claim_done_open(flattrs, date): "It is proved. No share was set aside yet; {flattrs} not divided yet will be yours when the month is divided, from {date}.",
        "La preuve est faite. Aucune part n’était encore mise de côté. Encore à partager, et pour vous au partage du mois, dès le {date} : {flattrs}.";
    claim_done_more(flattrs, date): "{flattrs} not divided yet will be yours too when the month is divided, from {date}.",
        "Encore à partager, et pour vous aussi au partage du mois, dès le {date} : {flattrs}.";
    claim_unattributed(flattrs, platform): "Posts on {platform} whose authors are not known here yet have {flattrs}. What is for yours comes to you once your posts have been read, after the proof.",
        "Les publications sur {platform} dont les auteurs ne sont pas encore connus ici ont {flattrs}. Ce qui concerne les vôtres vous revient une fois vos publications lues, après la preuve.";

    revenue_title: "Revenue", "Revenus";
    revenue_not_creator: "You receive flattrs once you have claimed an account.", "Vous recevez des flattrs dès que vous avez revendiqué un compte.";
    revenue_available: "Available", "Disponible";
    revenue_available_hint: "here, and yours to take out", "ici, et à vous de le retirer";
    revenue_on_its_way: "On its way to you", "En route vers vous";
    revenue_promised: "Promised", "Promis";
    revenue_promised_hint: "owed by other instances, not here yet", "dû par d’autres instances, pas encore ici";
    revenue_promised_by: "Promised by", "Promis par";
    revenue_nothing_promised: "No other instance owes you anything at the moment.", "Aucune autre instance ne vous doit rien pour le moment.";
    revenue_lines: "From other instances, month by month", "D’autres instances, mois par mois";
    revenue_no_lines: "No other instance has stated anything yet.", "Aucune autre instance n’a encore rien déclaré.";
    revenue_origin(month): "held since {month}", "en attente depuis {month}";
    revenue_no_creator: "You have not claimed an account yet.", "Vous n’avez pas encore revendiqué de compte.";
    revenue_sum: "Stated", "Déclaré";
    revenue_paid: "Paid", "Payé";
    revenue_booked: "What made up your available money", "Ce qui compose votre disponible";
    revenue_no_bookings: "Nothing has been booked yet.", "Rien n’a encore été comptabilisé.";
    revenue_payouts: "Payouts", "Paiements";
    revenue_no_payouts: "Nothing has been paid out yet.", "Rien n’a encore été payé.";
    revenue_reference: "Reference", "Référence";
    revenue_requested: "Requested", "Demandé";
    revenue_paid_out_at: "Ended", "Terminé";
    payout_title: "Take it out", "Le retirer";
    payout_text(minimum): "Everything that is available is paid to your account, from {minimum}.",
        "Tout ce qui est disponible est payé sur votre compte, à partir de {minimum}.";
    payout_account: "Your bank account", "Votre compte bancaire";
    payout_account_hint: "An IBAN, or the name of an account on this instance’s rail.",
        "Un IBAN, ou le nom d’un compte sur le système de paiement de cette instance.";
    payout_request: "Request the payout", "Demander le paiement";
    payout_account_bad: "Write an account of 4 to 64 letters, digits, spaces, and - . _ :",
        "Écrivez un compte de 4 à 64 lettres, chiffres, espaces, et - . _ :";
    payout_below(available, minimum): "{available} is available; payouts start at {minimum}. Less waits and is not lost.",
        "{available} sont disponibles ; les paiements commencent à {minimum}. Le reste attend et n’est pas perdu.";
    payout_unproved_age(account): "{account} could not be looked at for 7 days, so what you earned with it cannot leave yet. It is looked at again by itself; the operator can also confirm it.",
        "{account} n’a pas pu être consulté depuis 7 jours : ce que vous avez gagné avec ce compte ne peut pas encore partir. Il est relu automatiquement ; l’opérateur peut aussi le confirmer.";
    payout_unproved_disputed(account): "{account} is proved by two claims. See your claims for how it ends; until then nothing leaves.",
        "{account} est prouvé par deux revendications. Vos revendications disent comment en sortir ; d’ici là, rien ne part.";
    payout_unproved_lost(account): "{account} is not proved to be yours any more. Put the address back into the profile or sign in there again, or ask the operator to confirm what you have earned. It stays yours.",
        "Il n’est plus prouvé que {account} est à vous. Remettez l’adresse dans le profil ou connectez-vous à nouveau là-bas, ou demandez à l’opérateur de confirmer ce que vous avez gagné. Cela reste à vous.";
    payout_no_rail: "This instance has no bank connected yet, so nothing can be paid out at the moment. Your money stays available.",
        "Cette instance n’a pas encore de banque connectée : rien ne peut être payé pour le moment. Votre argent reste disponible.";

    done_budget: "The budget is saved.", "Le budget est enregistré.";
    done_strike: "The flattr is struck out for this month.", "Le flattr est rayé pour ce mois.";
    done_flattr: "Flattred. It counts in this month.", "Flattré. Cela compte pour ce mois.";
    done_taken_back: "Taken back. It does not count.", "Repris. Cela ne compte pas.";
    done_connected: "Connected. What you like from now on becomes a flattr.", "Connecté. Ce que vous aimez désormais devient un flattr.";
    done_connect_begun: "Now put the address into the profile, then check it.",
        "Mettez maintenant l’adresse dans le profil, puis vérifiez.";
    done_connect_elsewhere:
        "Another instance says that the likes of this account count there. For them to count here, the profile has to show the address below and none of the other instance. Then sign in again.",
        "Une autre instance dit que les likes de ce compte y comptent. Pour qu’ils comptent ici, le profil doit montrer l’adresse ci-dessous et aucune de l’autre instance. Connectez-vous ensuite de nouveau.";
    done_disconnected: "Disconnected. What was read is forgotten; flattrs that are recorded stay.",
        "Déconnecté. Ce qui a été lu est oublié ; les flattrs enregistrés restent.";
    done_connection_changed: "The connection is changed.", "La connexion est modifiée.";
    done_claim_begun: "The claim is begun: now put the address into the profile.",
        "La revendication est commencée : mettez maintenant l’adresse dans le profil.";
    done_payout: "The payout is requested. It leaves with the next bank run; there is nothing more to do.",
        "Le paiement est demandé. Il part avec le prochain passage en banque ; il n’y a rien d’autre à faire.";
    done_signed_out: "You are signed out.", "Vous êtes déconnecté.";
    done_password: "The password is saved and you are signed in.", "Le mot de passe est enregistré et vous êtes connecté.";
}

counted! {
    days_left(n): "{n} day" | "{n} days", "{n} jour" | "{n} jours";
}
