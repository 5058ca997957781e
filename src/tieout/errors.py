"""
What can go wrong, as a catalogue: every code with its meaning and its remedy.

Nothing here decides what happens next; it only names things.
"""

from __future__ import annotations

from enum import Enum


class Severity(Enum):
    """How bad it is, as a light."""

    RED = "red"
    """A person has to act, or money is not shown as it is."""
    YELLOW = "yellow"
    """Worth knowing; nothing is wrong with the books."""
    GREEN = "green"
    """Fine."""

    @property
    def sign(self) -> str:
        """What stands before it in a text: ``!`` for red, ``*`` for all else."""
        return "!" if self is Severity.RED else "*"


class Scope(Enum):
    """How far it reaches."""

    RECORD = "record"
    """One record; the run goes on."""
    CONNECTION = "connection"
    """Everything on this connection; the run ends, once, with one message."""


class Fate(Enum):
    """What is known of a request that brought no good answer."""

    NOT_SENT = "not sent"
    """It certainly had no effect: not connected, throttled, not signed in."""
    REFUSED = "refused"
    """It certainly had no effect, and repeating it unchanged is pointless."""
    UNCLEAR = "unclear"
    """It may have had its effect."""


class Who(Enum):
    """Who can put something right."""

    ADMIN = "admin"
    """Who looks after a system, its users and rights, or the settings of the pair."""
    USER = "user"
    """Who keeps the records: in billing, or in the books."""
    DEVELOPER = "developer"
    """Who maintains the application that calls tieout, or tieout itself."""
    NOBODY = "nobody"
    """It passes by itself: wait."""


class Retry(Enum):
    """When something is tried again, in words; what runs go by."""

    NEXT_RUN = "it is tried again in the next run"
    READ_AGAIN = (
        "it is read again in the next run, and tried again if it can be read by then "
        "or has changed"
    )
    ON_CHANGE = (
        "it is tried again when the record or the settings change, by a retry, or by a "
        "sync of all"
    )
    PUT_RIGHT = "nothing goes by this connection until a person has put it right"
    ANSWERED = "nothing, until somebody answers what came of the write"
    BY_HAND = "nothing, until it is posted by hand once more, or its batch is undone"


_RED, _YELLOW = Severity.RED, Severity.YELLOW
_RECORD, _CONNECTION = Scope.RECORD, Scope.CONNECTION
_ADMIN, _USER, _DEVELOPER, _NOBODY = Who


class Code(Enum):
    """
    One kind of trouble: its ``meaning``, ``severity``, ``scope``, ``remedy``, and ``who``
    can put it right.

    ``retryable`` says whether trying again later, unchanged, may help.
    """

    meaning: str
    severity: Severity
    scope: Scope
    retryable: bool
    who: Who
    remedy: str

    # Records that cannot be read ------------------------------------------------
    BAD_FIELD = (
        "A field of the record is missing or is not what it should be.",
        _RED,
        _RECORD,
        False,
        _USER,
        "Correct the named field in the system the record comes from; it is read again when it changes.",
    )
    BAD_AMOUNT = (
        "An amount is not a plain decimal number of its currency.",
        _RED,
        _RECORD,
        False,
        _USER,
        "Correct the amount in the system the record comes from: digits, a point, no more decimals than the currency has.",
    )
    BAD_CURRENCY = (
        "The currency is missing or is not an ISO 4217 code.",
        _RED,
        _RECORD,
        False,
        _USER,
        "Set the currency of the record to a three-letter ISO 4217 code.",
    )
    BAD_DATE = (
        "A date is missing its zone, does not exist, or lies outside 1900 to 2200.",
        _RED,
        _RECORD,
        False,
        _USER,
        "Correct the date in the system the record comes from.",
    )
    UNKNOWN_STATUS = (
        "The record has a status that this version does not know.",
        _RED,
        _RECORD,
        False,
        _DEVELOPER,
        "Nothing was guessed. Update tieout, or report the status so that it can be added.",
    )
    TOTALS_DISAGREE = (
        "Total, parts and balance of the record do not add up.",
        _RED,
        _RECORD,
        False,
        _USER,
        "Look at the invoice in the ledger: what was applied and what is left must make its total.",
    )

    # Who is who -----------------------------------------------------------------
    NOT_IN_BILLING = (
        "The ledger has this invoice, the billing system does not.",
        _YELLOW,
        _RECORD,
        False,
        _USER,
        "Normal for invoices made by hand in the ledger. If billing should have it, compare the invoice numbers.",
    )
    NUMBER_MEANS_ANOTHER_DOCUMENT = (
        "Both systems have this invoice number, but for different documents.",
        _RED,
        _RECORD,
        False,
        _USER,
        "Compare currency, total and customer of the two documents. If they are the same, correct the one that is wrong; otherwise renumber one.",
    )
    AMBIGUOUS_NUMBER = (
        "More than one live document has this invoice number.",
        _RED,
        _RECORD,
        False,
        _USER,
        "Give each document a number of its own, or void the one that is not meant.",
    )
    REFERENCE_AND_NUMBER_DISAGREE = (
        "The ledger's reference names one billing invoice and its number another.",
        _RED,
        _RECORD,
        False,
        _USER,
        "Correct the reference or the number in the ledger so that both mean the same invoice.",
    )
    ALREADY_LINKED = (
        "The billing invoice is already tied to another ledger document.",
        _RED,
        _RECORD,
        False,
        _USER,
        "Two ledger documents claim one billing invoice. Void or renumber the one that is not meant.",
    )
    COPIED = (
        "The document carries the mark of another one that was made by a sync.",
        _RED,
        _RECORD,
        False,
        _USER,
        "If it is a copy of that one, void or delete it. If it is a document of its own, take the mark (TO- and 13 characters) off it.",
    )
    NO_SUCH_RECORD = (
        "No record has the id or number that was asked for.",
        _RED,
        _RECORD,
        False,
        _USER,
        "Compare it with the system that the record comes from; nothing was guessed.",
    )
    VANISHED = (
        "The document that this record was tied to is gone.",
        _RED,
        _RECORD,
        False,
        _USER,
        "It was deleted on the other side. Restore it, or remove the link; nothing is made anew unasked.",
    )

    # Money ----------------------------------------------------------------------
    CURRENCY_DIFFERS = (
        "The two documents are in different currencies.",
        _RED,
        _RECORD,
        False,
        _USER,
        "Correct the currency on one side. Amounts of two currencies are never compared or converted.",
    )
    TOTAL_DIFFERS = (
        "The two documents have different totals.",
        _RED,
        _RECORD,
        False,
        _USER,
        "Make the totals equal, or set a tolerance for the currency in the settings.",
    )
    WENT_BACK = (
        "A posted invoice became a draft again in the ledger.",
        _RED,
        _RECORD,
        False,
        _USER,
        "Post the invoice again, or void it; until then billing is left as it is.",
    )
    PARTS_UNKNOWN = (
        "The ledger does not tell how much of the settled amount was cash.",
        _RED,
        _RECORD,
        False,
        _ADMIN,
        "Use the setting paid_amount='settled', or a connector that reads the parts.",
    )
    PAID_ON_BOTH_SIDES = (
        "Billing holds a payment that was entered by hand and differs from the ledger.",
        _RED,
        _RECORD,
        False,
        _USER,
        "Delete the payment in billing, or make it equal to the ledger, or set take_over=True to let it be replaced.",
    )
    OVERPAID = (
        "More was paid than the invoice's total; the excess is not shown in billing.",
        _YELLOW,
        _RECORD,
        False,
        _USER,
        "Refund the excess or apply it to another invoice in the ledger.",
    )
    WRITTEN_OFF = (
        "A part was written off in the ledger; it is not counted as paid.",
        _YELLOW,
        _RECORD,
        False,
        _USER,
        "Write it off in billing too, or set write_off='settle' to count it as paid.",
    )
    VOIDED_AFTER_PAYMENT = (
        "The ledger invoice was voided after a payment had been shown in billing.",
        _YELLOW,
        _RECORD,
        False,
        _USER,
        "Billing now shows nothing paid. Void the invoice there too if it is not owed.",
    )
    PAID_BEFORE_INVOICE = (
        "A payment is dated before its invoice; it counts as a prepayment.",
        _YELLOW,
        _RECORD,
        False,
        _USER,
        "Nothing to do if it was a prepayment; otherwise correct the date in the ledger.",
    )
    WITHIN_TOLERANCE = (
        "A small residue within the configured tolerance was treated as nothing.",
        _YELLOW,
        _RECORD,
        False,
        _NOBODY,
        "Nothing to do. The residue is named so that it can be booked away.",
    )
    PARTIAL_NOT_HELD = (
        "The billing system cannot hold a partial payment; only the day of full payment is written.",
        _YELLOW,
        _RECORD,
        False,
        _NOBODY,
        "Nothing to do: billing shows the invoice as paid once nothing is owed.",
    )
    UNAPPLIED_CREDIT = (
        "The payment was taken, but not applied to the invoice.",
        _YELLOW,
        _RECORD,
        False,
        _USER,
        "Apply the named amount to the invoice in the billing system.",
    )
    CREDITS_STAY = (
        "The payment was taken back; credits that were applied with it stay applied.",
        _YELLOW,
        _RECORD,
        False,
        _USER,
        "Take back the named applications by hand, if they are to end too.",
    )
    APPLIED_THERE = (
        "A credit note was applied on the side that it was carried to; that is not carried back.",
        _YELLOW,
        _RECORD,
        False,
        _USER,
        "Take the named application back there and make it where the credit note was made, or let credit notes go both ways.",
    )
    LEFT_OUT = (
        "A field that the other system does not know was left out of a document.",
        _YELLOW,
        _RECORD,
        False,
        _ADMIN,
        "Correct the name of the named field, or remove it; the document itself was written.",
    )

    TOO_LONG = (
        "A text is longer than the other system can hold.",
        _RED,
        _RECORD,
        False,
        _USER,
        "Shorten the named field where the record was made. What a record is found by is never cut off.",
    )
    AMBIGUOUS_NAME = (
        "More than one customer has this name.",
        _RED,
        _RECORD,
        False,
        _USER,
        "Give the customers numbers, or names of their own, on both sides.",
    )
    NAME_AND_NUMBER_DISAGREE = (
        "The number means one customer and the name another; the number counts.",
        _YELLOW,
        _RECORD,
        False,
        _USER,
        "Look at the named customers, and correct the number or the name of one.",
    )
    POSTED_CANNOT_CHANGE = (
        "The posted document cannot be changed as its source was.",
        _RED,
        _RECORD,
        False,
        _USER,
        "Change it by hand, or void it there and post it anew. Nothing is credited and issued again unasked.",
    )
    EDIT_NOT_CARRIED = (
        "A document was changed after it was posted; by the settings, only a void is carried.",
        _YELLOW,
        _RECORD,
        False,
        _USER,
        "Make the same change by hand, or set updates='update' to let changes be carried, and sync once from a date.",
    )
    OWNED_BY_THE_OTHER_SIDE = (
        "A field was changed on the side that does not own it; the owner's value counts.",
        _YELLOW,
        _RECORD,
        False,
        _USER,
        "Change the field on the side that owns it, or name another owner in the settings.",
    )
    PAYMENTS_LEFT_OUT = (
        "Documents of the past are brought over without their payments.",
        _YELLOW,
        _RECORD,
        False,
        _USER,
        "Bring over the payments of the same days too, so that what is owed is right.",
    )
    NOT_LISTED = (
        "What was chosen is not among the invoices that were not handed over.",
        _YELLOW,
        _RECORD,
        False,
        _USER,
        "List them once more: it may be void, a draft, dated later, or handed over by now.",
    )
    AUTO_PAY_FAILED = (
        "Automatic payment could not be asked, or be told that an invoice was paid.",
        _RED,
        _RECORD,
        True,
        _DEVELOPER,
        "See to the automatic payment. The invoice is left as it is and tried again.",
    )
    NO_ACCOUNT = (
        "An account that is needed for this record is not set.",
        _RED,
        _RECORD,
        False,
        _ADMIN,
        "Set the named account mapping; `check` names every one that is missing.",
    )

    # Plans and writes -------------------------------------------------------------
    NOT_ALLOWED = (
        "The other system cannot do what this record needs.",
        _RED,
        _RECORD,
        False,
        _USER,
        "The table of systems says what each one can do. Make this change by hand.",
    )
    WAITS = (
        "It waits for another record that could not be carried.",
        _YELLOW,
        _RECORD,
        True,
        _USER,
        "See to the record that it waits for; this one follows by itself.",
    )
    STALE_PLAN = (
        "The record changed after the plan was made; it was left alone.",
        _YELLOW,
        _RECORD,
        True,
        _USER,
        "Make a new plan.",
    )
    STALE_VERSION = (
        "Somebody changed the record while it was being written.",
        _YELLOW,
        _RECORD,
        True,
        _NOBODY,
        "Nothing was overwritten. It is read and compared again in the next run.",
    )
    NOT_IN_TIME = (
        "There was no time left to send it safely in this step.",
        _YELLOW,
        _RECORD,
        True,
        _NOBODY,
        "Nothing to do: it is sent in the next step, or in the next run.",
    )
    OUTCOME_UNKNOWN = (
        "The answer to a write was lost; it may or may not have been carried out.",
        _YELLOW,
        _RECORD,
        True,
        _NOBODY,
        "Nothing to do: the other side is looked at once the answer can no longer be late, before anything is sent again.",
    )
    PARKED = (
        "It is not certain what came of this write; it is not sent any more.",
        _RED,
        _RECORD,
        False,
        _USER,
        "Look at the other system, then answer: `tieout parked` (engine.parked()) lists the writes, `tieout answer` (engine.answer()) takes what you found.",
    )
    REFUSED = (
        "The other system refused the write.",
        _RED,
        _RECORD,
        False,
        _USER,
        "Its own words are given. Correct the record; it is tried again when it changes.",
    )
    DUPLICATE_NUMBER = (
        "The other system already has a document of this number.",
        _RED,
        _RECORD,
        False,
        _USER,
        "Look at the existing document. If it is the same one, link it; otherwise choose another number.",
    )
    LOCKED_PERIOD = (
        "The date lies in a period that is closed for changes.",
        _RED,
        _RECORD,
        False,
        _ADMIN,
        "Reopen the period, or date the document into an open one. Nothing is re-dated unasked.",
    )
    IN_USE = (
        "The record is open or being processed on the other side.",
        _YELLOW,
        _RECORD,
        True,
        _USER,
        "Close it there; it is tried again in the next run.",
    )
    UNKNOWN_ERROR = (
        "The other system gave an error that is not in the catalogue.",
        _RED,
        _RECORD,
        False,
        _DEVELOPER,
        "Its own words are kept. Report them so that a remedy can be added.",
    )

    # Connections ------------------------------------------------------------------
    NOT_REACHED = (
        "The other system could not be reached; nothing was sent.",
        _RED,
        _CONNECTION,
        True,
        _ADMIN,
        "Check the address, the network and whether the service is up; then run again.",
    )
    ANSWER_LOST = (
        "The connection broke or ran out of time before the answer was complete.",
        _RED,
        _CONNECTION,
        True,
        _NOBODY,
        "Run again. Writes whose answer was lost are looked at before they are repeated.",
    )
    SERVER_ERROR = (
        "The other system failed while answering.",
        _RED,
        _CONNECTION,
        True,
        _NOBODY,
        "Run again later; if it lasts, tell the vendor's support and quote the request id.",
    )
    TOO_MANY_REQUESTS = (
        "The other system asks for fewer requests.",
        _YELLOW,
        _CONNECTION,
        True,
        _NOBODY,
        "Nothing to do: the run waited, and goes on next time.",
    )
    DAY_LIMIT_REACHED = (
        "The day's number of requests is used up.",
        _YELLOW,
        _CONNECTION,
        True,
        _NOBODY,
        "Nothing to do: run again after the time that is named.",
    )
    SIGN_IN_REFUSED = (
        "The credentials were refused.",
        _RED,
        _CONNECTION,
        False,
        _ADMIN,
        "Check user, password or keys of the connection.",
    )
    RECONNECT_NEEDED = (
        "The grant has been revoked or has expired.",
        _RED,
        _CONNECTION,
        False,
        _ADMIN,
        "Connect the system again; only a person can.",
    )
    DISCONNECTED = (
        "The connection was ended by a person; nothing is asked of it.",
        _YELLOW,
        _CONNECTION,
        False,
        _ADMIN,
        "Connect it again with engine.reconnect(); ties, logs and markers are as they were.",
    )
    LOCKED_OUT = (
        "Too many failed sign-ins; the login is locked for a while.",
        _RED,
        _CONNECTION,
        True,
        _ADMIN,
        "Correct the password and wait until the lock ends; trying again makes it longer.",
    )
    PERMISSION_MISSING = (
        "The user of the connection lacks a permission.",
        _RED,
        _CONNECTION,
        False,
        _ADMIN,
        "Give the user the permission that is named.",
    )
    COLUMN_MISSING = (
        "A table or column that was named is not in the database.",
        _RED,
        _CONNECTION,
        False,
        _ADMIN,
        "Correct its name where the tables are described: in tieout.toml the sections of the side, such as [billing.columns]; in Python the Columns of the Table.",
    )
    ACCESS_NEEDED = (
        "The fast way of reading needs third-party access to be allowed in the ledger.",
        _RED,
        _CONNECTION,
        False,
        _ADMIN,
        "Allow third-party access in the ledger program, restart it if it asks for that, and try again.",
    )
    WRONG_COMPANY = (
        "The connection leads to another company than the one remembered.",
        _RED,
        _CONNECTION,
        False,
        _ADMIN,
        "Use the credentials of the company that this store belongs to, or another store.",
    )
    NO_SUCH_RESOURCE = (
        "The address asked for does not exist.",
        _RED,
        _RECORD,
        False,
        _ADMIN,
        "The record is gone, or the connection's address or module is wrong.",
    )
    BAD_PAYLOAD = (
        "The answer could not be read.",
        _RED,
        _CONNECTION,
        True,
        _ADMIN,
        "Run again; if it lasts, check that the address leads to the system itself and not to a sign-in page.",
    )
    TOO_LARGE = (
        "The answer is larger than the limit.",
        _RED,
        _CONNECTION,
        False,
        _DEVELOPER,
        "Use a smaller page size, or raise the limit of the transport.",
    )
    FOREIGN_LINK = (
        "An answer pointed to an address outside the connection; it was not followed.",
        _RED,
        _CONNECTION,
        False,
        _ADMIN,
        "No credential was sent there. Check that the base address is the vendor's own; a proxy may be rewriting links.",
    )
    LOOPING_PAGES = (
        "The pages of a listing never end or repeat.",
        _RED,
        _CONNECTION,
        True,
        _DEVELOPER,
        "Run again; if it lasts, report it to the vendor.",
    )
    BAD_SIGNATURE = (
        "A webhook delivery does not carry the signature of the connection's key.",
        _YELLOW,
        _CONNECTION,
        False,
        _DEVELOPER,
        "Answer 401. If the vendor's own deliveries are refused, set the key anew, and give the body as it came in, before a framework reads it.",
    )
    STALE_DELIVERY = (
        "A webhook delivery is too old, or is dated in the future.",
        _YELLOW,
        _CONNECTION,
        False,
        _NOBODY,
        "Nothing to do: the next sync finds what changed. If new deliveries are refused, set this machine's clock right.",
    )
    RUN_IN_PROGRESS = (
        "Another run of this pair is under way.",
        _YELLOW,
        _CONNECTION,
        True,
        _NOBODY,
        "Wait until it has ended; a run that died is taken over after its lease.",
    )
    RESTORED = (
        "The store was restored from an older copy, or moved: what it does not know may have been written.",
        _YELLOW,
        _CONNECTION,
        True,
        _NOBODY,
        "Nothing to do: a run after the time that is named looks for each document before it makes one.",
    )
    LEASE_LOST = (
        "Another run took over this pair; this one stopped writing.",
        _YELLOW,
        _CONNECTION,
        True,
        _NOBODY,
        "Nothing to do: the other run carries on.",
    )

    def __init__(
        self,
        meaning: str,
        severity: Severity,
        scope: Scope,
        retryable: bool,
        who: Who,
        remedy: str,
    ) -> None:
        self.meaning = meaning
        self.severity = severity
        self.scope = scope
        self.retryable = retryable
        self.who = who
        self.remedy = remedy

    @property
    def retry(self) -> Retry:
        """When what ended with it is tried again."""
        if self is Code.PARKED:
            return Retry.ANSWERED
        if self in GARBLED:
            return Retry.READ_AGAIN
        if self.retryable:
            return Retry.NEXT_RUN
        return Retry.ON_CHANGE if self.scope is Scope.RECORD else Retry.PUT_RIGHT

    def __str__(self) -> str:
        return self.name


GARBLED = frozenset(
    {
        Code.BAD_FIELD,
        Code.BAD_AMOUNT,
        Code.BAD_CURRENCY,
        Code.BAD_DATE,
        Code.UNKNOWN_STATUS,
        Code.TOTALS_DISAGREE,
    }
)
"""What was garbled once on its way need not have changed to be read well the next time."""


class TieoutError(Exception):
    """The root of everything that tieout raises."""


class ConfigError(TieoutError):
    """Something the caller set up is wrong; nothing was sent."""


class StoreTrouble(Enum):
    """Why a store cannot be used: ``StoreTrouble.X.meaning`` and ``.remedy``."""

    meaning: str
    remedy: str

    FULL = (
        "The disk is full.",
        "Make room and run again; nothing was half written.",
    )
    READ_ONLY = (
        "The file, its folder or its disk is read-only.",
        "Let this user write to the file and to its folder: the log lies beside it.",
    )
    NOT_PERMITTED = (
        "This user may not use the file or its folder.",
        "Run as the user that the file belongs to, or give it to this user.",
    )
    NO_FOLDER = (
        "The folder of the file does not exist.",
        "Make the folder, or correct the path.",
    )
    NOT_A_FILE = (
        "The path leads to something that is not a file.",
        "Name a file; it is made where there is none.",
    )
    TWO_NAMES = (
        "The file has a second name (a hard link), and each name would have a log of its own.",
        "Copy the file instead of linking it, and delete the other name.",
    )
    NETWORK = (
        "The file lies on a network file system, whose locks cannot be trusted.",
        "Keep the store on a disk of this machine.",
    )
    NOT_A_STORE = (
        "The file is no store of tieout; it was left as it is.",
        "Name another file.",
    )
    NEWER = (
        "The store was written by a newer version of tieout.",
        "Update tieout.",
    )
    DAMAGED = (
        "The store is damaged.",
        "Put back a backup, without the files -wal and -shm: the next run looks before it makes anything.",
    )
    LOCKED = (
        "The store stayed locked by another process for too long.",
        "Find out which process holds it, and run again once it has ended.",
    )
    DISK = (
        "The disk failed.",
        "Look into the disk and the system's log, then open the store again.",
    )
    UNKNOWN = (
        "It is not known whether the last commit was kept.",
        "Open the store again and look: what was in doubt is recovered as after a crash.",
    )
    REPLACED = (
        "The file was deleted, moved or replaced while it was in use.",
        "Open the store again; never move or restore it while it is in use.",
    )
    FORKED = (
        "The store was opened before this process was forked.",
        "Open the store anew in each process.",
    )
    IN_USE = (
        "The store was asked to commit in the middle of a commit.",
        "Do not use the store in signal handlers or finalizers.",
    )
    NOT_TEXT = (
        "A fact cannot be written as text.",
        "Half a character, or a number that is none, came from the other system.",
    )
    CLOSED = (
        "The store has been closed.",
        "Close the store after the engine, not before.",
    )
    OTHER = (
        "The store failed.",
        "Look at the words of the database, and report them if they say nothing.",
    )

    def __init__(self, meaning: str, remedy: str) -> None:
        self.meaning = meaning
        self.remedy = remedy

    def __str__(self) -> str:
        return self.name


class StoreError(TieoutError):
    """
    The store cannot be read or written; no write goes out without it.

    ``trouble`` tells programs why; the text has it in words, with the remedy.
    """

    def __init__(self, text: str, trouble: StoreTrouble = StoreTrouble.OTHER) -> None:
        self.trouble = trouble
        super().__init__(text)


class Fault(TieoutError):
    """
    Something went wrong with a code of the catalogue.

    ``text`` says it in particular (the vendor's own words are kept), ``field`` names the
    field at fault, ``remedy`` overrides the catalogue's, ``fate`` tells what is known of
    the request, and ``wait`` is a number of seconds where the other side asked for a pause.
    ``connection`` is where it went wrong, once that is known.
    """

    connection: str = ""

    def __init__(
        self,
        code: Code,
        text: str = "",
        *,
        field: str = "",
        remedy: str = "",
        fate: Fate = Fate.REFUSED,
        wait: float | None = None,
    ) -> None:
        self.code = code
        self.text = text or code.meaning
        self.field = field
        self.remedy = remedy or code.remedy
        self.fate = fate
        self.wait = wait
        super().__init__(f"{code.name}: {self.text}")
