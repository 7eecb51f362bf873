//! Words around bringing an export file, or a list of addresses.

use super::{Lang, Text, catalogue, counted};

impl Text {
    /// A number of bytes, in the largest unit of which there is a whole one.
    pub fn size(&self, bytes: u64) -> String {
        let units: [&str; 5] = match self.0 {
            Lang::En => ["bytes", "kB", "MB", "GB", "TB"],
            Lang::Fr => ["octets", "ko", "Mo", "Go", "To"],
        };
        let (mut count, mut unit) = (bytes, 0);
        while count >= 1_000 && unit + 1 < units.len() {
            count /= 1_000;
            unit += 1;
        }
        format!("{}\u{a0}{}", self.number(i64::try_from(count).unwrap_or(i64::MAX)), units[unit])
    }
}

catalogue! {
    import_title: "Bring an export file", "Apporter un fichier d’exportation";
    import_text: "Some platforms show nobody what you liked, but give you a file of it. Bring it here, or paste addresses of what you liked.",
        "Certaines plateformes ne montrent à personne ce que vous avez aimé, mais vous en donnent un fichier. Apportez-le ici, ou collez les adresses de ce que vous avez aimé.";
    import_baseline: "What the first whole archive of an account holds is from before and pays nothing; what comes later beyond it counts. Single files and lists are from before, too, until you say that they were all. The same file twice changes nothing.",
        "Ce que contient la première archive entière d’un compte date d’avant et ne rapporte rien ; ce qui vient plus tard en plus compte. Les fichiers isolés et les listes datent d’avant eux aussi, jusqu’à ce que vous disiez que c’était tout. Le même fichier deux fois ne change rien.";
    import_complete: "With this I have brought everything I liked there until now: what I bring later is new. (A whole archive says so by itself.)",
        "Avec ceci, j’ai apporté tout ce que j’y ai aimé jusqu’à présent : ce que j’apporterai plus tard sera nouveau. (Une archive entière le dit d’elle-même.)";
    import_go: "Bring a file or a list", "Apporter un fichier ou une liste";
    import_file: "A file", "Un fichier";
    import_account: "Whose likes", "De quel compte";
    import_named_by_file(label): "{label}: the account that the file names", "{label} : le compte que nomme le fichier";
    import_named_below(label): "{label}: the account named below", "{label} : le compte nommé ci-dessous";
    import_named: "Name of the account", "Nom du compte";
    import_named_file_hint: "Only where the file does not say whose it is and no account of yours is connected there.",
        "Seulement si le fichier ne dit pas à qui il est et qu’aucun de vos comptes n’y est connecté.";
    import_named_list_hint: "Only for a platform that cannot be asked for accounts.",
        "Seulement pour une plateforme à laquelle on ne peut pas demander de comptes.";
    import_no_such_account(wanted): "You have connected no account {wanted} there: connect it first.",
        "Vous n’y avez pas connecté de compte {wanted} : connectez-le d’abord.";
    import_file_label: "Export file", "Fichier d’exportation";
    import_file_hint(size): "The ZIP archive as the platform gave it, or a file out of it, of {size} at most. It is deleted as soon as it has been read.",
        "L’archive ZIP telle que la plateforme l’a donnée, ou un fichier qui en vient, de {size} au plus. Il est supprimé dès qu’il a été lu.";
    import_upload: "Upload and read", "Envoyer et lire";
    import_none_possible: "No bridge here reads export files.", "Aucun pont ne lit ici de fichiers d’exportation.";
    import_list: "A list of addresses", "Une liste d’adresses";
    import_list_label: "Addresses of what you liked, one on a line", "Adresses de ce que vous avez aimé, une par ligne";
    import_list_go: "Read the list", "Lire la liste";
    import_list_no_account: "Connect an account first: a list does not say whose likes it holds.",
        "Connectez d’abord un compte : une liste ne dit pas à qui sont les « j’aime » qu’elle contient.";
    import_list_empty: "No line names a post. Write one address on each line.",
        "Aucune ligne ne nomme une publication. Écrivez une adresse par ligne.";
    import_earlier: "What you brought", "Ce que vous avez apporté";
    import_of(name, label): "{name}, {label}", "{name}, {label}";
    import_list_name: "A list", "Une liste";
    import_begun: "Begun", "Début";
    import_one_title(label): "Import from {label}", "Import depuis {label}";
    import_waiting: "Waiting to be read", "En attente de lecture";
    import_running: "Being read", "En cours de lecture";
    import_done: "Read to the end", "Lu jusqu’au bout";
    import_failed: "Not read to the end", "Pas lu jusqu’au bout";
    import_running_text: "This page shows every two seconds how far it is. You can leave it: the reading goes on.",
        "Cette page montre toutes les deux secondes où en est la lecture. Vous pouvez la quitter : la lecture continue.";
    import_reload: "Show it now", "Afficher maintenant";
    import_failed_text: "What was read stays. Mend what is said below and bring the file again: nothing counts twice.",
        "Ce qui a été lu reste. Corrigez ce qui est dit ci-dessous et apportez à nouveau le fichier : rien ne compte deux fois.";
    import_reason: "Why", "Pourquoi";
    import_summary(likes, baseline, new): "{likes}: {baseline} from before, {new} new.", "{likes} : {baseline} d’avant, {new} en plus.";
    import_known: "Known before", "Déjà connus";
    import_from_before: "From before", "D’avant";
    import_new: "New flattrs", "Nouveaux flattrs";
    import_read: "Likes read", "« J’aime » lus";
    import_unreadable: "Not understood", "Pas compris";
    import_unresolved: "Addresses that could not be looked up", "Adresses qui n’ont pas pu être consultées";
    import_unresolved_text: "The platform did not say which posts these addresses mean. Bring the list again later.",
        "La plateforme n’a pas dit quelles publications désignent ces adresses. Apportez à nouveau la liste plus tard.";
    import_refused: "Lines that were left out", "Lignes laissées de côté";
    import_back: "Bring something else", "Apporter autre chose";

    line_not_an_address: "this is not a web address", "ce n’est pas une adresse web";
    line_unknown_host(label): "this is not an address of {label}", "ce n’est pas une adresse de {label}";
    line_not_plain: "an address with a user name, a password or a port is not accepted",
        "une adresse avec un nom d’utilisateur, un mot de passe ou un port n’est pas acceptée";
    line_no_post: "this address names no post", "cette adresse ne nomme aucune publication";

    import_no_export(label): "{label} gives no export file that can be read here: paste addresses instead.",
        "{label} ne donne pas de fichier d’exportation lisible ici : collez plutôt des adresses.";
    import_content(reason): "This file cannot be read: {reason}.", "Ce fichier ne peut pas être lu : {reason}.";
    import_no_owner: "The file does not say whose it is. Give the whole archive, or name the account, or connect it first.",
        "Le fichier ne dit pas à qui il est. Donnez l’archive entière, ou nommez le compte, ou connectez-le d’abord.";
    import_other_owner(found, connected): "This is the file of {found}, and you have connected {connected}. Give the file of that account, or connect {found} first. If only the name has changed, choose {connected} in the list.",
        "C’est le fichier de {found}, et vous avez connecté {connected}. Donnez le fichier de ce compte, ou connectez d’abord {found}. Si seul le nom a changé, choisissez {connected} dans la liste.";
    import_several(connected): "The file does not say whose it is, and you have connected several accounts ({connected}). Choose one of them.",
        "Le fichier ne dit pas à qui il est, et vous avez connecté plusieurs comptes ({connected}). Choisissez-en un.";
    import_busy: "Something else of yours is being read. Wait until that has ended.",
        "Autre chose de vous est en cours de lecture. Attendez que ce soit fini.";
    import_disconnected: "This account is not connected any more.", "Ce compte n’est plus connecté.";
    import_taken: "This account is the source of another patron’s likes.", "Ce compte est la source des « j’aime » d’un autre mécène.";

    upload_too_large(size): "The file is larger than {size}. Of an archive, the file with the likes alone is enough.",
        "Le fichier dépasse {size}. D’une archive, le seul fichier des « j’aime » suffit.";
    upload_broken: "The upload broke off, or it is no form with a file. Try again.",
        "L’envoi a été interrompu, ou ce n’est pas un formulaire avec un fichier. Réessayez.";
    upload_no_file: "Choose a file that is not empty.", "Choisissez un fichier qui n’est pas vide.";
    upload_not_kept: "The file could not be kept here. Tell the operator: the disk may be full.",
        "Le fichier n’a pas pu être gardé ici. Prévenez l’opérateur : le disque est peut-être plein.";
}

counted! {
    import_likes_read(n): "{n} like read" | "{n} likes read", "{n} « j’aime » lu" | "{n} « j’aime » lus";
    import_refused_count(n): "{n} line names nothing that can be liked" | "{n} lines name nothing that can be liked",
        "{n} ligne ne nomme rien que l’on puisse aimer" | "{n} lignes ne nomment rien que l’on puisse aimer";
}
