from tests.accounts.test_typed import *  # noqa: F403
