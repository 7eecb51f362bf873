//! Messages of the operator's pages.

use super::catalogue;

catalogue! {
    admin_title: "Operator", "Opérateur";
    admin_navigation: "Operator’s pages", "Pages de l’opérateur";
    admin_overview: "Overview", "Vue d’ensemble";
    admin_months: "Months", "Mois";
    admin_peers: "Instances", "Instances";
    admin_settlements: "Settlements", "Règlements";
    admin_deliveries: "Deliveries", "Livraisons";
    admin_journal: "Journal", "Journal";
    admin_connections: "Connections and claims", "Connexions et revendications";

    admin_backlog: "What is due now", "Ce qui est à faire maintenant";
    admin_at_rest: "Nothing is due: the instance is at rest.", "Rien à faire : l’instance est au repos.";
    admin_backlog_inbox: "activities to process", "activités à traiter";
    admin_backlog_events: "events to send", "événements à envoyer";
    admin_backlog_deliveries: "deliveries", "livraisons";
    admin_backlog_platforms: "accounts to look at on platforms", "comptes à relire sur les plateformes";
    admin_backlog_channels: "channels to read", "canaux à relire";
    admin_backlog_rails: "payments and rails to read", "paiements et systèmes de paiement à lire";
    admin_backlog_calendar: "calendar step due", "étape du calendrier à faire";
    admin_queue: "Queue", "File";
    admin_count: "Count", "Nombre";
    admin_inbox: "Inbox", "Réception";
    admin_outbox: "Deliveries", "Livraisons";
    admin_nothing_yet: "Nothing yet.", "Rien encore.";
    admin_bridges: "Bridges", "Ponts";
    admin_next_close: "Next close", "Prochaine clôture";
    admin_next_close_text(month, cut_off, freeze): "{month} ends on {cut_off} and is divided on {freeze}.",
        "{month} se termine le {cut_off} et est partagé le {freeze}.";
    admin_closing(month, stage): "{month} is being closed: {stage}.", "{month} est en cours de clôture : {stage}.";
    admin_clock(time): "The instance’s clock says {time}.", "L’horloge de l’instance indique {time}.";
    admin_database(backend): "Database: {backend}.", "Base de données : {backend}.";
    admin_suspense: "Money that nobody named", "Argent que personne n’a nommé";
    admin_suspense_text(amount): "{amount} stand in suspense: movements without a known reference.",
        "{amount} sont en suspens : des mouvements sans référence connue.";
    admin_evidence: "Evidence against peers", "Preuves contre des instances";
    admin_subject: "Subject", "Objet";
    admin_kind: "Kind", "Type";
    admin_patrons: "Patrons", "Mécènes";
    admin_reserved: "Reserved", "Réservé";
    admin_fees: "Fees", "Frais";
    admin_stage: "Stage", "Étape";
    admin_shares: "Shares", "Parts";
    admin_commitment: "Commitment", "Engagement";
    admin_in_month(what, month): "{what}, {month}", "{what}, {month}";
    admin_no_months: "No month has passed its cut-off yet.", "Aucun mois n’a encore passé sa clôture.";
    admin_flattrs_by_standing: "Flattrs of the open month", "Flattrs du mois ouvert";

    admin_peer_state: "State", "État";
    admin_channels: "Channels", "Canaux";
    admin_direction: "Direction", "Sens";
    admin_we_owe: "we owe them", "nous leur devons";
    admin_they_owe: "they owe us", "ils nous doivent";
    admin_terms: "Terms", "Accord";
    admin_frozen(reason): "frozen: {reason}", "gelé : {reason}";
    admin_exposure: "Open now", "Ouvert maintenant";
    admin_no_peers: "This instance settles with nobody yet.", "Cette instance ne règle encore avec personne.";
    admin_currency: "Currency", "Monnaie";

    admin_statement: "Statement", "Relevé";
    admin_sum: "Sum", "Somme";
    admin_paid: "Paid", "Payé";
    admin_open: "Open", "Ouvert";
    admin_due: "Due", "Échéance";
    admin_creators: "Creators", "Créateurs";
    admin_likes: "Flattrs", "Flattrs";
    admin_no_statements: "No statement has been offered yet.", "Aucun relevé n’a encore été proposé.";

    admin_delivered: "Delivered", "Livrée";
    admin_activity: "Activity", "Activité";
    admin_to: "To", "À";
    admin_attempts: "Attempts", "Tentatives";
    admin_answer: "Last answer", "Dernière réponse";
    admin_next_attempt: "Next attempt", "Prochaine tentative";
    admin_deliveries_hint(count): "The newest {count}.", "Les {count} plus récentes.";

    admin_head: "Last entry", "Dernière écriture";
    admin_head_text(sequence, hash): "{sequence}, with the hash {hash}", "{sequence}, avec l’empreinte {hash}";
    admin_verify: "Verify the books", "Vérifier les comptes";
    admin_verify_text: "Recomputes every entry, balance, month and settlement from the first to the last. It reads only.",
        "Recalcule chaque écriture, solde, mois et règlement, du premier au dernier. Ne fait que lire.";
    admin_verified(entries, transfers, accounts): "The books hold: {entries} entries, {transfers} transfers and {accounts} accounts were recomputed.",
        "Les comptes sont justes : {entries} écritures, {transfers} transferts et {accounts} comptes ont été recalculés.";
    admin_problems: "The books do not hold. Stop paying out and look at each of these:",
        "Les comptes ne sont pas justes. Arrêtez les paiements et examinez chacun de ces points :";
    admin_entries: "Newest entries", "Dernières écritures";
    admin_entry: "Entry", "Écriture";
    admin_sequence: "Number", "Numéro";
    admin_transfers: "Transfers", "Transferts";

    admin_connected: "Connected accounts", "Comptes connectés";
    admin_no_connections: "No account is connected.", "Aucun compte n’est connecté.";
    admin_patron: "Patron", "Mécène";
    admin_claim_checks: "Claims that instances announced", "Revendications annoncées par des instances";
    admin_no_claim_checks: "No instance has announced a claim yet.", "Aucune instance n’a encore annoncé de revendication.";
    admin_claims: "Disputed claims", "Revendications contestées";
    admin_claims_text: "Nobody is paid for these accounts: shares wait, with their expiry. Disputed: two claimants have a proof. All but one address must leave the profile; a sign-in ends when it is taken back, or when the owner signs in again. Proof gone: the address must come back, or the owner sign in again. Every profile is read again each day, and at once by “fedflattr claim check”.",
        "Personne n’est payé pour ces comptes : les parts attendent, avec leur échéance. Contesté : deux personnes ont une preuve. Une seule adresse doit rester dans le profil ; une connexion prend fin quand elle est retirée, ou quand le propriétaire se connecte à nouveau. Preuve disparue : l’adresse doit revenir, ou le propriétaire se connecter à nouveau. Chaque profil est relu chaque jour, et aussitôt par « fedflattr claim check ».";
    admin_claims_none: "No claim is disputed, and every proof is where it was.",
        "Aucune revendication n’est contestée, et chaque preuve est à sa place.";
    admin_claim_disputed: "disputed", "contestée";
    admin_claim_lost: "proof gone", "preuve disparue";
    admin_claim_address: "Proof", "Preuve";
    admin_claimed_by: "Claimed by", "Revendiqué par";
    admin_rail: "Rail", "Système de paiement";
}
