"""The queues: priority, time limit and retries of each, as requirements TRN-04 to TRN-07 have them, and that every service's tasks do as
they say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery
from celery.app.task import Task

from services.accounts import schedule as accounts_schedule
from services.accounts import tasks as of_accounts
from services.categorization import schedule as categorization_schedule
from services.categorization import tasks as of_categorization
from services.federation import schedule as federation_schedule
from services.federation import tasks as of_federation
from services.forecasting import schedule as forecasting_schedule
from services.forecasting import tasks as of_forecasting
from services.ingestion import schedule as ingestion_schedule
from services.ingestion import tasks as of_ingestion
from services.kit.queue import (
    LONG_INFERENCE,
    PRIORITIES,
    QUEUES,
    VISIBILITY_TIMEOUT_S,
    QueueRules,
    TaskQueue,
    inference_of,
    make_celery,
    rules_of,
    task_options,
    upkeep_of,
)
from services.training import schedule as training_schedule
from services.training import tasks as of_training
from tests.support.gateway_app import RedisProcess

NOWHERE = "redis://127.0.0.1:1/0"
WORK = ("ingest", "inference-probe", "training", "fl")


def probe() -> Celery:
    return make_celery("probe", NOWHERE, services=["probe"])


@pytest.mark.requirement("TRN-04", "TRN-05", "TRN-06")
@pytest.mark.parametrize(
    ("queue", "rules", "priority", "time_limit_s", "max_retries"),
    [
        ("training", None, "low", 1800, 1),  # TRN-04
        (inference_of("probe"), None, "high", 300, 2),  # TRN-05: a batch to classify
        (inference_of("probe"), LONG_INFERENCE, "medium", 600, 2),  # TRN-05: a forecast, and the topology of a series
        ("fl", None, "low", 900, 1),  # TRN-06
        ("ingest", None, "medium", 1800, 0),
        (upkeep_of("probe"), None, "high", 60, 0),
    ],
)
def test_queue_config(queue: str, rules: QueueRules | None, priority: str, time_limit_s: int, max_retries: int) -> None:
    """Route, priority, time limit and retries, as a declared task has them."""
    celery = probe()

    @celery.task(name=f"probe.{queue}.{priority}", **task_options(queue, rules))
    def task() -> None:
        pass

    assert (task.time_limit, task.max_retries) == (time_limit_s, max_retries)
    route = celery.amqp.router.route({}, task.name, task_type=task)
    assert (route["queue"].name, route["priority"]) == (queue, PRIORITIES[priority])


def tasks_of(module: Any) -> Iterator[Task]:
    found = [one for one in vars(module).values() if hasattr(one, "route") and hasattr(one, "apply_async")]
    assert found
    yield from found


@pytest.mark.parametrize(
    ("service", "module"),
    [
        ("accounts", of_accounts),
        ("categorization", of_categorization),
        ("federation", of_federation),
        ("forecasting", of_forecasting),
        ("ingestion", of_ingestion),
        ("training", of_training),
    ],
)
def test_every_task_of_a_service_goes_where_its_worker_listens(service: str, module: Any) -> None:
    for task in tasks_of(module):
        queue = task.route["queue"]
        assert queue in ("ingest", "training", "fl", upkeep_of(service), inference_of(service)), task.name
        assert task.name.startswith(f"{service}.")
        assert task.route["priority"] in PRIORITIES.values()
        if not queue.startswith("upkeep-"):
            rules = rules_of(queue)
            wanted = [(one.time_limit_s, one.max_retries, PRIORITIES[one.priority]) for one in (rules, LONG_INFERENCE)]
            assert (task.time_limit, task.max_retries, task.route["priority"]) in wanted, task.name


@pytest.mark.parametrize(
    ("module", "schedule"),
    [
        (of_accounts, accounts_schedule),
        (of_categorization, categorization_schedule),
        (of_federation, federation_schedule),
        (of_forecasting, forecasting_schedule),
        (of_ingestion, ingestion_schedule),
        (of_training, training_schedule),
    ],
)
def test_what_the_clock_asks_for_is_there(module: Any, schedule: Any) -> None:
    routes = {task.name: task.route["queue"] for task in tasks_of(module)}
    assert {every.task: every.queue for every in schedule.SCHEDULE}.items() <= routes.items()


@pytest.mark.requirement("ANO-03", "FCT-05", "TRN-05")
@pytest.mark.parametrize("task", [of_forecasting.make_forecast, of_forecasting.scan_ledger])
def test_forecasts_and_scans_are_inference_of_medium_priority(task: Task) -> None:
    """FCT-05, ANO-03, TRN-05: 10 minutes, 2 retries."""
    assert (task.time_limit, task.max_retries) == (600, 2)
    assert task.route == {"queue": inference_of("forecasting"), "priority": PRIORITIES["medium"]}


@pytest.mark.requirement("FED-13", "TRN-06")
def test_a_round_is_of_low_priority_and_has_fifteen_minutes_and_one_more_try() -> None:
    """FED-13, TRN-06."""
    task: Task = of_federation.run_round
    assert (task.time_limit, task.max_retries) == (900, 1)
    assert task.route == {"queue": "fl", "priority": PRIORITIES["low"]}


def test_no_two_services_share_a_queue_of_inference() -> None:
    """A worker throws away tasks that it does not know."""
    assert inference_of("categorization") != inference_of("forecasting")
    assert rules_of(inference_of("categorization")) is rules_of(inference_of("forecasting")) is QUEUES["inference"]
    assert set(probe().amqp.queues) == {*WORK, upkeep_of("probe")}


@pytest.mark.requirement("TRN-07")
def test_high_is_served_first_on_redis() -> None:
    """TRN-07, C-40."""
    assert PRIORITIES == {"high": 0, "medium": 3, "low": 9}
    options = probe().conf.broker_transport_options
    assert options["priority_steps"] == [0, 3, 9]
    assert options["queue_order_strategy"] == "priority"


@pytest.mark.requirement("TRN-27")
def test_no_message_is_handed_out_while_its_task_may_run() -> None:
    """TRN-27."""
    assert max(rules.time_limit_s for rules in [*QUEUES.values(), LONG_INFERENCE]) < VISIBILITY_TIMEOUT_S


@pytest.mark.requirement("TRN-28")
async def test_the_length_of_a_queue_counts_every_priority(own_redis: RedisProcess) -> None:
    """TRN-28: what waits with low priority stands in another list of Redis than the queue's name."""
    queue = TaskQueue(own_redis.url, services=["probe"])
    try:
        for name in WORK:
            for count, priority in enumerate(PRIORITIES, start=1):
                await queue.enqueue("probe.task", [priority], queue=name, priority=priority)
                assert await queue.length(name) == count
    finally:
        await queue.close()
