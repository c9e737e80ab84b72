from tests.accounts.test_transfers import *  # noqa: F403
