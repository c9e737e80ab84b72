from tests.accounts.test_categorizing import *  # noqa: F403
