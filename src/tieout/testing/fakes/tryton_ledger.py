"""
How money moves in the fake Tryton: posting, paying, reconciling, crediting, reversing.

It takes the same turns as the real one, the odd ones too: which lines a payment closes is
a guess of the server's, and the state follows in a second step. Nothing here knows the
wire.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from decimal import Decimal

from tieout.testing.fakes.tryton_books import (
    INVOICE,
    LINE,
    MOVE,
    PARTY,
    RECONCILIATION,
    ZERO,
    Books,
    balance,
    lines_to_pay,
    owed,
    update_taxes,
)
from tieout.testing.fakes.tryton_models import Row
from tieout.testing.fakes.tryton_shapes import plain

SEQUENCE = "ir.sequence.strict"
NAMES_MAX = 5
"""So many records a message names."""

_COPIED = "type company party invoice_address account journal currency payment_term"
_COPIED_OF_LINES = "type company currency account description unit unit_price product"


class Ledger:
    """
    The journal entries of one company's `Books`.

    ``number_format`` gets ``year`` and ``n``: numbers begin anew with each fiscal year,
    and credit notes take theirs from the same sequence. ``exchange`` is the journal and
    the account that take differences of exchange.
    """

    def __init__(
        self, books: Books, number_format: str, exchange: tuple[int, int]
    ) -> None:
        self.books = books
        self.number_format = number_format
        self.exchange = exchange

    # Invoices ------------------------------------------------------------------------

    def _may(self, method: str, row: Row, states: Iterable[str]) -> bool:
        """Whether a step may be taken: 8.2 refuses, 7.0 passes over the record."""
        is_right = row["state"] in states
        if not is_right and not self.books.is_old:
            record = self.books.value(INVOICE, row, "rec_name")
            label = self.books.models[INVOICE].label
            raise self.books.refusal(
                "transition", method=method, record=record, model=label
            )
        return is_right

    def move_state(self, method: str, ids: Sequence[int]) -> None:
        """``validate_invoice``, ``draft`` and ``cancel``: the steps before posting."""
        sources, target = {
            "validate_invoice": ({"draft"}, "validated"),
            "draft": ({"validated", "cancelled"}, "draft"),
            "cancel": ({"draft", "validated"}, "cancelled"),
        }[method]
        for row in self.books.rows(INVOICE, ids):
            if self._may(method, row, () if row["move"] else sources):
                self.books.update(INVOICE, row["id"], {"state": target})

    def post(self, ids: Sequence[int]) -> None:
        """Number the invoices, oldest first, and enter them; all of them or none."""
        books = self.books
        rows = [
            row
            for row in books.rows(INVOICE, ids)
            if self._may("post", row, {"draft", "validated"})
        ]
        late = [
            row for row in rows if (row["invoice_date"] or date.min) > books.today()
        ]
        if late:
            names = [books.value(INVOICE, row, "rec_name") for row in late[:NAMES_MAX]]
            told = books.say("future", records=", ".join(names))
            keys = [f"{INVOICE},{row['id']}" for row in late]
            books.warn("invoice_date_future", keys, told)
        for row in sorted(rows, key=lambda row: row["invoice_date"] or books.today()):
            self._check_identifier(row)
            update_taxes(books, row["id"])
            self._number(row)
            self._enter(books.tables.row(INVOICE, row["id"]))

    def _check_identifier(self, row: Row) -> None:
        # Whether the VIES service knows it is asked later, and never here.
        party = self.books.tables.row(PARTY, row["party"])
        found = self.books.value(PARTY, party, "tax_identifier")
        if found is not None and not self.books.is_old:
            name = self.books.name("party.identifier", found)
            record = self.books.value(INVOICE, row, "rec_name")
            told = self.books.say("vies", record=record, identifier=name)
            keys = [f"party.identifier,{found}"]
            self.books.warn("account.invoice eu_vat valid", keys, told)

    def _number(self, row: Row) -> None:
        books, day = self.books, row["invoice_date"] or self.books.today()
        changes: Row = {"invoice_date": day}
        if row["number"] is None:
            year = self.period(row["accounting_date"] or day)["fiscalyear"]
            name = books.tables.row("account.fiscalyear", year)["name"]
            sequence = self._sequence(f"{row['type']} {name}")
            if row["type"] == "out":
                self._check_after(row, sequence, day)
            number = self.number_format.format(year=name, n=self._next(sequence))
            changes |= {"number": number, "sequence": sequence["id"]}
        if not books.is_old:
            total = books.value(INVOICE, row, "total_amount")
            kind = "credit_note" if total < 0 else "invoice"
            changes["sequence_type_cache"] = kind
        books.update(INVOICE, row["id"], changes)

    def _sequence(self, name: str) -> Row:
        for row in self.books.tables.all(SEQUENCE):
            if row["name"] == name:
                return row
        key = self.books.insert(SEQUENCE, {"name": name, "number_next": 1})
        return self.books.tables.row(SEQUENCE, key)

    def _next(self, sequence: Row) -> int:
        n: int = sequence["number_next"]
        self.books.tables.update(SEQUENCE, sequence["id"], {"number_next": n + 1})
        return n

    def _check_after(self, row: Row, sequence: Row, day: date) -> None:
        books = self.books
        ids = books.tables.pointing(INVOICE, "sequence", sequence["id"])
        later = [
            each for each in books.rows(INVOICE, ids) if each["invoice_date"] > day
        ]
        if later:
            last = max(later, key=lambda each: each["invoice_date"])
            raise books.refusal(
                "number after",
                record=books.value(INVOICE, row, "rec_name"),
                date=books.day(day),
                sequence=sequence["name"].partition(" ")[2],
                other=books.value(INVOICE, last, "rec_name"),
            )

    def period(self, day: date) -> Row:
        """The open period of a day."""
        books = self.books
        company = books.name("company.company", 1)
        for row in books.tables.all("account.period"):
            if row["start_date"] <= day <= row["end_date"]:
                if row["state"] == "open":
                    return row
                told = {
                    "period": row["name"],
                    "company": company,
                    "date": books.day(day),
                }
                raise books.refusal("closed period", **told)
        raise books.refusal("no period", date=books.day(day), company=company)

    def _enter(self, row: Row) -> None:
        """The invoice's own move, and what follows from its amounts."""
        books, day = self.books, row["accounting_date"] or row["invoice_date"]
        lines = [*self._revenue(row), *self._taxes(row)]
        lines += self._receivables(row, -sum((line["net"] for line in lines), ZERO))
        origin = f"{INVOICE},{row['id']}"
        move = self.entry(row["journal"] or 1, day, lines, origin=origin)
        untaxed = books.value(INVOICE, row, "untaxed_amount")
        tax = books.value(INVOICE, row, "tax_amount")
        changes: Row = {
            "state": "posted",
            "move": move,
            "untaxed_amount_cache": untaxed,
        }
        changes |= {"tax_amount_cache": tax, "total_amount_cache": untaxed + tax}
        books.update(INVOICE, row["id"], changes)
        if untaxed + tax == 0:
            own = lines_to_pay(books, books.tables.row(INVOICE, row["id"]))
            self.reconcile([line["id"] for line in own])

    def _signed(self, row: Row, amount: Decimal) -> Row:
        """Debit less credit as ``net``, in the company's currency, and what it was."""
        company = self.books.company()["currency"]
        day = row["invoice_date"]
        net = self.books.converted(amount, row["currency"], company, day)
        if row["currency"] == company:
            return {"net": net}
        second = {"second_currency": row["currency"], "amount_second_currency": amount}
        return {"net": net, **second}

    def _revenue(self, row: Row) -> list[Row]:
        books, found = self.books, []
        sign = -1 if row["type"] == "out" else 1
        for line in books.rows(
            "account.invoice.line", books.value(INVOICE, row, "lines")
        ):
            if line["type"] == "line":
                amount = sign * books.value("account.invoice.line", line, "amount")
                origin = f"account.invoice.line,{line['id']}"
                place = {"account": line["account"], "origin": origin}
                found.append({**place, **self._signed(row, amount)})
        return found

    def _taxes(self, row: Row) -> list[Row]:
        books, found = self.books, []
        sign = -1 if row["type"] == "out" else 1
        for tax in books.rows(
            "account.invoice.tax", books.value(INVOICE, row, "taxes")
        ):
            origin = f"account.invoice.tax,{tax['id']}"
            place = {"account": tax["account"], "origin": origin}
            place["description"] = tax["description"]
            found.append({**place, **self._signed(row, sign * tax["amount"])})
        return found

    def _receivables(self, row: Row, net: Decimal) -> list[Row]:
        books, total = self.books, self.books.value(INVOICE, row, "total_amount")
        parts = self.terms(row["payment_term"], total, row)
        found: list[Row] = []
        for day, amount in parts:
            if day < books.today():
                record = books.value(INVOICE, row, "rec_name")
                told = books.say("past", record=record, date=books.day(day))
                books.warn("invoice_payment_term", [f"{INVOICE},{row['id']}"], told)
            signed = self._signed(row, amount if row["type"] == "out" else -amount)
            place = {"account": row["account"], "party": row["party"]}
            found.append({**place, "maturity_date": day, **signed})
        # Parts that were converted one by one need not make the whole.
        found[-1]["net"] += net - sum((line["net"] for line in found), ZERO)
        return found

    def terms(
        self, term: int | None, total: Decimal, row: Row
    ) -> list[tuple[date, Decimal]]:
        """The instalments of an amount: days and parts of it."""
        books, model = self.books, "account.invoice.payment_term"
        day = row["payment_term_date"] or row["invoice_date"]
        found = books.tables.get(model, term)
        if found is None:
            return [(day, total)]
        left, parts = total, []
        for line in books.rows(f"{model}.line", books.value(model, found, "lines")):
            part = left
            if line["type"] == "fixed":
                part = line["amount"].copy_sign(total)
            elif line["type"].startswith("percent"):
                whole = total if line["type"] == "percent_on_total" else left
                part = books.rounded(whole * line["ratio"], row["currency"])
            deltas = books.value(f"{model}.line", line, "relativedeltas")
            days = sum(
                (delta["days"] or 0) + 7 * (delta["weeks"] or 0)
                for delta in books.rows(f"{model}.line.delta", deltas)
            )
            parts.append((day + timedelta(days=days), part))
            left -= part
        return parts

    # Moves ---------------------------------------------------------------------------

    def entry(
        self,
        journal: int,
        day: date,
        lines: Sequence[Row],
        *,
        origin: str | None = None,
        description: str | None = None,
    ) -> int:
        """A posted move; each line's ``net`` is its debit less its credit."""
        books = self.books
        values: Row = {"company": 1, "journal": journal, "date": day, "state": "draft"}
        values |= {"period": self.period(day)["id"], "origin": origin}
        move = books.insert(MOVE, {**values, "description": description})
        for line in lines:
            kept = {name: value for name, value in line.items() if name != "net"}
            kept |= {"debit": max(ZERO, line["net"]), "credit": max(ZERO, -line["net"])}
            books.insert(LINE, {"move": move, "state": "valid", **kept})
        self.post_moves([move])
        return move

    def post_moves(self, ids: Sequence[int]) -> None:
        """Number the moves and close them to changes; a posted one stays as it is."""
        books = self.books
        for row in books.rows(MOVE, ids):
            if row["state"] == "posted":
                continue
            lines = books.rows(LINE, books.tables.pointing(LINE, "move", row["id"]))
            record = books.value(MOVE, row, "rec_name")
            if not lines:
                raise books.refusal("move empty", record=record)
            if sum((line["debit"] - line["credit"] for line in lines), ZERO):
                raise books.refusal("move unbalanced", record=record)
            year = self.period(row["date"])["fiscalyear"]
            changes: Row = {"post_date": books.today(), "state": "posted"}
            changes["number"] = str(self._next(self._sequence(f"move {year}")))
            books.update(MOVE, row["id"], changes)

    def cancel_move(self, key: int, description: str | None) -> int:
        """A move that undoes another on the same day, their open lines reconciled."""
        books = self.books
        row = books.tables.row(MOVE, key)
        model, _, invoice = str(row["origin"]).partition(",")
        found = books.tables.get(INVOICE, int(invoice)) if model == INVOICE else None
        if found is not None and found["state"] == "posted":
            names = {"record": books.value(MOVE, row, "rec_name")}
            names["invoice"] = books.value(INVOICE, found, "rec_name")
            told, more = (
                books.say("cancel move", **names),
                books.say("cancel move more"),
            )
            books.warn("cancel_invoice_move", [f"{MOVE},{key}"], told, more)
        own = books.rows(LINE, books.value(MOVE, row, "lines"))
        lines = [self._reversed(line) for line in own]
        made = self.entry(
            row["journal"],
            row["date"],
            lines,
            origin=f"{MOVE},{key}",
            description=description or row["description"],
        )
        theirs = books.rows(LINE, books.tables.pointing(LINE, "move", made))
        both = [*own, *theirs]
        for account, party in {(line["account"], line["party"]) for line in both}:
            if books.tables.row("account.account", account)["reconcile"]:
                pair = [
                    line["id"]
                    for line in both
                    if (line["account"], line["party"]) == (account, party)
                ]
                self.reconcile(pair)
        return made

    @staticmethod
    def _reversed(line: Row) -> Row:
        names = ("account", "party", "second_currency")
        kept = {name: line[name] for name in names}
        second = line["amount_second_currency"]
        kept["amount_second_currency"] = None if second is None else -second
        net = line["credit"] - line["debit"]
        return {**kept, "net": net, "origin": f"{LINE},{line['id']}"}

    # Reconciling ---------------------------------------------------------------------

    def reconcile(
        self,
        ids: Sequence[int],
        *,
        write_off: int | None = None,
        day: date | None = None,
    ) -> None:
        """Close lines against each other; what is over needs a way to write it off."""
        books = self.books
        lines = books.rows(LINE, sorted(set(ids)))
        self._check_reconcilable(lines)
        lines += self._difference(lines, write_off, day or books.today())
        # 8.2 counts the days something falls due as well, so its day may lie ahead.
        days = [books.value(LINE, line, "date") for line in lines]
        if not books.is_old:
            days += [line["maturity_date"] for line in lines if line["maturity_date"]]
        number = str(self._next(self._sequence("reconciliation")))
        values = {"company": 1, "date": max(days), "number": number}
        made = books.insert(RECONCILIATION, values)
        for line in lines:
            books.update(LINE, line["id"], {"reconciliation": made})
        self._touch(lines)

    def _touch(self, lines: Sequence[Row]) -> None:
        """The invoices that these lines belong to are looked at later."""
        pointing = self.books.tables.pointing
        for line in lines:
            for field in ("move", "additional_moves"):
                self.books.pending.extend(pointing(INVOICE, field, line["move"]))

    def _check_reconcilable(self, lines: Sequence[Row]) -> None:
        books, first = self.books, lines[0]
        for line in lines:
            record = books.value(LINE, line, "rec_name")
            if line["reconciliation"] is not None:
                raise books.refusal("reconciled", record=record)
            for key, field, model in (
                ("accounts", "account", "account.account"),
                ("parties", "party", PARTY),
            ):
                one, two = line[field], first[field]
                if one != two:
                    names = {
                        "one": books.name(model, one),
                        "two": books.name(model, two),
                    }
                    raise books.refusal(key, record=record, **names)

    def _difference(
        self, lines: Sequence[Row], write_off: int | None, day: date
    ) -> list[Row]:
        """The line that closes what the lines leave open, if they leave anything."""
        books, first = self.books, lines[0]
        net = sum((line["debit"] - line["credit"] for line in lines), ZERO)
        seconds = [line["amount_second_currency"] for line in lines]
        second = None if None in seconds else Decimal(sum(seconds))
        if not net and not second:
            return []
        place = {name: first[name] for name in ("account", "party", "second_currency")}
        if second == 0:
            journal, account = self.exchange
            place["amount_second_currency"] = ZERO
        else:
            found = books.tables.get("account.move.reconcile.write_off", write_off)
            if found is None:
                currency = first["second_currency"] or books.company()["currency"]
                amount = books.money(net if second is None else second, currency)
                raise books.refusal("write-off", amount=amount)
            side = "debit_account" if net > 0 else "credit_account"
            journal, account = found["journal"], found[side]
            place["amount_second_currency"] = None if second is None else -second
        other = {"account": account, "net": net}
        move = self.entry(journal, day, [{**place, "net": -net}, other])
        return books.rows(LINE, books.tables.pointing(LINE, "move", move)[:1])

    def unreconcile(self, ids: Sequence[int]) -> None:
        """Open lines again; a write-off among them asks first."""
        books = self.books
        for row in books.rows(RECONCILIATION, ids):
            keys = books.tables.pointing(LINE, "reconciliation", row["id"])
            lines = books.rows(LINE, keys)
            for line in lines:
                move = books.tables.row(MOVE, line["move"])
                journal = books.tables.row("account.journal", move["journal"])
                if journal["type"] == "write-off":
                    names = {"record": row["number"], "move": move["number"]}
                    names["line"] = books.value(LINE, line, "rec_name")
                    told = books.say("delete write-off", **names)
                    books.warn(
                        "delete.write-off", [f"{RECONCILIATION},{row['id']}"], told
                    )
            for line in lines:
                books.update(LINE, line["id"], {"reconciliation": None})
            books.tables.remove(RECONCILIATION, row["id"])
            self._touch(lines)

    def process(self, ids: Iterable[int], *, asked: bool = False) -> None:
        """
        Let the states follow what was reconciled: what a queue worker does later.

        ``asked`` by a client it refuses what is neither posted nor paid.
        """
        books = self.books
        rows = books.rows(INVOICE, sorted(set(ids)))
        for row in rows if asked else ():
            self._may("process", row, {"posted", "paid"})
        for row in rows:
            if row["move"] is None or row["state"] in {"draft", "validated"}:
                continue
            is_closed = books.value(INVOICE, row, "reconciled") is not None
            if row["state"] == "cancelled":
                if not is_closed:
                    changes = {"state": "posted", "cancel_move": None}
                    books.update(INVOICE, row["id"], changes)
                continue
            books.update(
                INVOICE, row["id"], {"state": "paid" if is_closed else "posted"}
            )
            if is_closed:
                self._clean_payments(row)

    def _clean_payments(self, row: Row) -> None:
        """Unlink payments that in the end closed something else, or nothing."""
        books = self.books
        closed = {line["reconciliation"] for line in lines_to_pay(books, row)}
        linked = books.rows(LINE, row.get("payment_lines", ()))
        kept = tuple(line["id"] for line in linked if line["reconciliation"] in closed)
        books.tables.update(INVOICE, row["id"], {"payment_lines": kept})

    # Paying --------------------------------------------------------------------------

    def best_lines(self, row: Row, amount: Decimal) -> tuple[list[int], Decimal]:
        """
        Which open lines an amount would close, and what would be left over.

        It starts with all of them and gives up the latest, one at a time, while that
        brings the rest nearer to nothing: so earlier part payments may be left out.
        """
        books, currency = self.books, row["currency"]
        linked = books.rows(LINE, row.get("payment_lines", ()))
        lines = [
            line
            for line in (*linked, *lines_to_pay(books, row))
            if not line["reconciliation"] and balance(line, currency)
        ]
        lines.sort(
            key=lambda line: line["maturity_date"] or books.value(LINE, line, "date")
        )
        rest = sum((balance(line, currency) for line in lines), -amount)
        best, best_rest = list(lines), rest
        while rest and lines:
            latest = (
                line for line in reversed(lines) if balance(line, currency) * rest > 0
            )
            given_up = next(latest, None)
            if given_up is None:
                break
            lines = [line for line in lines if line is not given_up]
            rest -= balance(given_up, currency)
            if lines and abs(rest) < abs(best_rest):
                best, best_rest = list(lines), rest
        return [line["id"] for line in best], best_rest

    def enter_payment(
        self,
        row: Row,
        amount: Decimal,
        method: int,
        day: date,
        description: str | None,
        over: Decimal = ZERO,
    ) -> list[int]:
        """The move of a payment, its first line linked to the invoice; its lines there."""
        books, company = self.books, self.books.company()["currency"]
        how = books.tables.get("account.invoice.payment.method", method)
        if how is None:
            raise plain("'NoneType' object has no attribute 'debit_account'")
        sign = -1 if row["type"] == "out" else 1
        on_invoice = {**row, "invoice_date": day}
        whole = books.converted(amount, row["currency"], company, day)
        place = {"account": row["account"], "party": row["party"]}
        lines = [{**place, **self._signed(on_invoice, sign * (amount - over))}]
        if over:
            lines.append({**place, **self._signed(on_invoice, sign * over)})
        lines[0]["net"] = sign * whole - sum((line["net"] for line in lines[1:]), ZERO)
        side = "debit_account" if sign * amount < 0 else "credit_account"
        other = {"account": how[side], **self._signed(on_invoice, -sign * amount)}
        origin = f"{INVOICE},{row['id']}"
        move = self.entry(
            how["journal"], day, [*lines, other], origin=origin, description=description
        )
        made = books.tables.pointing(LINE, "move", move)[: len(lines)]
        books.edit(INVOICE, [row["id"]], {"payment_lines": [["add", made[:1]]]})
        return made

    def pay(
        self,
        invoice: int,
        amount: Decimal,
        method: int,
        day: date,
        description: str | None,
        *,
        kind: str = "partial",
        write_off: int | None = None,
        closes: Sequence[int] = (),
    ) -> None:
        """What the last step of the wizard does with what was said in it."""
        books = self.books
        row = books.tables.row(INVOICE, invoice)
        lines, rest = self.best_lines(row, amount if row["type"] == "out" else -amount)
        left, over = owed(books, row), ZERO
        if 0 <= left < amount or amount < left <= 0:
            record = books.value(INVOICE, row, "rec_name")
            if kind == "partial":
                told = books.money(left, row["currency"])
                raise books.refusal("partial", record=record, amount=told)
            if not left:
                raise books.refusal("overpay", record=record)
            over = amount - left
        paid: list[int] = []
        if amount:
            paid = self.enter_payment(row, amount, method, day, description, over)
        if not rest:
            self.reconcile([*lines, *paid])
        elif kind != "partial":
            linked = books.tables.row(INVOICE, invoice).get("payment_lines", ())
            open_ones = [
                line["id"]
                for line in books.rows(LINE, linked)
                if not line["reconciliation"]
            ]
            more = paid if kind == "writeoff" else []
            self.reconcile([*closes, *open_ones, *more], write_off=write_off, day=day)

    # Crediting -----------------------------------------------------------------------

    def credit(
        self, ids: Sequence[int], *, refund: bool, day: date | None
    ) -> list[int]:
        """Credit notes over the whole of invoices, applied at once if ``refund``."""
        books, made = self.books, []
        for row in books.rows(INVOICE, ids):
            if refund and row["state"] != "posted":
                record = books.value(INVOICE, row, "rec_name")
                raise books.refusal("refund", record=record)
            made.append(self._note(row, day))
        if refund:
            self.post(made)
            for original, note in zip(ids, made, strict=True):
                self._cancel_by(original, note)
        return made

    def _note(self, row: Row, day: date | None) -> int:
        books, model = self.books, "account.invoice.line"
        copied = {name: row[name] for name in _COPIED.split()}
        note = books.insert(
            INVOICE,
            {**copied, "state": "draft", "invoice_date": day, "reference": None},
        )
        for line in books.rows(model, books.value(INVOICE, row, "lines")):
            copied = {name: line[name] for name in _COPIED_OF_LINES.split()}
            copied["taxes"] = line.get("taxes", ())
            quantity = None if line["quantity"] is None else -line["quantity"]
            copied |= {"invoice": note, "quantity": quantity}
            books.insert(model, {**copied, "origin": f"{model},{line['id']}"})
        update_taxes(books, note)
        return note

    def _cancel_by(self, original: int, note: int) -> None:
        books = self.books
        row, other = books.rows(INVOICE, [original, note])
        changes = {"state": "cancelled", "cancel_move": other["move"]}
        books.update(INVOICE, original, changes)
        both = itertools.chain(lines_to_pay(books, row), lines_to_pay(books, other))
        self.reconcile([line["id"] for line in both if not line["reconciliation"]])
        self._clean_payments(books.tables.row(INVOICE, original))
