"""A user's own data on the wire."""

from __future__ import annotations

from scale.federation.v1 import user_data_service_pb2
from scale.federation.v1.user_data_service_pb2_grpc import UserDataServiceServicer
from services.kit.user_data.servicer import UserDataServicer


class FederationUserDataServicer(UserDataServicer, UserDataServiceServicer):
    """`scale.federation.v1.UserDataService`."""

    messages = user_data_service_pb2
