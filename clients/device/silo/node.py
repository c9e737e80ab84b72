"""A SuperNode that runs the code of this installation, and nothing that comes from elsewhere.

Flower's own takes the app from the SuperLink and runs it, so that whoever may start runs there runs code here. It also starts a process for
each message, which this one does not. What it uses of flwr's own parts is held by tests/federation/test_silos.py.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from functools import partial

from cryptography.hazmat.primitives.asymmetric import ec
from flwr.app import Error, Message
from flwr.common.constant import ErrorCode
from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects, get_object_tree, no_object_id_recompute
from flwr.supercore.inflatable.inflatable_utils import ObjectPullError, pull_and_inflate_object_from_tree, push_objects
from flwr.supercore.run import RunNotRunningException
from flwr.supernode.fleet_http_connection import http_request_response

from clients.device.problem import DeviceProblem

Answer = Callable[[Message], Message]
Told = Callable[[str], None]

POLL_S = 3.0
# Why it cannot join, and nothing else.
logging.getLogger("flwr").setLevel(logging.ERROR)


def serve(
    address: str,
    key: ec.EllipticCurvePrivateKey,
    answer: Answer,
    *,
    authority: bytes | None,
    over: threading.Event,
    poll_s: float = POLL_S,
    told: Told = lambda line: None,
) -> None:
    """Joins the SuperLink at host:port, whose certificate `authority` has signed (PEM; None: one of the system's), and answers until `over`
    is set.

    An error of `answer` is the reply: it reaches the coordinator as words. Returns as well when the connection is lost; flwr ends the
    process where it cannot join.
    """
    with http_request_response(address, False, authority, (key, key.public_key())) as (_, receive, send, _, _, pull, push, confirm):
        told("joined")
        while not over.is_set():
            if (received := receive()) is None:
                over.wait(poll_s)
                continue
            run_id, tree = received[0].metadata.run_id, received[1]
            try:
                message = pull_and_inflate_object_from_tree(tree, partial(pull, run_id), partial(confirm, run_id), return_type=Message)
                message.metadata.__dict__["_message_id"] = tree.object_id
                began = time.monotonic()
                reply = _replied(answer, message, told)
                with no_object_id_recompute():
                    wanted, session = send(reply, get_object_tree(reply), time.monotonic() - began)
                    push_objects(get_all_nested_objects(reply), partial(push, run_id, session), object_ids_to_push=wanted)
            except (RunNotRunningException, ObjectPullError):
                told("the round was over before the answer was there")


def _replied(answer: Answer, message: Message, told: Told) -> Message:
    """The answer, or why there is none: the round goes on without this silo, and what it was is said on both sides."""
    try:
        reply = answer(message)
        told("trained, and sends an update")
    except Exception as error:
        words = str(error) if isinstance(error, DeviceProblem) else type(error).__name__
        told(f"refused: {words}")
        reply = Message(Error(ErrorCode.CLIENT_APP_RAISED_EXCEPTION, words), reply_to=message)
    reply.metadata.__dict__["_message_id"] = reply.object_id
    return reply
