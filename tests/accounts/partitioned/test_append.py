from tests.accounts.test_append import *  # noqa: F403
