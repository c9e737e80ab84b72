from tests.accounts.test_transactions import *  # noqa: F403
