"""One importer of beancount's own import framework, run by the Python of the environment that has beancount and beangulp.

python beangulp_import.py extract [--existing LEDGER] --output ENTRIES STATEMENT
"""

import beangulp
from beangulp.importers import csvbase


class Statement(csvbase.Importer):
    """The columns of the benchmark's statement. Duplicates are found as beangulp does it when nothing else is asked for."""

    date = csvbase.Date("Date")
    narration = csvbase.Column("Description")
    amount = csvbase.Amount("Amount")
    currency = csvbase.Column("Currency")

    def identify(self, filepath: str) -> bool:
        return filepath.endswith(".csv")


if __name__ == "__main__":
    beangulp.Ingest([Statement("Assets:Checking", "EUR")])()
