from tests.accounts.user_data.test_round_trip import (  # noqa: F401
    ledger,
    test_export_and_restore_keep_every_byte,
    test_rows_that_name_nothing_are_refused_by_their_line,
    test_what_is_there_already_stays_as_it_is,
    user_data,
)
