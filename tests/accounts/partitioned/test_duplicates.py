from tests.accounts.test_duplicates import *  # noqa: F403
