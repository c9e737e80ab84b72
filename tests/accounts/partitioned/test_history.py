from tests.accounts.test_history import *  # noqa: F403
