"""Collects comparisons, prints tables, counts."""

from __future__ import annotations

from bounds import Row, share


class Report:
    def __init__(self, quick: bool = False):
        self.quick = quick
        self.passed = 0
        self.skipped: list[str] = []
        self.failures: list[str] = []
        self.worst: dict[str, Row] = {}

    def section(self, title: str) -> None:
        print(f"\n== {title}")

    def some(self, cases: list) -> list:
        """What is compared of the cases that take long: all, or every fifth where it has to be quick."""
        return cases[::5] if self.quick else cases

    def add(self, context: str, rows: list[Row]) -> None:
        """Counts comparisons that have to hold and remembers the worst of each kind."""
        for row in rows:
            if row.passed:
                self.passed += 1
            else:
                self.failures.append(f"{context}: {describe(row)}")
            worst = self.worst.get(row.what)
            if worst is None or share(row) > share(worst):
                self.worst[row.what] = Row(row.what, row.difference, row.bound, f"{context} {row.where}")

    def check(self, what: str, passed: bool, detail: str = "") -> None:
        if passed:
            self.passed += 1
        else:
            self.failures.append(f"{what} {detail}".strip())
        print(f"  {'ok  ' if passed else 'FAIL'} {what}{'  ' + detail if detail else ''}")

    def skip(self, what: str, reason: str) -> None:
        self.skipped.append(what)
        print(f"  skipped: {reason} ({what})")

    def table(self, lines: list[tuple[str, list[Row]]]) -> None:
        """A line per case; each cell is the largest difference / its bound. What was compared with two
        references ("logits / float32", "logits / float64") shares a column, which shows the worse."""
        names = list(dict.fromkeys(quantity(row) for _, rows in lines for row in rows))
        width = max(len(label) for label, _ in lines)
        print("  " + " " * width + "".join(f"  {name:>17}" for name in names))
        for label, rows in lines:
            worst = {row_name: "-" for row_name in names}
            for row in sorted(rows, key=share):
                worst[quantity(row)] = cell(row)
            print(f"  {label:<{width}}" + "".join(f"  {worst[name]:>17}" for name in names))

    def add_report(self, other: Report) -> None:
        """Takes over what another report counted."""
        self.passed += other.passed
        self.skipped += other.skipped
        self.failures += other.failures
        for what, row in other.worst.items():
            if what not in self.worst or share(row) > share(self.worst[what]):
                self.worst[what] = row

    def finish(self) -> int:
        self.section("the largest differences of all, beside the bounds that they have to keep")
        for row in self.worst.values():
            print(f"  {row.what:<22} {row.difference:9.2e} of {row.bound:9.2e}   {row.where}")
        for failure in self.failures:
            print(f"FAILED {failure}")
        skipped = f", {len(self.skipped)} skipped" if self.skipped else ""
        print(f"\n{self.passed} passed, {len(self.failures)} failed{skipped}")
        return 1 if self.failures else 0


def quantity(row: Row) -> str:
    return row.what.removesuffix(" / float32").removesuffix(" / float64")


def cell(row: Row) -> str:
    return f"{row.difference:.1e} / {row.bound:.1e}{' ' if row.passed else '!'}"


def describe(row: Row) -> str:
    return f"{row.what}: {row.difference:.3e}, bound {row.bound:.3e} {row.where}"
