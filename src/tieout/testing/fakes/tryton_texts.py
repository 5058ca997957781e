"""
What the fake Tryton says to people, in English and partly in French.

Real servers answer in the language of the user's context, so a client that looks at the
text finds nothing. Nothing here decides when something is said.
"""

from __future__ import annotations

from collections.abc import Mapping

ENGLISH: Mapping[str, str] = {
    "access": 'You are not allowed to access "{model}".',
    "rule": (
        'You are not allowed to create records of "{model}" because they fail on at '
        "least one of these rules:\nUser in companies"
    ),
    "read missing": (
        'You are trying to read records "{ids}" of "{model}" that don\'t exist.'
    ),
    "write missing": (
        'You are trying to write to records "{ids}" of "{model}" that don\'t exist.'
    ),
    "required": 'A value is required for field "{field}" in record "{record}" of "{model}".',
    "domain": (
        'The value "{value}" for field "{field}" in record "{record}" of "{model}" is '
        "not valid according to its domain."
    ),
    "selection": (
        'The value "{value}" for field "{field}" in record "{record}" of "{model}" is '
        "not one of the allowed options."
    ),
    "foreign": (
        'The value "{value}" for field "{field}" in record "{record}" of "{model}" '
        "does not exist."
    ),
    "digits": (
        'The number of digits in the value "{value!r}" for field "{field}" in record '
        '"{record}" of "{model}" exceeds the limit of "(None, 4)".'
    ),
    "readonly": 'You are not allowed to modify the field "{field}" of "{model}".',
    "readonly record": (
        'You are not allowed to modify the field "{field}" in record "{record}" of '
        '"{model}".'
    ),
    "used": (
        'The records could not be deleted because they are used by field "{field}" of '
        '"{model}".'
    ),
    "transition": 'You can not call "{method}" on "{record}" of "{model}".',
    "invoice posted": (
        'You cannot modify invoice "{record}" because it is posted, paid or cancelled.'
    ),
    "line posted": (
        'You cannot modify line "{record}" because its invoice "{invoice}" is posted, '
        "paid or cancelled."
    ),
    "delete uncancelled": 'To delete invoice "{record}" you must cancel it.',
    "number after": (
        'To number the invoice "{record}", you must set an invoice date after "{date}" '
        'because the sequence "{sequence}" has already been used for invoice "{other}".'
    ),
    "future": 'The invoices "{records}" have an invoice date in the future.',
    "past": 'The invoice "{record}" generates a payment date "{date}" in the past.',
    "vies": (
        'On invoice "{record}", the identifier "{identifier}" of the party is not valid.'
    ),
    "no period": (
        'To continue, you must create a period for the date "{date}" and company '
        '"{company}".'
    ),
    "closed period": (
        'To continue, you must reopen the period "{period}" of company "{company}" for '
        'the date "{date}".'
    ),
    "partial": (
        'You cannot add a partial payment on invoice "{record}" with an amount greater '
        'than the amount to pay "{amount}".'
    ),
    "overpay": (
        'You cannot overpay invoice "{record}" because there is no more left to pay.'
    ),
    "write-off": (
        'To reconcile lines with "{amount}" write-off, you must select a write-off '
        "method."
    ),
    "reconciled": 'You cannot reconcile already reconciled line "{record}".',
    "accounts": (
        'You cannot reconcile line "{record}" with others because its account "{one}" '
        'is different from "{two}".'
    ),
    "parties": (
        'You cannot reconcile line "{record}" with others because its party "{one}" is '
        'different from "{two}".'
    ),
    "reconciliation": "You cannot modify any reconciliation.",
    "delete write-off": (
        'The reconciliation "{record}" is linked to the write-off line "{line}".\n'
        'You may need to cancel its move "{move}".'
    ),
    "payment twice": "A payment line can be linked to only one invoice.",
    "payment greater": (
        'Payment lines amount on invoice "{record}" can not be greater than the invoice '
        "amount."
    ),
    "refund": 'You cannot refund invoice "{record}" because it is not posted.',
    "cancel move": 'The moves "{record}" have the posted invoices "{invoice}" as origin.',
    "cancel move more": (
        "Cancelling them will reconcile the move lines thus paying the invoices. You "
        "might want to cancel the invoices first."
    ),
    "move posted": 'You cannot modify posted move "{record}".',
    "move empty": 'To post move "{record}", you must fill in its lines.',
    "move unbalanced": (
        'To post move "{record}", you must balance all its lines debits and credits.'
    ),
    "party needed": (
        'To create a line on account "{account}", you must set a party on line '
        '"{record}".'
    ),
    "code": "The code on party must be unique.",
    "identifier": (
        'The U.S. Employer Identification Number "{code}" for party "{party}" is not '
        "valid."
    ),
    "concurrency": "Records were modified in the meanwhile",
}

FRENCH: Mapping[str, str] = {
    "access": "Vous n'êtes pas autorisé à accéder à « {model} ».",
    "read missing": (
        "Vous essayez de lire les enregistrements « {ids} » de « {model} » qui "
        "n'existent pas."
    ),
    "required": (
        "Une valeur est requise pour le champ « {field} » dans l'enregistrement "
        "« {record} » de « {model} »."
    ),
    "transition": (
        "Vous ne pouvez pas appeler « {method} » sur « {record} » de « {model} »."
    ),
    "invoice posted": (
        "Vous ne pouvez pas modifier la facture « {record} » car elle est comptabilisée, "
        "payée ou annulée."
    ),
    "number after": (
        "Pour numéroter la facture « {record} », la date doit être après le « {date} » "
        "car la séquence « {sequence} » a déjà été utilisée pour « {other} »."
    ),
    "future": "Les factures « {records} » ont une date dans le futur.",
    "past": "La facture « {record} » génère une échéance « {date} » dans le passé.",
    "no period": (
        "Pour continuer, vous devez créer une période pour la date « {date} » et la "
        "société « {company} »."
    ),
    "closed period": (
        "Pour continuer, vous devez rouvrir la période « {period} » de la société "
        "« {company} » pour la date « {date} »."
    ),
    "concurrency": "Des enregistrements ont été modifiés entre-temps",
}

TEXTS: Mapping[str, Mapping[str, str]] = {"fr": {**ENGLISH, **FRENCH}}
DATES: Mapping[str, str] = {"fr": "%d/%m/%Y"}


def text(language: str, key: str, **values: object) -> str:
    """One message in that language; English where there is none."""
    return TEXTS.get(language, ENGLISH)[key].format(**values)


def date_format(language: str) -> str:
    """How that language writes a date."""
    return DATES.get(language, "%m/%d/%Y")
