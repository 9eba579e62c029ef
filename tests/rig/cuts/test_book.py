"""What the cuts find in a book: each promise, kept and broken."""

from tests.rig.cuts.book import Account, Book


def event(seq, type_="boot", boot_id="a", **body):
    record = {"event_id": f"{boot_id}-{seq}", "boot_id": boot_id, "seq": seq, "type": type_, "t_s": float(seq)}
    return record | body


def item(seq, boot_id="a"):
    return event(seq, "item", boot_id, route="residue")


def interrupted(seq, boot_id, by):
    intent = {"boot_id": by, "t_s": 2.0}
    return event(seq, "fault", boot_id, reason="interrupted", item={"route": "residue"}, intent=intent)


def told(*records, motions=None, recovered=()):
    account = Account({record["event_id"]: record for record in records}, recovered=list(recovered))
    account.motions.update(motions or {})
    return account


def test_a_book_with_all_that_was_told_and_one_row_that_was_being_committed_is_right():
    book = Book("ok", (event(1), item(2), item(3)))
    account = told(event(1), item(2), motions={"a": 2})
    assert account.faults(book) == []
    assert account.unacknowledged(book) == ["a-3"]


def test_a_row_that_was_told_and_is_gone_is_lost():
    assert told(event(1), item(2), motions={"a": 0}).faults(Book("ok", (event(1),))) == ["lost: a-2 (item)"]


def test_a_row_that_reads_otherwise_than_it_was_told_is_changed():
    book = Book("ok", (event(1), item(2) | {"route": "recyclable"}))
    assert told(event(1), item(2)).faults(book) == ["changed: a-2 (item)"]


def test_a_row_that_stands_twice_is_found_though_it_has_another_number():
    assert told(event(1)).faults(Book("ok", (event(1), item(2), item(3) | {"t_s": 2.0}))) == ["twice: ('a', 2.0)"]


def test_an_item_that_is_told_as_sorted_and_as_interrupted_is_there_twice():
    book = Book("ok", (event(1), item(2), event(1, boot_id="b"), interrupted(2, "b", by="a")))
    assert "twice: ('a', 2.0)" in told(event(1), item(2), motions={"a": 1}).faults(book)


def test_a_missing_number_is_a_gap():
    assert told(event(1)).faults(Book("ok", (event(1), item(3)))) == ["gap in boot a: [1, 3]"]


def test_a_motion_that_the_book_knows_neither_as_item_nor_as_intent_is_lost():
    account = told(event(1), motions={"a": 1})
    assert account.faults(Book("ok", (event(1),))) == ["boot a moved 1 items, its book knows 0"]
    assert account.faults(Book("ok", (event(1),), intent_boot="a")) == []


def test_an_interrupted_item_is_known_once_the_next_boot_has_told_of_it():
    book = Book("ok", (event(1), event(1, boot_id="b"), interrupted(2, "b", by="a")))
    assert told(event(1), motions={"a": 1}, recovered=["a", "b"]).faults(book) == []


def test_an_intent_that_is_open_after_a_later_boot_was_ready_is_forgotten():
    book = Book("ok", (event(1), event(1, boot_id="b")), intent_boot="a")
    account = told(event(1), motions={"a": 1}, recovered=["a", "b"])
    assert account.faults(book) == ["the intent of boot a is open after a later boot was ready"]


def test_a_fault_is_counted_once():
    account, book = told(event(1), item(2), motions={"a": 1}), Book("ok", (event(1),))
    assert account.faults(book)
    account.forgive(book)
    assert account.faults(book) == []
