"""A user's own data on the wire."""

from __future__ import annotations

from scale.training.v1 import user_data_service_pb2
from scale.training.v1.user_data_service_pb2_grpc import UserDataServiceServicer
from services.kit.user_data.servicer import UserDataServicer


class TrainingUserDataServicer(UserDataServicer, UserDataServiceServicer):
    """`scale.training.v1.UserDataService`."""

    messages = user_data_service_pb2
