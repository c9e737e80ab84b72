from tests.accounts.test_postgres import (  # noqa: F401
    account,
    service,
    test_a_page_costs_a_fixed_number_of_statements,
    test_an_account_deleted_meanwhile_is_not_found,
    test_an_import_that_is_cancelled_leaves_nothing_and_the_connection_usable,
    test_one_import_sent_at_once_is_in_once,
    test_overlapping_imports_at_once_keep_each_row_once,
    test_rows_are_invisible_in_sql_too,
    test_two_rows_of_one_import_may_not_share_a_fingerprint,
    test_works_without_prepared_statements,
)
